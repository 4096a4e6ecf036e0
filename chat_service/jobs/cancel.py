"""Cancelling: at a user's wish, or because a chat was deleted."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.errors import JobNotCancellable, JobNotFound, StaleLease
from chat_service.jobs import credit, events, lifecycle, repository
from chat_service.jobs.context import JobContext
from chat_service.jobs.finishing import FinishReport, FinishService
from chat_service.jobs.lifecycle import OWN_WORKER_ID, CancelDecision, Finish
from chat_service.jobs.models import Job
from chat_service.jobs.states import JobState
from servicekit.errors import ServiceError
from servicekit.logs import get_logger
from servicekit.retry import execute_in_transaction, execute_with_lock_retry

log = get_logger(__name__)

#: How long `settle` may take before a worker does it instead.
OWN_LEASE = timedelta(seconds=30)
_GIVEN_BACK_AT_ONCE = 8
_REASON = "cancelled"


async def cancel_of_chat(session: AsyncSession, chat_id: uuid.UUID) -> list[uuid.UUID]:
    """Cancel the chat's unfinished jobs in the caller's transaction; answer those to `settle` after it.

    The caller holds the lock on the chat's row and works at READ COMMITTED: then an order that came before is
    seen here, and one that comes later finds no chat. When nobody settles, the leases run out and workers do.
    """
    return await _cancel_all(session, await repository.lock_of_subject(session, str(chat_id)))


async def cancel_of_user(session: AsyncSession, user_id: str) -> list[uuid.UUID]:
    """Cancel the user's unfinished jobs as `cancel_of_chat` does; the caller holds the lock on the user's row
    and has deleted the chats before.
    """
    return await _cancel_all(session, await repository.lock_of_user(session, user_id))


async def _cancel_all(session: AsyncSession, jobs: Sequence[Job]) -> list[uuid.UUID]:
    if not jobs:
        return []
    now = await repository.clock(session)
    cancelled = []
    for job in jobs:
        changes = lifecycle.cancel_subject_gone(job, now, OWN_LEASE)
        if changes is not None:
            repository.apply(job, changes, now)
            cancelled.append(job.job_id)
    await session.flush()
    return cancelled


class CancelService:
    """Stops jobs and gives their coins back."""

    def __init__(self, context: JobContext, finishes: FinishService) -> None:
        """Take the shared tools, and what ends attempts."""
        self._context = context
        self._finishes = finishes

    async def cancel(self, user_id: str, job_id: uuid.UUID) -> Job:
        """Stop the user's job, or ask its worker to; raises `JobNotFound`, `JobNotCancellable`."""
        work = partial(self._cancel, user_id=user_id, job_id=job_id)
        job, taken_over = await execute_with_lock_retry(self._context.core.sessions, work)
        self._context.changes.changed(job)
        return await self.give_back(job) if taken_over else job

    async def _cancel(self, session: AsyncSession, user_id: str, job_id: uuid.UUID) -> tuple[Job, bool]:
        job, now = await repository.lock(session, job_id)
        if job.user_id != user_id or job.erasure_id is not None:
            raise JobNotFound(job_id)
        decision = lifecycle.decide_cancel(job, now)
        if decision is CancelDecision.REFUSE:
            raise JobNotCancellable(job_id, job.state)
        if decision is CancelDecision.ASK:
            repository.apply(job, {"cancel_requested": True}, now)
        elif decision is CancelDecision.TAKE_OVER:
            repository.apply(job, lifecycle.take_over(job, now, self._context.policy.lease), now)
        return job, decision is CancelDecision.TAKE_OVER

    async def give_back(self, job: Job) -> Job:
        """Release the coins of a job that was taken over and end it; answers the job as it is then.

        Never fails: what is not done here is done by a worker when the lease has run out. A job that was
        charged by an attempt which died before it could say so is completed after all.
        """
        assert job.reservation_id is not None  # Every SETTLING job has one, says a CHECK.
        try:
            settled = await credit.release(self._context, job.reservation_id, _REASON)
            if settled is None:
                return job
            outcome = JobState.COMPLETED if settled.transaction_id else JobState.CANCELLED
            finish = Finish(job.attempt, outcome, settled.transaction_id)
            return await self._finishes.finish(FinishReport(job.job_id, finish))
        except StaleLease:
            log.info("cancelled_job_taken_by_worker", job_id=str(job.job_id), attempt=job.attempt)
        except ServiceError as error:
            log.warning("cancelled_job_not_ended", job_id=str(job.job_id), reason=error.reason)
        return job

    async def settle(self, job_ids: Sequence[uuid.UUID]) -> None:
        """End the jobs that `cancel_of_chat` answered, once that is committed. Never fails."""
        few = asyncio.Semaphore(_GIVEN_BACK_AT_ONCE)
        await asyncio.gather(*(self._settle_one(job_id, few) for job_id in job_ids))

    async def _settle_one(self, job_id: uuid.UUID, few: asyncio.Semaphore) -> None:
        async with few:
            try:
                get = partial(repository.get, job_id=job_id)
                job = await execute_in_transaction(self._context.core.sessions, get)
            except ServiceError as error:
                log.warning("cancelled_job_not_read", job_id=str(job_id), reason=error.reason)
                return
            self._context.changes.changed(job)
            # A worker's attempt is none of our business, also when it is about the same cancel.
            if job.worker_id != OWN_WORKER_ID:
                return
            if job.state is JobState.SETTLING:
                await self.give_back(job)
            elif job.state is JobState.CANCELLED and job.finish_outcome is not JobState.CANCELLED:
                # It ended within the caller's transaction, not by a FinishJob, which would have recorded it.
                events.ended(job)
