"""The jobs of an erased user come to their end, whether or not a worker is there to end them."""

import uuid
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.errors import AccountClosed
from chat_service.jobs import events, lifecycle, repository
from chat_service.jobs.cancel import OWN_LEASE, CancelService
from chat_service.jobs.context import JobContext
from chat_service.jobs.models import Job
from chat_service.jobs.states import JobState
from servicekit.retry import execute_in_transaction, execute_with_lock_retry

_CLOSED = "the account is closed"


class JobEnder:
    """Ends what nobody holds; the caller has cancelled the jobs and closed the account before."""

    def __init__(self, context: JobContext, cancels: CancelService) -> None:
        """Take the shared tools, and what gives coins back."""
        self._context = context
        self._cancels = cancels

    async def end_all(self, erasure_id: uuid.UUID) -> bool:
        """End the erasure's jobs as far as no worker holds them; answer whether all have ended.

        A worker hears of the cancel by its next call; one that died is waited for until its lease runs out.
        """
        unfinished = partial(repository.unfinished_of_erasure, erasure_id=erasure_id)
        sessions = self._context.core.sessions
        for job_id in await execute_in_transaction(sessions, unfinished):
            await self._end(job_id)
        return not await execute_in_transaction(sessions, unfinished)

    async def _end(self, job_id: uuid.UUID) -> None:
        work = partial(_end_or_take_over, job_id=job_id)
        job, changed = await execute_with_lock_retry(self._context.core.sessions, work)
        if changed:
            self._context.changes.changed(job)
            events.ended(job)
        if job.state is JobState.SETTLING and job.worker_id == lifecycle.OWN_WORKER_ID:
            await self._cancels.give_back(job)


async def _end_or_take_over(session: AsyncSession, job_id: uuid.UUID) -> tuple[Job, bool]:
    job, now = await repository.lock(session, job_id)
    changes = lifecycle.end_erased(job, now, OWN_LEASE)
    if changes is None:
        return job, False
    if changes.get("state") is JobState.REJECTED:
        job.error_reason, job.error_message, job.error_metadata = AccountClosed.reason, _CLOSED, {}
    repository.apply(job, changes, now)
    return job, True
