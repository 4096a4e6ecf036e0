"""Step 4 of the spine: sends jobs to the workers, and again when a message or a lease went missing.

Any number of copies may run at once. A job that was just queued is sent from memory; the rest is found by its
due time: QUEUED whose message nobody took, RUNNING and SETTLING whose lease ran out, PAYMENT_FAILED whose
retry has come.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from chat_service.jobs import repository
from chat_service.jobs.context import JobContext
from chat_service.jobs.outbox import Sending, sending
from chat_service.jobs.queue import JobQueue, QueueUnavailable
from servicekit.errors import ServiceError
from servicekit.logs import get_logger
from servicekit.retry import execute_with_lock_retry

log = get_logger(__name__)

_FIRST_BACKOFF_S = 0.25
#: A job that waits long is sent again ever more seldom: a backlog of jobs must not become one of messages.
LONGEST_PAUSE = timedelta(minutes=10)


class Dispatcher:
    """A background task of every copy of the service."""

    def __init__(self, context: JobContext, queue: JobQueue) -> None:
        """Take the shared tools and the queue; both belong to the running event loop."""
        self._context = context
        self._queue = queue
        self._poll_s = context.core.settings.job_poll_s
        self._batch = context.core.settings.job_dispatch_batch
        self._next_look_s = 0.0

    async def run(self) -> None:
        """Send, for ever; while Redis or the database is away with growing pauses."""
        failures = 0
        try:
            while True:
                failures = 0 if await self._round() else failures + 1
                if failures:
                    await asyncio.sleep(self._backoff_s(failures))
                else:
                    await self._context.outbox.wait(max(0.0, self._next_look_s - time.monotonic()))
        finally:
            self._queue.close()

    def _backoff_s(self, failures: int) -> float:
        most = self._context.core.settings.job_queue_max_backoff_s
        return min(_FIRST_BACKOFF_S * 2.0 ** min(failures, 16), most)

    async def _round(self) -> bool:
        """Send what waits and what is due; answers whether that went well."""
        try:
            await self._send(self._context.outbox.take(self._batch))
            if time.monotonic() >= self._next_look_s:
                await self._look()
        except QueueUnavailable as error:
            log.warning("queue_unavailable", error=str(error))
            return False
        except ServiceError as error:
            log.warning("due_jobs_not_read", reason=error.reason)
            return False
        return True

    async def _look(self) -> None:
        """Send what is due; a full batch is looked after at once, else after a pause."""
        due = partial(
            repository.take_due,
            reserving=False,
            pause=self._context.policy.redispatch,
            longest_pause=LONGEST_PAUSE,
            limit=self._batch,
        )
        jobs = await execute_with_lock_retry(self._context.core.sessions, due)
        if len(jobs) < self._batch:
            self._next_look_s = time.monotonic() + self._poll_s
        if jobs:
            log.info("due_jobs_sent_again", count=len(jobs), states=sorted({job.state for job in jobs}))
        await self._send([sending(job) for job in jobs])

    async def _send(self, sendings: Sequence[Sending]) -> None:
        """Send; what may not have been sent is due again, for this copy or another one."""
        if not sendings:
            return
        try:
            await self._queue.send(sendings)
        except QueueUnavailable:
            give_back = partial(repository.give_back, sendings=sendings)
            await execute_with_lock_retry(self._context.core.sessions, give_back)
            raise
