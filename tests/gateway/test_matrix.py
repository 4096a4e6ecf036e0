"""Every route against everything that may be wrong with a request."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
import pytest

from gateway.app import create_app
from gateway.settings import GatewaySettings
from tests.fakes import razorpay_server, stripe_server
from tests.gateway.house import EXPORT, Api, RunningGateway, error, good, token
from tests.gateway.test_auth import RSA_PUBLIC_PEM, forged
from tests.gateway.test_main_job import grant

Connect = Callable[..., Api]


@dataclass(frozen=True)
class Row:
    """One route, how to call it, and what it answers."""

    method: str
    path: str
    #: The status of a success.
    status: int = 200
    #: Whether it wants a token.
    secured: bool = True
    #: What else the request needs; {chat_id} and the like are filled in.
    given: dict[str, Any] = field(default_factory=dict)
    #: The path parameter or body field with an id, and what an unknown one is called.
    id_field: str = ""
    unknown: str = ""
    paged: bool = False
    #: Whether it wants the operators' scope; tests/gateway/test_admin.py has the rest about it.
    operator: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


_ORDER = {"json": {"chat_id": "{chat_id}", "category_id": "friendship"}}
_QUESTION = {"json": {"chat_id": "{chat_id}", "question": "What is message number 3?"}}
_INSIGHT = {
    "json": {"chat_id": "{chat_id}", "category_id": "friendship", "insight_type_id": "message_balance"}
}
_FILE = {"files": {"file": ("chat.txt", EXPORT)}}

_WISH = {"json": {"package_id": "coins-400", "provider": "TEST", "currency": "EUR"}}
_STRIPE_EVENT = b'{"id": "evt_matrix", "object": "event", "type": "customer.created", "data": {"object": {}}}'
_RAZORPAY_EVENT = b'{"event": "payment.failed", "payload": {}}'

ROWS = [
    Row("POST", "/api/users/store"),
    Row("DELETE", "/api/users/delete-account", 202),
    Row("GET", "/api/users/export"),
    Row("GET", "/api/categories", secured=False),
    Row(
        "GET",
        "/api/categories/{category_id}/insights",
        secured=False,
        id_field="category_id",
        unknown="CATEGORY_NOT_FOUND",
    ),
    Row("GET", "/api/credits/balance"),
    Row("GET", "/api/credits/transactions", paged=True),
    Row("GET", "/api/credits/packages", secured=False),
    Row("POST", "/api/payments/orders", 201, given=_WISH),
    Row("GET", "/api/payments/orders/{order_id}", id_field="order_id", unknown="ORDER_NOT_FOUND"),
    Row(
        "POST",
        "/api/payments/webhooks/stripe",
        secured=False,
        given={"content": _STRIPE_EVENT, "headers": stripe_server.signed(_STRIPE_EVENT)},
    ),
    Row(
        "POST",
        "/api/payments/webhooks/razorpay",
        secured=False,
        given={"content": _RAZORPAY_EVENT, "headers": razorpay_server.signed(_RAZORPAY_EVENT)},
    ),
    Row("POST", "/api/insights/unlock", 202, given=_ORDER, id_field="chat_id", unknown="CHAT_NOT_FOUND"),
    Row("GET", "/api/insights/jobs/{job_id}/status", id_field="job_id", unknown="JOB_NOT_FOUND"),
    Row("GET", "/api/insights/jobs/{job_id}/events", id_field="job_id", unknown="JOB_NOT_FOUND"),
    Row("POST", "/api/insights/jobs/{job_id}/cancel", id_field="job_id", unknown="JOB_NOT_FOUND"),
    Row("GET", "/api/insights/chats/{chat_id}", id_field="chat_id", unknown="CHAT_NOT_FOUND"),
    Row("POST", "/api/chats/upload", 201, given=_FILE),
    Row("GET", "/api/chats", paged=True),
    Row(
        "GET",
        "/api/chats/public/{chat_id}/stats",
        secured=False,
        id_field="chat_id",
        unknown="CHAT_NOT_FOUND",
    ),
    Row("GET", "/api/chats/{chat_id}", id_field="chat_id", unknown="CHAT_NOT_FOUND"),
    Row("GET", "/api/chats/{chat_id}/vector-status", id_field="chat_id", unknown="CHAT_NOT_FOUND"),
    Row("POST", "/api/rag/query", given=_QUESTION, id_field="chat_id", unknown="CHAT_NOT_FOUND"),
    # Nobody does the work here: the job goes on, and the answer is that it took too long.
    Row("POST", "/api/rag/generate", 504, given=_INSIGHT, id_field="chat_id", unknown="CHAT_NOT_FOUND"),
    Row("GET", "/api/chats/{chat_id}/messages", id_field="chat_id", unknown="CHAT_NOT_FOUND", paged=True),
    Row("DELETE", "/api/chats/{chat_id}", 204, id_field="chat_id", unknown="CHAT_NOT_FOUND"),
    Row("POST", "/api/chats/{chat_id}/undelete", id_field="chat_id", unknown="CHAT_NOT_FOUND"),
    Row(
        "PUT",
        "/api/chats/{chat_id}/display-name",
        given={"json": {"display_name": "x"}},
        id_field="chat_id",
        unknown="CHAT_NOT_FOUND",
    ),
    Row("POST", "/api/admin/grants", operator=True),
    Row("POST", "/api/admin/refunds", operator=True),
    Row("GET", "/api/admin/accounts/{user_id}", operator=True),
    Row("GET", "/health", secured=False),
    Row("GET", "/health/db-pool", secured=False),
    Row("GET", "/", secured=False),
    Row("GET", "/metrics", secured=False),
]

_SECURED = [row for row in ROWS if row.secured]
_WITH_ID = [row for row in ROWS if row.id_field]
_OF_A_USER = [row for row in _WITH_ID if row.secured]
_PAGED = [row for row in ROWS if row.paged]

_NOBODY = {
    "no token": None,
    "expired": token("alice", exp=1_700_000_000),
    "wrong audience": token("alice", aud="other"),
    "wrong issuer": token("alice", iss="other"),
    "no exp": token("alice", exp=None),
    "alg none": forged({"alg": "none"}, {"sub": "alice"}),
    "signed with a public key": forged({"alg": "HS256"}, {"sub": "alice"}, RSA_PUBLIC_PEM),
}

Ids = dict[str, str]


def call(api: Api, row: Row, ids: Ids, **more: Any) -> httpx.Response:
    """Call a route with these ids."""
    given = dict(row.given)
    if "json" in given:
        given["json"] = {key: value.format(**ids) for key, value in given["json"].items()}
    return api.request(row.method, row.path.format(**ids), **given, **more)


@pytest.fixture
def ids(user: Api, credit_channel: grpc.Channel) -> Ids:
    """The ids of a user's chat, a category and a job that waits, made for one test."""
    chat_id = user.chat()
    grant(credit_channel, user.user_id, 1_000)
    order = {"chat_id": chat_id, "category_id": "family"}
    job = good(user.post("/api/insights/unlock", json=order), 202)
    bought = good(user.post("/api/payments/orders", **_WISH), 201)
    return {
        "chat_id": chat_id,
        "job_id": job["job_id"],
        "category_id": "family",
        "order_id": bought["order_id"],
    }


