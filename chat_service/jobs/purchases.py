"""Coins that come in make their user's waiting payment retries due at once.

A background task of every copy of the service; one of them follows credit_service's events, the others stand
by until its lease runs out. It goes on after the last event that was handled, so that whichever copy dies,
every event is handled at least once. Where that is too long ago, or nowhere yet, it follows from now on and
wakes every payment that waits: how much there is to follow up has a bound, and nothing is missed.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.jobs import cursor, repository
from chat_service.jobs.context import JobContext
from chat_service.jobs.models import Job
from protos.credit.v1 import credit_pb2
from servicekit.errors import DeadlineExceeded, ServiceError
from servicekit.logs import get_logger
from servicekit.retry import execute_with_lock_retry

log = get_logger(__name__)

_Answer = TypeVar("_Answer")

CONSUMER = "payment_retries"
_LONGEST_GAP = timedelta(hours=1)
_WOKEN_AT_ONCE = 500
_MAX_WAITING_USERS = 10_000
_FIRST_BACKOFF_S = 0.25
_LONGEST_BACKOFF_S = 10.0


class PurchaseWatch:
    """Follows the events of coins that come in."""

    def __init__(self, context: JobContext) -> None:
        """Take the shared tools; they belong to the running event loop."""
        self._context = context
        self._holder = uuid.uuid4()
        self._lease = timedelta(seconds=context.core.settings.purchase_watch_lease_s)
        self._users: set[str] = set()
        self._event_id: str | None = None
        self._bell = asyncio.Event()
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Follow, or stand by, for ever; while credit_service or the database is away with growing pauses."""
        failures = 0
        while True:
            try:
                await self._follow_if_free()
                failures = 0
            except DeadlineExceeded:
                # The longest that a stream may last: another one goes on.
                failures = 0
                continue
            except ServiceError as error:
                failures += 1
                log.warning("purchases_not_followed", reason=error.reason)
            await asyncio.sleep(self._pause_s(failures))

    def _pause_s(self, failures: int) -> float:
        if failures == 0:
            return self._lease.total_seconds() / 3
        return min(_FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 16), _LONGEST_BACKOFF_S)

    async def _follow_if_free(self) -> None:
        """Follow until another copy has the lease; at once when one has it already."""
        take = partial(
            cursor.take,
            consumer=CONSUMER,
            holder=self._holder,
            lease=self._lease,
            longest_gap=_LONGEST_GAP,
        )
        position = await self._transact(take)
        if position is None:
            return
        self._users.clear()
        self._event_id = position.event_id
        tasks = [asyncio.create_task(self._read(position.event_id)), asyncio.create_task(self._write())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ended:
            if isinstance(end, Exception):
                raise end

    async def _read(self, after: str | None) -> None:
        """Note whose coins came in, event by event."""
        core = self._context.core
        request = credit_pb2.WatchEventsRequest()
        if after is not None:
            setattr(request, "from", after)
        answers = core.caller.stream(
            core.credit.WatchEvents,
            request,
            timeout_s=core.settings.rpc_max_stream_s,
            # Only what is committed after the stream has begun comes by itself.
            begun=None if after is not None else self._begin,
        )
        async for answer in answers:
            self._event_id = answer.event.event_id
            if answer.event.type == credit_pb2.EVENT_TYPE_GRANTED:
                self._users.add(answer.event.user_id)
                self._bell.set()
            if len(self._users) >= _MAX_WAITING_USERS:
                self._room.clear()
                await self._room.wait()

    async def _write(self) -> None:
        """Wake what waits for these coins, then note how far that is; returns when the lease is lost."""
        while True:
            try:
                async with asyncio.timeout(self._lease.total_seconds() / 3):
                    await self._bell.wait()
            except TimeoutError:
                pass
            self._bell.clear()
            event_id, users = self._event_id, self._users
            self._users = set()
            self._room.set()
            if users:
                await self._wake(partial(repository.wake_payments, user_ids=users))
            save = partial(
                cursor.save, consumer=CONSUMER, holder=self._holder, lease=self._lease, event_id=event_id
            )
            if not await self._transact(save):
                log.info("purchases_followed_by_another_copy")
                return

    async def _begin(self, metadata: Mapping[str, str]) -> None:
        """Wake every payment that waits, for what was missed, and note where the stream has begun."""
        await self._wake(partial(repository.wake_payments, user_ids=None))
        self._event_id = metadata.get("x-event-id")
        self._bell.set()

    async def _wake(self, wake: Callable[..., Awaitable[list[Job]]]) -> None:
        """Wake in batches, until a batch is not full."""
        after: uuid.UUID | None = None
        while True:
            jobs = await self._transact(partial(wake, after=after, limit=_WOKEN_AT_ONCE))
            for job in jobs:
                self._context.changes.changed(job)
                log.info("payment_retry_woken", job_id=str(job.job_id))
            if len(jobs) < _WOKEN_AT_ONCE:
                return
            after = jobs[-1].job_id

    async def _transact(self, work: Callable[[AsyncSession], Awaitable[_Answer]]) -> _Answer:
        return await execute_with_lock_retry(self._context.core.sessions, work)
