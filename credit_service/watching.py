"""Streams of events: each catches up by itself, and then gets what one reader reads for all of them.

So a stream that waits costs no query and no connection, however many there are. The reader tells events in
the order of their ids. Before a stream begins to catch up it begins to keep what the reader tells, and the
database never shows less to a later read: what the stream has read and what it has kept overlap, or meet.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service.event_reader import PAGE, EventId, EventRecord, read_events, read_horizon
from credit_service.pulse import Pulse
from servicekit.driver import in_driver_transaction
from servicekit.errors import ServiceError, Unavailable
from servicekit.logs import get_logger

log = get_logger(__name__)

_MAX_KEPT = 500
"""Events that wait for one stream; one whose client is slower than that reads them again."""

_READS_AT_ONCE = 2
"""Streams that catch up at once; each takes a connection, and those who move coins need some, too."""


class _Watcher:
    """One stream: what was told since it began to keep, as far as there is room."""

    def __init__(self) -> None:
        self._behind = True
        self._kept: list[EventRecord] = []
        self._told = asyncio.Event()

    def keep(self) -> None:
        """From here on keep what is told."""
        self._behind = False
        self._kept = []
        self._told.clear()

    def tell(self, event: EventRecord) -> None:
        """Keep an event, or note that there is no room."""
        if len(self._kept) >= _MAX_KEPT:
            self.fall_behind()
        elif not self._behind:
            self._kept.append(event)
            self._told.set()

    def fall_behind(self) -> None:
        """Note that what is kept is not all there is."""
        self._behind = True
        self._kept = []
        self._told.set()

    async def take(self) -> Sequence[EventRecord] | None:
        """Wait for events and answer them; None when the stream has to catch up."""
        await self._told.wait()
        self._told.clear()
        kept, self._kept = self._kept, []
        return None if self._behind else kept


class Watching:
    """The streams of this process, and the one who reads for them."""

    def __init__(self, engine: AsyncEngine, pulse: Pulse) -> None:
        """Take the database, and what says when to look."""
        self._engine = engine
        self._pulse = pulse
        # By whose events they want; None wants everybody's.
        self._watchers: dict[str | None, set[_Watcher]] = defaultdict(set)
        self._somebody = asyncio.Event()
        self._reads = asyncio.Semaphore(_READS_AT_ONCE)
        self._stopping = False

    async def now(self) -> EventId:
        """Answer the id after which everything comes that is committed from now on; `DatabaseUnavailable`.

        A little of what was committed just before may come, too.
        """
        return await in_driver_transaction(self._engine, read_horizon)

    async def watch(self, after: EventId, user_id: str | None) -> AsyncIterator[EventRecord]:
        """Yield events in the order of their ids, for ever: everybody's, or one user's.

        Raises `DatabaseUnavailable` while it catches up, and `Unavailable` when the service stops.
        """
        with self._watcher(user_id) as watcher:
            while True:
                watcher.keep()
                async for event in self._catch_up(after, user_id):
                    yield event
                    after = event.event_id
                while (told := await watcher.take()) is not None:
                    for event in told:
                        # Some of what is told was there already when it caught up.
                        if event.event_id > after:
                            yield event
                            after = event.event_id

    async def _catch_up(self, after: EventId, user_id: str | None) -> AsyncIterator[EventRecord]:
        """Yield what can be read after an event."""
        page = None
        while page is None or len(page) == PAGE:
            if self._stopping:
                raise Unavailable("the server is going down; try again")
            page = await self._page(after, user_id)
            for event in page:
                yield event
                after = event.event_id

    async def _page(self, after: EventId, user_id: str | None) -> Sequence[EventRecord]:
        async with self._reads:
            return await in_driver_transaction(
                self._engine, partial(read_events, after=after, user_id=user_id)
            )

    @contextmanager
    def _watcher(self, user_id: str | None) -> Iterator[_Watcher]:
        watcher = _Watcher()
        self._watchers[user_id].add(watcher)
        self._somebody.set()
        try:
            yield watcher
        finally:
            self._watchers[user_id].discard(watcher)
            if not self._watchers[user_id]:
                del self._watchers[user_id]

    def stop(self) -> None:
        """End the streams: their clients go on at another copy of the service."""
        self._stopping = True
        self._let_all_catch_up()

    async def run(self) -> None:
        """Read for the streams, for ever; asks the database only while somebody watches."""
        while True:
            await self._somebody.wait()
            try:
                await self._read_along()
            except ServiceError as error:
                log.warning("watched_events_not_read", reason=error.reason)
                await self._pulse.wait()

    async def _read_along(self) -> None:
        """Tell what can be read from now on, until nobody watches."""
        after = await self.now()
        # They may have read before that, and nobody has told them what came in between.
        self._let_all_catch_up()
        while self._watchers:
            page = await in_driver_transaction(self._engine, partial(read_events, after=after))
            for event in page:
                self._tell(event)
                after = event.event_id
            if len(page) < PAGE:
                await self._pulse.wait()
        self._somebody.clear()

    def _tell(self, event: EventRecord) -> None:
        for key in (None, event.user_id):
            for watcher in self._watchers.get(key, ()):
                watcher.tell(event)

    def _let_all_catch_up(self) -> None:
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.fall_behind()
