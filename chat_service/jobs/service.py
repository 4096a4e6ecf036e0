"""Reading jobs."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from chat_service.jobs import repository
from chat_service.jobs.context import JobContext
from chat_service.jobs.models import Job
from servicekit.pages import page_size
from servicekit.retry import execute_in_transaction

_KIND = "jobs"


class JobService:
    """Answers about a user's jobs."""

    def __init__(self, context: JobContext) -> None:
        """Take the shared tools."""
        self._sessions = context.core.sessions
        self._pages = context.core.pages

    async def get(self, user_id: str, job_id: uuid.UUID) -> Job:
        """Answer the user's job; raises `JobNotFound`."""
        get = partial(repository.get, job_id=job_id, user_id=user_id)
        return await execute_in_transaction(self._sessions, get)

    async def list_page(
        self, user_id: str, subject_id: str, size: int, token: str
    ) -> tuple[Sequence[Job], str]:
        """Answer a page of the user's jobs, newest first, and the next one's token; raises `InvalidField`."""
        limit = page_size(size)
        query = {"user_id": user_id, "subject_id": subject_id}
        after = self._after(token, query)
        page = partial(
            repository.list_page, user_id=user_id, subject_id=subject_id, after=after, limit=limit + 1
        )
        jobs = await execute_in_transaction(self._sessions, page)
        if len(jobs) <= limit:
            return jobs, ""
        last = jobs[limit - 1]
        key = [last.create_time.isoformat(), str(last.job_id)]
        return jobs[:limit], self._pages.encode(_KIND, key, query)

    def _after(self, token: str, query: Mapping[str, object]) -> tuple[datetime, uuid.UUID] | None:
        if not token:
            return None
        moment, job_id = self._pages.decode(token, _KIND, query)
        return datetime.fromisoformat(str(moment)), uuid.UUID(str(job_id))