def test_every_route_has_a_row() -> None:
    # given all routes of the application but the documentation's
    paths = create_app(GatewaySettings()).openapi()["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    # then the matrix has each of them, and no other
    assert routes == {(row.method, row.path) for row in ROWS}


@pytest.mark.parametrize("row", [row for row in ROWS if not row.operator], ids=str)
def test_a_good_request_succeeds(user: Api, ids: Ids, row: Row) -> None:
    assert call(user, row, ids).status_code == row.status


@pytest.mark.parametrize("row", _SECURED, ids=str)
@pytest.mark.parametrize("bearer", _NOBODY.values(), ids=_NOBODY.keys())
def test_without_a_good_token_it_is_401(
    alone: RunningGateway, connect: Connect, row: Row, bearer: str | None
) -> None:
    some = {name: str(uuid.uuid4()) for name in ("chat_id", "job_id", "order_id", "user_id")}
    error(call(connect(alone, bearer=bearer), row, some), 401, "UNAUTHENTICATED")


@pytest.mark.parametrize("row", _OF_A_USER, ids=str)
def test_what_belongs_to_another_user_is_404(other: Api, ids: Ids, row: Row) -> None:
    # given another user, who is stored as well
    other.store()
    # then ids that exist are not found, as if they did not
    error(call(other, row, ids), 404, row.unknown)


@pytest.mark.parametrize("row", _WITH_ID, ids=str)
def test_an_unknown_id_is_404(user: Api, row: Row) -> None:
    user.store()
    unknown = dict.fromkeys(("chat_id", "job_id", "category_id", "order_id"), str(uuid.uuid4()))
    error(call(user, row, unknown), 404, row.unknown)


@pytest.mark.parametrize("row", _OF_A_USER, ids=str)
@pytest.mark.parametrize("bad", ["not-a-uuid", "1", "%00", "x" * 300, "é"])
def test_a_malformed_id_is_400_and_names_the_field(user: Api, row: Row, bad: str) -> None:
    user.store()
    malformed = dict.fromkeys(("chat_id", "job_id", "order_id"), bad)
    assert error(call(user, row, malformed), 400, "INVALID_FIELD")["field"] == row.id_field


@pytest.mark.parametrize("row", _PAGED, ids=str)
def test_a_huge_page_is_taken_as_the_largest_and_a_negative_one_refused(
    user: Api, ids: Ids, row: Row
) -> None:
    for huge in (1_001, 2**31, 10**30):
        assert call(user, row, ids, params={"page_size": huge}).status_code == 200
    for negative in (-1, -(2**31), -(10**30)):
        refused = call(user, row, ids, params={"page_size": negative})
        assert error(refused, 400, "INVALID_FIELD")["field"] == "page_size"
    forged_token = call(user, row, ids, params={"page_token": "forged"})
    assert error(forged_token, 400, "INVALID_FIELD")["field"] == "page_token"
