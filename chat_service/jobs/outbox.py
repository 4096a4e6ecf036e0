"""Jobs of this process that are to be sent to a worker at once, without a look into the database.

The job's row is the real outbox: its due time brings back what is lost here.
"""

import asyncio
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from chat_service.jobs.models import Job
from chat_service.jobs.states import JobState

#: More than this waits for the due time instead.
_MAX_WAITING = 10_000


@dataclass(frozen=True, slots=True)
class Sending:
    """A job on its way to a worker."""

    job_id: uuid.UUID
    #: The actor that takes it.
    actor: str
    #: The due time that the row was given for this sending: whoever sees another one has a newer truth.
    due_time: datetime | None


def sending(job: Job) -> Sending:
    """Name the actor for a job in its present state."""
    actor = "retry_payment" if job.state is JobState.PAYMENT_FAILED else "run_job"
    return Sending(job.job_id, actor, job.due_time)


class Outbox:
    """A bounded list with a bell."""

    def __init__(self) -> None:
        """Empty."""
        self._waiting: deque[Sending] = deque()
        self._bell = asyncio.Event()

    def put(self, job: Job) -> None:
        """Have the job sent at once; its row's due time must lie ahead, and be committed."""
        if len(self._waiting) < _MAX_WAITING:
            self._waiting.append(sending(job))
            self._bell.set()

    def take(self, limit: int) -> list[Sending]:
        """Answer those that wait, first come first."""
        return [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]

    async def wait(self, timeout_s: float) -> None:
        """Wait until something is put, at most for that long."""
        if not self._waiting:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._bell.wait()
            except TimeoutError:
                pass
        self._bell.clear()
