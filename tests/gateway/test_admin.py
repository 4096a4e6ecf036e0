"""What operators do by hand, and that nobody else does it."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from structlog.testing import capture_logs

from gateway.scopes import scopes
from gateway.settings import GatewaySettings
from gateway.tokens import development_token
from tests.gateway.house import Api, RunningGateway, error, good, token

Connect = Callable[..., Api]

_SCOPE = "holdfast:admin"
_ROUTES = [
    ("POST", "/api/admin/grants"),
    ("POST", "/api/admin/refunds"),
    ("GET", "/api/admin/accounts/alice"),
]


@pytest.fixture
def operator(gateway: RunningGateway, connect: Connect) -> Api:
    """A client of the gateway as an operator."""
    return connect(gateway, bearer=token("oona", scope=f"profile {_SCOPE}"))


def grant(operator: Api, user_id: str, amount: int, key: str | None = None, **more: Any) -> Any:
    body = {"user_id": user_id, "amount": amount, "reason": "lost in an outage", **more}
    return operator.post("/api/admin/grants", json=body, headers={"Idempotency-Key": key or uuid.uuid4().hex})


def refund(operator: Api, user_id: str, amount: int, key: str | None = None, **more: Any) -> Any:
    body = {"user_id": user_id, "amount": amount, "reason": "money returned", **more}
    return operator.post(
        "/api/admin/refunds", json=body, headers={"Idempotency-Key": key or uuid.uuid4().hex}
    )


def new_user() -> str:
    return f"user-{uuid.uuid4()}"


@pytest.mark.parametrize(("method", "path"), _ROUTES)
@pytest.mark.parametrize(
    "claims",
    [{}, {"scope": ""}, {"scope": "holdfast:administrator"}, {"scp": ["admin"]}, {"scope": {_SCOPE: True}}],
    ids=["none", "empty", "another", "a list without it", "an object"],
)
def test_a_user_is_no_operator(
    gateway: RunningGateway, connect: Connect, method: str, path: str, claims: dict[str, Any]
) -> None:
    user = connect(gateway, bearer=token("alice", **claims))
    answer = user.request(method, path, json={}, headers={"Idempotency-Key": "x"})
    assert error(answer, 403, "PERMISSION_DENIED") == {"scope": _SCOPE}
    assert "insufficient_scope" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(("method", "path"), _ROUTES)
def test_a_forged_scope_is_no_scope(
    gateway: RunningGateway, connect: Connect, method: str, path: str
) -> None:
    forged = token("alice", scope=_SCOPE, key="another-secret-of-at-least-32-bytes!")
    error(connect(gateway, bearer=forged).request(method, path), 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        ({"scope": "a b"}, {"a", "b"}),
        ({"scp": "a b"}, {"a", "b"}),
        ({"scp": ["a", 1]}, {"a"}),
        ({"scope": "a", "scp": ["b"]}, {"a", "b"}),
        ({"scope": None}, set()),
        ({}, set()),
    ],
)
def test_scopes_come_as_providers_write_them(claims: dict[str, Any], found: set[str]) -> None:
    assert scopes(claims) == found


def test_an_operator_gives_coins_with_a_reason_that_the_user_sees(
    operator: Api, gateway: RunningGateway, connect: Connect
) -> None:
    user = connect(gateway, new_user())
    user.store()
    before = good(user.get("/api/credits/balance"))["balance"]

    done = good(grant(operator, user.user_id, 70, type="BONUS"))

    assert done["account"]["balance"] == before + 70
    [newest, *_] = good(user.get("/api/credits/transactions"))["transactions"]
    assert newest == done["transaction"]
    assert (newest["type"], newest["description"]) == ("BONUS", "lost in an outage")
    assert newest["metadata"] == {"by": "operator"}


def test_an_operator_takes_coins_back_and_not_more_than_there_are(operator: Api) -> None:
    user_id = new_user()
    good(grant(operator, user_id, 100))

    done = good(refund(operator, user_id, 40))

    assert (done["transaction"]["type"], done["transaction"]["amount"]) == ("REFUND", -40)
    assert done["account"]["available"] == 60
    assert error(refund(operator, user_id, 61), 402, "INSUFFICIENT_CREDITS") == {
        "required": 61,
        "available": 60,
    }
    error(refund(operator, new_user(), 1), 404, "ACCOUNT_NOT_FOUND")


@pytest.mark.parametrize("move", [grant, refund])
def test_a_repeated_request_moves_coins_once(operator: Api, move: Callable[..., Any]) -> None:
    user_id, key = new_user(), f"case {uuid.uuid4()}".replace(" ", "-")
    good(grant(operator, user_id, 100))

    first, again = (good(move(operator, user_id, 10, key)) for _ in range(2))

    assert first == again
    details = error(move(operator, user_id, 11, key), 409, "REQUEST_ID_REUSED")
    assert details == {"idempotency_key": key, "field": "amount"}


@pytest.mark.parametrize("path", ["/api/admin/grants", "/api/admin/refunds"])
def test_without_a_key_no_coin_moves(operator: Api, path: str) -> None:
    answer = operator.post(path, json={"user_id": new_user(), "amount": 1, "reason": "x"})
    assert error(answer, 422, "INVALID_FIELD")["field"] == "Idempotency-Key"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": 10**12 + 1}, "amount"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 513}, "reason"),
        ({"user_id": ""}, "user_id"),
        ({"type": "PURCHASE"}, "type"),
    ],
)
def test_what_does_not_parse_is_422(operator: Api, change: dict[str, Any], field: str) -> None:
    body = {"user_id": "alice", "amount": 1, "reason": "x", **change}
    answer = operator.post("/api/admin/grants", json=body, headers={"Idempotency-Key": "k"})
    assert error(answer, 422, "INVALID_FIELD")["field"] == field


def test_an_operator_sees_anybodys_account_whatever_the_id_looks_like(operator: Api) -> None:
    user_id = f"google/{uuid.uuid4()}|a b"
    good(grant(operator, user_id, 5))

    account = good(operator.get(f"/api/admin/accounts/{user_id}"))

    assert (account["user_id"], account["balance"], account["close_time"]) == (user_id, 5, None)
    error(operator.get("/api/admin/accounts/nobody-has-this"), 404, "ACCOUNT_NOT_FOUND")


def test_the_log_says_which_operator_did_what_and_not_why(operator: Api) -> None:
    user_id = new_user()
    with capture_logs() as logs:
        done = good(grant(operator, user_id, 5))

    [record] = [one for one in logs if one.get("business_event") == "coins_granted_by_operator"]
    assert (record["operator"], record["user_id"], record["amount"]) == ("oona", user_id, 5)
    assert record["transaction_id"] == done["transaction"]["transaction_id"]
    assert "outage" not in json.dumps(logs, default=str)


def test_the_log_says_who_asked_also_when_nothing_came_of_it(operator: Api) -> None:
    user_id = new_user()
    with capture_logs() as logs:
        body = {"user_id": user_id, "amount": 7, "reason": "paid back in cash"}
        answer = operator.post("/api/admin/refunds", json=body, headers={"Idempotency-Key": "k"})
        error(answer, 404, "ACCOUNT_NOT_FOUND")

    [record] = [one for one in logs if one["event"] == "coins_to_be_refunded_by_operator"]
    assert (record["operator"], record["user_id"], record["amount"]) == ("oona", user_id, 7)
    assert "cash" not in json.dumps(logs, default=str)


def test_a_development_token_can_have_the_scope() -> None:
    made = development_token(GatewaySettings(), "oona", _SCOPE)
    assert jwt.decode(made, options={"verify_signature": False})["scope"] == _SCOPE
