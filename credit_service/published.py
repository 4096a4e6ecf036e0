"""What the Redis stream of events still holds of one account, and its removal."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service.event_reader import BEGINNING, PAGE, EventId, read_events
from credit_service.publisher import LOCK_KEY
from servicekit.driver import in_driver_transaction, in_driver_transaction_with_lock_retry
from servicekit.errors import Unavailable
from servicekit.logs import get_logger

log = get_logger(__name__)

_TIMEOUT_S = 5.0
_LOCK = "SELECT pg_advisory_xact_lock($1)"


class PublishedEvents:
    """The stream, as far as it can be taken back."""

    def __init__(self, engine: AsyncEngine, url: str, stream: str) -> None:
        """Take the database with the events' ids, and the stream's Redis and name."""
        self._engine = engine
        self._url = url
        self._stream = stream

    async def forget(self, user_id: str) -> None:
        """Remove the account's entries, page by page; raises `Unavailable` when Redis does not take part.

        Raises `LockTimeout` when the publisher has waited for Redis for too long.
        """
        await in_driver_transaction_with_lock_retry(self._engine, _wait_for_publisher)
        client = Redis.from_url(
            self._url,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            await self._forget(client, user_id)
        except (redis.RedisError, OSError) as error:
            log.warning("events_not_forgotten", stream=self._stream, error=repr(error))
            raise Unavailable("the stream of events does not answer; try again") from error
        finally:
            await client.aclose()

    async def _forget(self, client: Redis, user_id: str) -> None:
        after = BEGINNING
        while True:
            ids = await self._page(after, user_id)
            if ids:
                await client.xdel(self._stream, *map(str, ids))
                after = ids[-1]
            if len(ids) < PAGE:
                return

    async def _page(self, after: EventId, user_id: str) -> Sequence[EventId]:
        async def read(connection: "asyncpg.Connection[Any]") -> Sequence[EventId]:
            return [event.event_id for event in await read_events(connection, after, user_id)]

        return await in_driver_transaction(self._engine, read)


async def _wait_for_publisher(connection: "asyncpg.Connection[Any]") -> None:
    """Wait for a page that may have been read before the account had its pseudonym, and is on its way."""
    await connection.execute(_LOCK, LOCK_KEY)
