"""How often may somebody ask: by user, by address, for what costs, and while Redis is away."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.addresses import ClientAddresses
from gateway.errors import Refused
from gateway.metrics import Metrics
from gateway.rates import Rates
from gateway.settings import GatewaySettings
from servicekit.embedded import EmbeddedRedis
from tests.eventually import eventually_async
from tests.gateway.house import Api, RunningGateway, error

Connect = Callable[..., Api]
Start = Callable[..., RunningGateway]

PROBE = "/api/chats?page_size=many"


def rates(url: str = "", **given: Any) -> Rates:
    """Answer rates of a hundred an hour by user, and no others unless given."""
    off = {"gateway_rate_address": "off", "gateway_rate_user": "100/hour"}
    return Rates(GatewaySettings.model_validate({"redis_url": url, **off, **given}), Metrics())


async def admitted(many: Rates, count: int, user_id: str = "alice") -> int:
    """Let a user ask so often, many at once, and answer how often they were let through."""

    async def one() -> bool:
        try:
            await many.admit_user(user_id)
        except Refused as refused:
            return refused.status_code != 429
        return True

    return sum(await asyncio.gather(*(one() for _ in range(count))))


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    redis_server.flush()
    return redis_server.url


@pytest.mark.parametrize("rate", ["3/hour", "100/hour", "1000/hour"])
async def test_a_rate_is_kept_to_the_last_request_by_one_process(redis_url: str, rate: str) -> None:
    amount = int(rate.partition("/")[0])
    one = rates(redis_url, gateway_rate_user=rate)
    assert await admitted(one, amount + 30) == amount
    # and another user has a rate of their own
    assert await admitted(one, 1, "bob") == 1
    await one.close()


async def test_two_copies_together_let_no_more_through_than_the_rate(redis_url: str) -> None:
    # given two copies of the gateway on one Redis
    one, other = rates(redis_url), rates(redis_url)
    through = await admitted(one, 70) + await admitted(other, 70)
    # then it is at most the rate, and all but what a copy holds back of it
    assert 96 <= through <= 100
    await one.close()
    await other.close()


async def test_without_redis_each_process_counts_for_itself() -> None:
    assert await admitted(rates(), 130) == 100


async def test_a_refusal_says_when_to_come_again_and_what_was_exceeded(redis_url: str) -> None:
    one = rates(redis_url, gateway_rate_user="2/hour")
    assert await admitted(one, 2) == 2
    with pytest.raises(Refused) as refused:
        await one.admit_user("alice")
    assert refused.value.details == {"limit": "2 per 3600 s", "by": "user"}
    assert 1 <= int((refused.value.headers or {})["Retry-After"]) <= 3_600
    await one.close()


async def test_a_share_is_gone_when_its_time_is_over(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # given shares that last no time at all
    monkeypatch.setattr("gateway.rates._SHARE_LASTS_S", -1.0)
    one = rates(redis_url, gateway_rate_user="100/hour")
    # then what was counted for a request that never came is lost, and the rate is reached early
    assert await admitted(one, 100) < 100
    await one.close()


async def test_users_who_ask_once_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.rates._MAX_KEYS", 10)
    one = rates()
    for number in range(50):
        await one.admit_user(f"user-{number}")
    assert len(one._shares) == 10


@contextmanager
def silent_server() -> Iterator[str]:
    """A Redis that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


async def test_a_redis_that_does_not_answer_makes_one_request_wait_and_lets_all_through() -> None:
    with silent_server() as url:
        one = rates(url, gateway_rate_timeout_s=0.2, gateway_rate_pause_s=600.0)
        await one.admit_user("alice")
        # when it was found silent, then nobody else waits for it, however many ask
        asked = asyncio.gather(*(one.admit_user(f"user-{number}") for number in range(1_000)))
        waited = asyncio.ensure_future(asyncio.sleep(0.2))
        await asyncio.wait((asked, waited), return_when=asyncio.FIRST_COMPLETED)
        assert asked.done()
        waited.cancel()
        await one.close()


async def test_closed_a_redis_that_is_away_refuses_with_503() -> None:
    one = rates("redis://127.0.0.1:9/0", gateway_rate_when_down="closed")
    for _ in range(3):
        with pytest.raises(Refused) as refused:
            await one.admit_user("alice")
        assert refused.value.status_code == 503
    await one.close()


