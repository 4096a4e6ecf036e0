"""Brings erasures to their end, step by step, from wherever a crash has left them.

How far an erasure is stands in its row. A step is done first and noted after, so it may be done twice, by
this copy after a crash or by another one at the same time: each of them is idempotent.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from chat_service.chats.belongings import Belongings
from chat_service.chats.purge import Purge
from chat_service.core import Core
from chat_service.erasure import account, bonus_memory, repository
from chat_service.erasure.belongings import delete_next
from chat_service.erasure.models import Erasure
from chat_service.erasure.steps import Step
from chat_service.jobs.ending import JobEnder
from servicekit.errors import ServiceError
from servicekit.logs import business_event, get_logger
from servicekit.retry import Work, execute_in_transaction, execute_with_lock_retry

log = get_logger(__name__)

#: After it an erasure whose step failed, or whose copy died, is taken up again.
_PAUSE = timedelta(seconds=5)
_TAKEN_AT_ONCE = 20

#: What a finished step has to note; None: it is not finished yet.
_Done = dict[str, Any] | None


class ErasureRunner:
    """A background task; any number of copies may run at once."""

    def __init__(self, core: Core, belongings: Belongings, ender: JobEnder, purge: Purge) -> None:
        """Take the shared tools, what goes with a chat, what ends jobs, and what removes chats."""
        self._core = core
        self._belongings = belongings
        self._ender = ender
        self._purge = purge
        self._poll = timedelta(seconds=core.settings.erasure_poll_s)
        self._steps: Mapping[Step, Callable[[Erasure], Awaitable[_Done]]] = {
            Step.CLOSE_ACCOUNT: self._close_account,
            Step.DELETE_BELONGINGS: self._delete_belongings,
            Step.END_JOBS: self._end_jobs,
            Step.FORGET_EVENTS: self._forget_events,
            Step.PURGE: self._purge_rows,
        }

    async def run(self) -> None:
        """Go on with what is due, and again after each interval, until cancelled."""
        while True:
            try:
                await self._look()
            except ServiceError as error:
                log.warning("erasures_not_read", reason=error.reason)
            await asyncio.sleep(self._poll.total_seconds())

    async def _look(self) -> None:
        take = partial(repository.take_due, pause=_PAUSE, limit=_TAKEN_AT_ONCE)
        for erasure_id in await execute_with_lock_retry(self._core.sessions, take):
            await self.drive(erasure_id)
        await execute_with_lock_retry(self._core.sessions, bonus_memory.forget_expired)

    async def drive(self, erasure_id: uuid.UUID) -> None:
        """Do step after step until one has to wait. Never fails: what is not done now is done later."""
        try:
            for _ in Step:
                erasure, now = await execute_in_transaction(
                    self._core.sessions, partial(repository.get, erasure_id=erasure_id)
                )
                if not await self._do(erasure, now):
                    return
        except ServiceError as error:
            log.warning("erasure_step_failed", erasure_id=str(erasure_id), reason=error.reason)

    async def _do(self, erasure: Erasure, now: datetime) -> bool:
        """Do the erasure's step and note it; answer whether there is a next one to do now."""
        step = erasure.step
        if step is Step.DONE or (step is Step.FORGET_EVENTS and now < erasure.purge_time):
            return False
        done = await self._steps[step](erasure)
        await execute_with_lock_retry(self._core.sessions, self._note(erasure.erasure_id, step, done))
        return done is not None

    def _note(self, erasure_id: uuid.UUID, step: Step, done: _Done) -> Work[None]:
        if done is None:
            return partial(repository.wait, erasure_id=erasure_id, step=step, pause=self._poll)
        return partial(repository.advance, erasure_id=erasure_id, step=step, values=done)

    async def _close_account(self, erasure: Erasure) -> _Done:
        assert erasure.user_id is not None  # Known until the purge, says a CHECK.
        forfeited = await account.erase_account(self._core, erasure.user_id, erasure.erasure_id)
        return {"forfeited_coins": forfeited}

    async def _delete_belongings(self, erasure: Erasure) -> _Done:
        after: uuid.UUID | None = None
        while True:
            work = partial(delete_next, erasure=erasure, after=after, belongings=self._belongings)
            deleted = await execute_with_lock_retry(self._core.sessions, work)
            if deleted is None:
                return {}
            after, job_ids = deleted
            await self._belongings.settle(job_ids)

    async def _end_jobs(self, erasure: Erasure) -> _Done:
        return {} if await self._ender.end_all(erasure.erasure_id) else None

    async def _forget_events(self, erasure: Erasure) -> _Done:
        if erasure.forfeited_coins is not None:
            await account.forget_events(self._core, erasure.erasure_id)
        return {}

    async def _purge_rows(self, erasure: Erasure) -> _Done:
        """Remove the rows; this step notes itself, in the transaction that takes the user's name away."""
        while await self._purge.purge_one():
            pass
        purge = partial(repository.purge, erasure_id=erasure.erasure_id)
        purged = await execute_with_lock_retry(self._core.sessions, purge)
        if purged:
            business_event("user_purged", erasure_id=str(erasure.erasure_id))
        return None if purged is None else {}
