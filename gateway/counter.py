"""Counting requests in Redis for all copies of the gateway, without depending on it.

A Redis that is away or slow costs one request a short wait; then nobody asks it for a while.
"""

import asyncio
import time

import redis.asyncio as redis
from limits import RateLimitItem
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.settings import GatewaySettings
from servicekit.logs import get_logger

log = get_logger(__name__)

_PREFIX = "holdfast_rates"


class CounterDown(Exception):
    """Redis does not answer, or did not a moment ago."""


class Counter:
    """A sliding window for each key. Belongs to the event loop that uses it first."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Take where Redis is; nothing is connected before the first count."""
        self._timeout_s = settings.gateway_rate_timeout_s
        self._pause_s = settings.gateway_rate_pause_s
        self._pool: redis.ConnectionPool | None = None
        self._limiter = SlidingWindowCounterRateLimiter(self._storage(settings.redis_url))
        #: Nobody asks before this time.
        self._asked_again_at_s = 0.0
        self._down = False

    async def hit(self, item: RateLimitItem, key: str, cost: int) -> bool:
        """Count `cost` requests of a key if all of them fit, and answer whether; raises `CounterDown`."""
        now_s = time.monotonic()
        if now_s < self._asked_again_at_s:
            raise CounterDown
        if self._down:
            # One request finds out whether it is back; those beside it do not wait for that.
            self._asked_again_at_s = now_s + self._pause_s
        try:
            async with asyncio.timeout(self._timeout_s):
                fits = await self._limiter.hit(item, key, cost=cost)
        except (redis.RedisError, OSError, TimeoutError) as error:
            self._asked_again_at_s = time.monotonic() + self._pause_s
            if not self._down:
                log.warning("rates_not_counted", error=type(error).__name__)
            self._down = True
            raise CounterDown from None
        if self._down:
            log.info("rates_counted_again")
        self._down, self._asked_again_at_s = False, 0.0
        return fits

    async def reset_s(self, item: RateLimitItem, key: str) -> float:
        """Answer in how many seconds a key has room again; raises `CounterDown`."""
        try:
            async with asyncio.timeout(self._timeout_s):
                stats = await self._limiter.get_window_stats(item, key)
        except (redis.RedisError, OSError, TimeoutError):
            raise CounterDown from None
        return max(0.0, stats.reset_time - time.time())

    async def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose()

    def _storage(self, url: str) -> RedisStorage | MemoryStorage:
        if not url:
            return MemoryStorage()
        # A retry inside the client would only make requests wait longer.
        self._pool = redis.ConnectionPool.from_url(
            url,
            socket_timeout=self._timeout_s,
            socket_connect_timeout=self._timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
        return RedisStorage(
            # The library's names for the schemes; the pool has the address.
            "async+" + url.replace("unix://", "redis+unix://"),
            implementation="redispy",
            key_prefix=_PREFIX,
            connection_pool=self._pool,  # type: ignore[arg-type]  # documented, and passed on as it is
        )