async def test_a_redis_that_comes_back_is_used_again(open_dir: Path) -> None:
    with EmbeddedRedis(open_dir / "redis", temporary=True) as server:
        one = rates(server.url, gateway_rate_user="5/hour", gateway_rate_pause_s=0.05)
        assert await admitted(one, 7) == 5
        server.stop()
        # while it is away all are let through, once what is known of the user is too old

        async def through() -> bool:
            return await admitted(one, 1) == 1

        async def refused() -> bool:
            return not await through()

        await eventually_async(through)
        server.start()
        # then the rate holds again, from zero: what was counted went with it
        await eventually_async(refused)
        await one.close()


def test_a_user_who_asks_too_often_is_429_over_http(start: Start, connect: Connect) -> None:
    gateway = start(gateway_rate_user="3/hour")
    alice = connect(gateway, "alice")
    for _ in range(3):
        error(alice.get(PROBE), 422, "INVALID_FIELD")
    refused = alice.get(PROBE)
    assert error(refused, 429, "RATE_LIMITED") == {"limit": "3 per 3600 s", "by": "user"}
    # and another user is not held up, nor does anybody's guess at tokens count for a user
    error(connect(gateway, "bob").get(PROBE), 422, "INVALID_FIELD")
    assert 'holdfast_http_rate_limited_total{by="user"} 1.0' in alice.get("/metrics").text


def test_an_address_that_asks_too_often_is_429_before_its_token_is_looked_at(
    start: Start, connect: Connect
) -> None:
    guesser = connect(start(gateway_rate_address="3/hour"), bearer="a.b.c")
    for _ in range(3):
        error(guesser.get(PROBE), 401, "UNAUTHENTICATED")
    assert error(guesser.get(PROBE), 429, "RATE_LIMITED")["by"] == "address"
    # and those who look whether it is up are not refused
    assert guesser.get("/health").status_code == 503
    # but not what only begins with the name of one
    error(guesser.get("/health/db-pool"), 429, "RATE_LIMITED")
    good_metrics = guesser.get("/metrics")
    assert good_metrics.status_code == 200


def test_what_costs_has_a_rate_of_its_own(start: Start, connect: Connect) -> None:
    alice = connect(start(gateway_rate_costly="1/hour"), "alice")
    order = {"chat_id": "x", "category_id": "y"}
    error(alice.post("/api/insights/unlock", json=order), 503, "UNAVAILABLE")
    assert error(alice.post("/api/insights/unlock", json=order), 429, "RATE_LIMITED")["by"] == "costly"
    error(alice.get(PROBE), 422, "INVALID_FIELD")


def test_behind_a_trusted_proxy_each_client_is_counted_for_itself(start: Start, connect: Connect) -> None:
    client = connect(start(gateway_rate_address="1/hour", gateway_trusted_proxies="127.0.0.0/8"))
    for address, status in (
        ("192.0.2.1", 200),
        ("192.0.2.2", 200),
        ("192.0.2.1", 429),
        ("6.6.6.6, 192.0.2.2", 429),
    ):
        assert client.get("/", headers={"X-Forwarded-For": address}).status_code == status


@pytest.mark.parametrize(
    ("connected", "forwarded", "trusted", "found"),
    [
        ("192.0.2.1", "", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "10.0.0.0/8", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.0/8", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7", "10.0.0.0/8", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7:4711", "10.0.0.0/8", "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7", "10.0.0.0/8", "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7, 10.0.0.2", "10.0.0.0/8", "198.51.100.7"),
        ("10.0.0.1", "nonsense", "10.0.0.0/8", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7, nonsense, 10.0.0.2", "10.0.0.0/8", "10.0.0.2"),
        ("10.0.0.1", "[2001:db8:1:2:3::4]:80", "10.0.0.1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "", "", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "", "", "192.0.2.1"),
        ("", "198.51.100.7", "10.0.0.0/8", ""),
    ],
)
def test_the_client_is_the_last_hop_that_no_trusted_proxy_is(
    connected: str, forwarded: str, trusted: str, found: str
) -> None:
    addresses = ClientAddresses([trusted] if trusted else [])
    headers = [(b"x-forwarded-for", part.encode()) for part in [forwarded] if part]
    scope = {"client": (connected, 1) if connected else None, "headers": headers}
    assert addresses.of(scope) == found


@pytest.mark.parametrize(
    "given",
    [
        {"gateway_rate_user": "often"},
        {"gateway_rate_address": "0"},
        {"gateway_trusted_proxies": "proxy.example.com"},
        {"gateway_rate_when_down": "maybe"},
    ],
)
def test_settings_that_mean_nothing_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GatewaySettings.model_validate(given)
