"""Steps 2 to 4 of the spine: the order, the reservation of its coins, and the hand-over to the workers."""

import asyncio
import uuid
from collections.abc import Sequence
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.jobs import credit, events, lifecycle, orders, repository
from chat_service.jobs.cancel import CancelService
from chat_service.jobs.context import JobContext
from chat_service.jobs.credit import Refused, Reserved
from chat_service.jobs.models import Job
from chat_service.jobs.orders import Order
from chat_service.jobs.states import JobState
from chat_service.search.service import IndexService
from servicekit.errors import ServiceError
from servicekit.logs import get_logger
from servicekit.retry import execute_with_lock_retry

log = get_logger(__name__)

#: Jobs whose reservation is asked for again at once.
_RESUMED_AT_ONCE = 20
_RESERVATIONS_AT_ONCE = 8


class UnlockService:
    """Takes orders, and goes on with those whose reservation got no answer."""

    def __init__(self, context: JobContext, cancels: CancelService, index: IndexService) -> None:
        """Take the shared tools, what gives back coins that were reserved too late, and the search index."""
        self._context = context
        self._cancels = cancels
        self._index = index
        self._indexes = context.core.settings.index_at_unlock

    async def unlock(self, order: Order) -> Job:
        """Answer the job of the order; raises what `orders.place` raises, and the job's refusal."""
        place = partial(self._place, order=order)
        job, placed = await execute_with_lock_retry(self._context.core.sessions, place)
        if placed:
            events.ordered(job)
            if self._indexes:
                self._index.wake()
        if job.state is JobState.RESERVING:
            job = await self.reserve(job)
        refusal = credit.refusal(job)
        if refusal is not None:
            raise refusal
        return job

    async def _place(self, session: AsyncSession, order: Order) -> tuple[Job, bool]:
        job, placed = await orders.place(session, order, self._context.policy)
        if placed and self._indexes:
            await self._index.want(session, order.user_id, order.chat_id)
        return job, placed

    async def reserve(self, job: Job) -> Job:
        """Reserve the coins of a RESERVING job and answer it as it is then.

        Any number of callers may do this at once: credit_service gives all of them the same reservation, and
        the first one hands the job over. Without an answer the job stays as it is and is tried again later.
        """
        answer = await credit.reserve(self._context, job)
        if answer is None:
            return job
        take = partial(self._take, job_id=job.job_id, answer=answer)
        job, changed = await execute_with_lock_retry(self._context.core.sessions, take)
        if changed:
            return await self._go_on(job)
        await self._release_unused(job, answer)
        return job

    async def _release_unused(self, job: Job, answer: Reserved | Refused) -> None:
        """Give coins back that were reserved for a job which had got another answer meanwhile.

        Closes the race of two tries at the moment in which a user without an account is granted the first
        coins: credit_service does not remember the refusal of the one, and reserves for the other. What does
        not get back here goes back when the reservation expires.
        """
        if isinstance(answer, Reserved) and answer.reservation_id != job.reservation_id:
            log.warning("unused_reservation_released", job_id=str(job.job_id), state=job.state)
            await credit.release(self._context, answer.reservation_id, f"job {job.job_id} has ended")

    async def _take(
        self, session: AsyncSession, job_id: uuid.UUID, answer: Reserved | Refused
    ) -> tuple[Job, bool]:
        job, now = await repository.lock(session, job_id)
        if job.state is not JobState.RESERVING:
            return job, False
        if isinstance(answer, Refused):
            changes = lifecycle.rejected(now)
            _remember(job, answer)
        else:
            policy = self._context.policy
            changes = lifecycle.reserved(job, answer.reservation_id, now, policy.lease, policy.redispatch)
        repository.apply(job, changes, now)
        return job, True

    async def _go_on(self, job: Job) -> Job:
        """Do what follows the commit."""
        self._context.changes.changed(job)
        events.ended(job)
        if job.state is JobState.QUEUED:
            self._context.outbox.put(job)
        elif job.state is JobState.SETTLING:
            return await self._cancels.give_back(job)
        return job

    async def resume(self) -> None:
        """Ask again for reservations that got no answer, for ever: those of crashed copies too."""
        settings = self._context.core.settings
        while True:
            try:
                await self._resume_due()
            except ServiceError as error:
                log.warning("reserving_jobs_not_resumed", reason=error.reason)
            await asyncio.sleep(settings.job_poll_s)

    async def _resume_due(self) -> None:
        due = partial(
            repository.take_due,
            reserving=True,
            pause=self._context.policy.reserve_retry,
            limit=_RESUMED_AT_ONCE,
        )
        jobs: Sequence[Job] = await execute_with_lock_retry(self._context.core.sessions, due)
        few = asyncio.Semaphore(_RESERVATIONS_AT_ONCE)
        await asyncio.gather(*(self._resume_one(job, few) for job in jobs))

    async def _resume_one(self, job: Job, few: asyncio.Semaphore) -> None:
        try:
            async with few:
                await self.reserve(job)
        except ServiceError as error:
            # The due time brings it back.
            log.warning("reserving_job_not_resumed", job_id=str(job.job_id), reason=error.reason)


def _remember(job: Job, refused: Refused) -> None:
    job.error_reason = refused.reason
    job.error_message = refused.message
    job.error_metadata = dict(refused.metadata)
