"""The pages for operators and machines: closed in production unless opened, all of them on a second port."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from gateway.__main__ import main
from gateway.settings import GatewaySettings
from tests.gateway.house import Api, RunningGateway, error, good, token

Connect = Callable[..., Api]
Start = Callable[..., RunningGateway]

PRODUCTION = {"environment": "production", "jwt_secret": "s" * 48, "page_token_secret": "p" * 48}
#: The pages by the name that the setting has for them, with what is below them.
PAGES = {
    "docs": ("/docs", "/docs/oauth2-redirect", "/openapi.json"),
    "metrics": ("/metrics",),
    "db-pool": ("/health/db-pool",),
}
EVERY_PAGE = [path for paths in PAGES.values() for path in paths]


def shown(url: str) -> set[str]:
    """Return the pages that are there; services that are down are not the page's fault."""
    with httpx.Client(base_url=url, timeout=30) as client:
        return {path for path in EVERY_PAGE if client.get(path).status_code in (200, 503, 504)}


def test_in_development_everybody_sees_them(start: Start) -> None:
    assert shown(start().url) == set(EVERY_PAGE)


def test_in_production_nobody_does_and_nothing_says_that_they_are_there(
    start: Start, connect: Connect
) -> None:
    # given a gateway in production, with no more settings
    gateway = start(**PRODUCTION)
    operator = connect(gateway, bearer=token("oona", key="s" * 48, scope="holdfast:admin"))
    # then its pages answer as paths do that are none, whoever asks
    for api in (connect(gateway), operator):
        for path in EVERY_PAGE:
            error(api.get(path), 404, "NOT_FOUND")
            error(api.get(f"{path}/"), 404, "NOT_FOUND")
    assert good(connect(gateway).get("/"))["links"] == {"health": "/health"}
    # and whether it is up can be seen as ever
    assert connect(gateway).get("/health").status_code == 503


@pytest.mark.parametrize("opened", [[], ["docs"], ["metrics"], ["db-pool"], ["metrics", "docs"]])
def test_single_pages_can_be_opened_in_production_and_closed_in_development(
    start: Start, opened: list[str]
) -> None:
    wanted = {path for name in opened for path in PAGES[name]}
    setting = ",".join(opened) or "none"
    for environment in (PRODUCTION, {}):
        gateway = start(**environment, gateway_public_pages=setting)
        assert shown(gateway.url) == wanted


def test_all_can_be_opened_in_production(start: Start) -> None:
    assert shown(start(**PRODUCTION, gateway_public_pages="all").url) == set(EVERY_PAGE)


def test_a_second_port_shows_all_of_them_and_nothing_else(start: Start, connect: Connect) -> None:
    # given a gateway in production with a second port
    gateway = start(**PRODUCTION, gateway_operations_port=0)
    with httpx.Client(base_url=gateway.operations_url, timeout=30) as machine:
        # then Prometheus and operators find every page there, and whether it is up
        assert shown(gateway.operations_url) == set(EVERY_PAGE)
        assert "holdfast_http_requests_in_flight" in machine.get("/metrics").text
        assert machine.get("/health").status_code == 503
        assert set(machine.get("/").json()["links"]) == {"openapi", "docs", "health", "metrics"}
        # and none of the API, whatever the request says of its host
        bearer = {"Authorization": f"Bearer {token('alice', key='s' * 48)}"}
        for host in ("x", f"127.0.0.1:{gateway.port}"):
            answer = machine.get("/api/credits/balance", headers={**bearer, "Host": host})
            error(answer, 404, "NOT_FOUND")
    # while the gateway's own port shows none of them, whatever the request says of its host
    assert shown(gateway.url) == set()
    claimed = {"Host": gateway.operations_url.removeprefix("http://")}
    error(connect(gateway).get("/metrics", headers=claimed), 404, "NOT_FOUND")


def test_what_is_closed_is_counted_for_the_rate_of_its_address(start: Start, connect: Connect) -> None:
    gateway = start(**PRODUCTION, gateway_rate_address="3/hour", gateway_operations_port=0)
    statuses = [connect(gateway).get("/metrics").status_code for _ in range(4)]
    assert statuses == [404, 404, 404, 429]
    # and Prometheus is refused nothing
    assert [httpx.get(f"{gateway.operations_url}/metrics", timeout=30).status_code for _ in range(5)] == [
        200
    ] * 5


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"gateway_public_pages": "everything"}, "must be all, none, or some of docs, metrics, db-pool"),
        ({"gateway_public_pages": "all,docs"}, "must be all, none, or some of docs, metrics, db-pool"),
        ({"gateway_operations_port": 8000}, "OPERATIONS_PORT must not be HOLDFAST_GATEWAY_PORT"),
        ({"gateway_operations_port": 65_536}, "less than or equal to 65535"),
    ],
)
def test_settings_that_say_nothing_clear_are_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        GatewaySettings.model_validate(given)


def test_a_second_port_that_is_taken_is_a_clear_message(
    alone: RunningGateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOLDFAST_GATEWAY_PORT", "0")
    monkeypatch.setenv("HOLDFAST_GATEWAY_OPERATIONS_PORT", str(alone.port))
    assert main(["serve"]) == 1
    problem = f"gateway: port {alone.port} is in use: set HOLDFAST_GATEWAY_OPERATIONS_PORT"
    assert capsys.readouterr().err.strip() == problem
