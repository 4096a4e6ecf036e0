"""Publishes every event to a Redis stream, at least once and in the order of their ids.

An entry's id is the event's own. Redis refuses an id that is not greater than the last one, so an event that
is published twice stands in the stream once: by a copy of the service that was killed before it had noted how
far it was, or by two that both believed it to be their turn. A page goes in as one script, all of it or a
beginning of it: an event that Redis had no room for, with a later one behind it, would be refused for ever.
"""

import asyncio
import zlib
from collections.abc import Sequence
from typing import Any

import asyncpg
import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service import messages
from credit_service.event_reader import BEGINNING, PAGE, EventId, EventRecord, read_events
from credit_service.pulse import Pulse
from servicekit.driver import in_driver_transaction_with_lock_retry
from servicekit.errors import ServiceError
from servicekit.logs import get_logger

log = get_logger(__name__)

CONSUMER = "redis"
"""The name of the publisher's cursor."""

_REDIS_TIMEOUT_S = 5.0
_FIRST_BACKOFF_S = 0.25
_LONGEST_BACKOFF_S = 10.0

# A lock on the cursor's row would do as well, but taking it gives the transaction a number, and events are
# readable, by anybody, up to the oldest number still running: they would wait while Redis takes its time.
_LOCK = "SELECT pg_try_advisory_xact_lock($1)"
LOCK_KEY = zlib.crc32(b"credit_service.publisher")

_CURSOR = "SELECT event_key, event_seq FROM event_cursors WHERE consumer = $1"
_MOVE = """
    INSERT INTO event_cursors (consumer, event_key, event_seq) VALUES ($1, $2, $3)
    ON CONFLICT (consumer) DO UPDATE SET event_key = excluded.event_key, event_seq = excluded.event_seq
"""

# An id that is refused as not greater than the last one was published before. If the stream does not have
# it then, the stream's other ids are not of this database: of a later time that it was set back from, or of
# another one. Going on would lose events without a word.
_ADD = """
    local refused
    for at = 2, #ARGV, 2 do
        local answer = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], ARGV[at], 'event', ARGV[at + 1])
        if type(answer) == 'table' and answer.err then
            if not string.find(answer.err, 'equal or smaller', 1, true) then
                return answer
            end
            refused = ARGV[at]
        end
    end
    if refused and #redis.call('XRANGE', KEYS[1], refused, refused) == 0 then
        return redis.error_reply('FOREIGN the stream refuses ' .. refused .. ' and does not have it')
    end
"""


class NotPublished(Exception):
    """Redis did not take the events, or not all of them; publishing them again does no harm."""


class Publisher:
    """A background task of every copy of the service; one of them works, the others stand by."""

    def __init__(self, engine: AsyncEngine, pulse: Pulse, url: str, *, stream: str, max_length: int) -> None:
        """Take the database, what says when to look, and the stream with about how many entries it keeps."""
        self._engine = engine
        self._pulse = pulse
        self._stream = stream
        self._max_length = max_length
        # The publisher repeats by itself; a client that did so too would only make it slow to notice.
        self._redis = Redis.from_url(
            url,
            socket_timeout=_REDIS_TIMEOUT_S,
            socket_connect_timeout=_REDIS_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )

    async def run(self) -> None:
        """Publish, for ever; while Redis or the database is away with growing pauses."""
        failures = 0
        try:
            while True:
                try:
                    while await self.publish() == PAGE:
                        failures = 0
                except (NotPublished, ServiceError) as error:
                    if failures == 0:
                        log.warning("events_not_published", stream=self._stream, error=str(error))
                    failures += 1
                    await asyncio.sleep(_backoff_s(failures))
                else:
                    failures = 0
                    await self._pulse.wait()
        finally:
            await self._redis.aclose()

    async def publish(self) -> int:
        """Publish the next page and answer how many events it had; none while another copy publishes.

        Raises `NotPublished`, and `DatabaseUnavailable` or `LockTimeout`.
        """
        return await in_driver_transaction_with_lock_retry(self._engine, self._publish)

    async def _publish(self, connection: "asyncpg.Connection[Any]") -> int:
        if not await connection.fetchval(_LOCK, LOCK_KEY):
            return 0
        cursor = await connection.fetchrow(_CURSOR, CONSUMER)
        events = await read_events(connection, EventId(*cursor) if cursor else BEGINNING)
        if events:
            await self._add(events)
            # Not before Redis has taken them all.
            await connection.execute(_MOVE, CONSUMER, *events[-1].event_id)
        return len(events)

    async def _add(self, events: Sequence[EventRecord]) -> None:
        entries: list[str | bytes] = []
        for event in events:
            entries += (str(event.event_id), messages.event(event).SerializeToString())
        try:
            await self._redis.eval(_ADD, 1, self._stream, self._max_length, *entries)
        except (redis.RedisError, OSError) as error:
            # Its repr does not say what Redis said.
            raise NotPublished(f"{type(error).__name__}: {error}") from error


def _backoff_s(failures: int) -> float:
    return min(_FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 16), _LONGEST_BACKOFF_S)
