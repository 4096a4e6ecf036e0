"""How often a user and an address may ask: 429 beyond that.

Each process takes a small share of a key's rate from Redis at once and hands it out itself, so that most
requests cost no round trip. What it holds back is lost when its time is over: a rate is never exceeded by
sharing, and reached a few requests early at worst.
"""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict

from limits import RateLimitItem, parse
from starlette.types import Scope

from gateway.addresses import ClientAddresses
from gateway.counter import Counter, CounterDown
from gateway.errors import Refused
from gateway.metrics import Metrics
from gateway.settings import GatewaySettings

#: A share is a fiftieth of the rate, so that several copies of the gateway get theirs.
_SHARES = 50
_MAX_SHARE = 20
#: After this a share is gone: it must not be used in another window than it was counted in.
_SHARE_LASTS_S = 2.0
#: A key that was refused is not counted again before this, whatever it asks.
_MAX_REFUSED_S = 1.0
#: Keys remembered; whose is forgotten asks Redis.
_MAX_KEYS = 20_000


class _Share:
    """What this process may hand out for one key, or until when it refuses without asking."""

    def __init__(self) -> None:
        self.retry_after_s = 0.0
        #: Closes the race of many first requests of one key that would each take a share.
        self.taking = asyncio.Lock()
        self._left = 0
        self._until_s = 0.0

    def use(self) -> bool:
        """Hand one out if there is one."""
        if not self._left or time.monotonic() >= self._until_s:
            return False
        self._left -= 1
        return True

    def refuses(self) -> bool:
        """Whether the key was refused a moment ago."""
        return self.retry_after_s > 0 and time.monotonic() < self._until_s

    def give(self, count: int) -> None:
        """Put in what was taken from Redis."""
        self._left, self.retry_after_s = count, 0.0
        self._until_s = time.monotonic() + _SHARE_LASTS_S

    def refuse(self, for_s: float) -> None:
        """Note when the key has room again."""
        self._left, self.retry_after_s = 0, max(for_s, 0.001)
        self._until_s = time.monotonic() + min(self.retry_after_s, _MAX_REFUSED_S)


class _Rate:
    """One rate, by one kind of key."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.item: RateLimitItem = parse(text)
        self.share = max(1, min(_MAX_SHARE, self.item.amount // _SHARES))
        self.limit = f"{self.item.amount} per {self.item.get_expiry()} s"


class Rates:
    """The rates of the settings. Belongs to the event loop that uses it first."""

    def __init__(self, settings: GatewaySettings, metrics: Metrics) -> None:
        """Take the rates; one that is off is none."""
        self._counter = Counter(settings)
        self._addresses = ClientAddresses(settings.gateway_trusted_proxies)
        self._open = settings.gateway_rate_when_down == "open"
        self._metrics = metrics
        self._shares: OrderedDict[tuple[str, str], _Share] = OrderedDict()
        self._address = _rate("address", settings.gateway_rate_address)
        self._user = _rate("user", settings.gateway_rate_user)
        self._costly = _rate("costly", settings.gateway_rate_costly)

    async def admit_address(self, scope: Scope) -> None:
        """Count a request of an address; raises `Refused` with 429, or 503 where Redis must be there."""
        if self._address:
            await self._admit(self._address, self._addresses.of(scope))

    async def admit_user(self, user_id: str) -> None:
        """Count a request of a user; raises as above."""
        if self._user:
            await self._admit(self._user, user_id)

    async def admit_costly(self, user_id: str) -> None:
        """Count a request of a user that costs coins or makes something; raises as above."""
        if self._costly:
            await self._admit(self._costly, user_id)

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._counter.close()

    async def _admit(self, rate: _Rate, who: str) -> None:
        share = self._share(rate, who)
        if share.use():
            return
        if not share.refuses():
            async with share.taking:
                # Whoever waited here finds what the one before it has got.
                if share.use():
                    return
                if not share.refuses():
                    await self._take(rate, who, share)
                    if share.use():
                        return
        self._metrics.rate_limited(rate.name)
        details = {"limit": rate.limit, "by": rate.name}
        headers = {"Retry-After": str(max(1, math.ceil(share.retry_after_s)))}
        message = f"the limit of {rate.limit} is reached; try again later"
        raise Refused(429, "RATE_LIMITED", message, details=details, headers=headers)

    async def _take(self, rate: _Rate, who: str, share: _Share) -> None:
        """Get a share, or a single request where no share fits any more."""
        key = f"{rate.name}:{hashlib.sha256(who.encode()).hexdigest()[:32]}"
        try:
            for cost in dict.fromkeys((rate.share, 1)):
                if await self._counter.hit(rate.item, key, cost):
                    share.give(cost)
                    return
            share.refuse(await self._counter.reset_s(rate.item, key))
        except CounterDown:
            self._metrics.rates_uncounted()
            if not self._open:
                message = "requests cannot be counted at the moment; try again"
                raise Refused(503, "UNAVAILABLE", message) from None
            share.give(1)

    def _share(self, rate: _Rate, who: str) -> _Share:
        key = (rate.name, who)
        share = self._shares.get(key)
        if share is None:
            share = self._shares[key] = _Share()
            if len(self._shares) > _MAX_KEYS:
                self._shares.popitem(last=False)
        else:
            self._shares.move_to_end(key)
        return share


def _rate(name: str, text: str) -> _Rate | None:
    return None if text == "off" else _Rate(name, text)
