"""Every route against everything that may be wrong with a request."""

import socket
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from gateway.app import create_app
from gateway.settings import GatewaySettings
from tests.eventually import eventually
from tests.fakes import razorpay_server, stripe_server
from tests.gateway.failures import ELSEWHERE, FAILURES, World
from tests.gateway.house import EXPORT, Api, RunningGateway, error, good, token, unused_port
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
    Row("POST", "/api/users/store", given={"json": {"display_name": "Alice"}}),
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
    "alg none": forged({"alg": "none"}, {"sub": "alice"}),
    "signed with a public key": forged({"alg": "HS256"}, {"sub": "alice"}, RSA_PUBLIC_PEM),
}

Ids = dict[str, str]


def call(api: Api, row: Row, ids: Ids, **more: Any) -> httpx.Response:
    """Call a route with these ids."""
    given = dict(row.given)
    if "json" in given:
        given["json"] = {key: value.format(**ids) for key, value in given["json"].items()}
    if "headers" in more:
        more["headers"] = {**given.pop("headers", {}), **more["headers"]}
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


@cache
def documented_paths() -> dict[str, Any]:
    paths: dict[str, Any] = create_app(GatewaySettings()).openapi()["paths"]
    return paths


def responses(row: Row) -> dict[str, Any]:
    """Answer what a route may answer, by status."""
    answers: dict[str, Any] = documented_paths()[row.path][row.method.lower()]["responses"]
    return answers


def test_every_route_has_a_row() -> None:
    # given all routes of the application but the documentation's
    paths = documented_paths()
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    # then the matrix has each of them, and no other
    assert routes == {(row.method, row.path) for row in ROWS}


@pytest.mark.parametrize("row", [row for row in ROWS if not row.operator], ids=str)
def test_a_good_request_succeeds(user: Api, ids: Ids, row: Row) -> None:
    if row.path.endswith("/events"):
        # The job waits, and so would this: the stream is left when it has begun.
        with user.http.stream(row.method, row.path.format(**ids)) as response:
            assert response.status_code == row.status
        return
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
@pytest.mark.parametrize("bad", ["not-a-uuid", "%00", "é"])
def test_a_malformed_id_is_400_and_names_the_field(user: Api, row: Row, bad: str) -> None:
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


@pytest.fixture(scope="module")
def strict(credit_target: str, chat_target: str) -> Iterator[RunningGateway]:
    """A gateway with bounds so tight that hardly anything fits."""
    with RunningGateway(
        credit_target=credit_target,
        chat_target=chat_target,
        gateway_body_max_bytes=500,
        import_max_bytes=500,
        gateway_head_max_bytes=4_000,
        gateway_idle_timeout_s=0.2,
        rpc_timeout_s=0.000_001,
        gateway_upload_timeout_s=0.000_001,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def counting() -> Iterator[RunningGateway]:
    """A gateway that lets nobody ask a second time."""
    down = {"credit_target": f"127.0.0.1:{unused_port()}", "chat_target": f"127.0.0.1:{unused_port()}"}
    with RunningGateway(**down, gateway_rate_address="1/day") as running:
        yield running


_SOME_IDS = dict.fromkeys(("chat_id", "job_id", "order_id", "category_id", "user_id"), str(uuid.uuid4()))
#: What answers without asking a service.
_BY_ITSELF = ("/", "/metrics", "/health")
#: Provoked where they are made, not here: an accident has no request that causes it.
_ACCIDENTS = {500}
_WITH_BODY = [row for row in ROWS if row.given]
_JSON = [row for row in ROWS if "json" in row.given]
_LIMITED = [row for row in ROWS if not row.path.startswith(("/health", "/metrics"))]
_ASKING = [row for row in ROWS if row.path not in _BY_ITSELF and not row.operator]
#: Operators' routes ask for their scope first; tests/gateway/test_admin.py has how they fail.
_FOR_USERS = [row for row in ROWS if not row.operator]


@pytest.mark.parametrize("row", _ASKING, ids=str)
def test_while_the_services_are_down_it_is_503(alone: RunningGateway, connect: Connect, row: Row) -> None:
    refused = call(connect(alone, "alice"), row, _SOME_IDS)
    # A probe's own deadline may come first.
    assert refused.status_code == 503 or "health" in row.path


@pytest.mark.parametrize("row", _ASKING, ids=str)
def test_a_service_that_takes_too_long_is_504(strict: RunningGateway, connect: Connect, row: Row) -> None:
    if "health" in row.path or row.path.endswith(("/events", "/export", "/query", "/generate")):
        pytest.skip("has a time limit of its own")
    client = connect(strict, "alice")

    def late() -> httpx.Response | None:
        # Now and then an answer is faster than gRPC's look at the clock.
        answer = call(client, row, _SOME_IDS)
        return answer if answer.status_code == 504 else None

    refused = eventually(late)
    assert refused is not None
    error(refused, 504, "DEADLINE_EXCEEDED")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_head_that_is_too_large_is_431(strict: RunningGateway, connect: Connect, row: Row) -> None:
    refused = call(connect(strict, "alice"), row, _SOME_IDS, headers={"X-Filler": "x" * 4_000})
    error(refused, 431, "REQUEST_HEAD_TOO_LARGE")


@pytest.mark.parametrize("row", _LIMITED, ids=str)
def test_who_asks_too_often_hears_429(counting: RunningGateway, connect: Connect, row: Row) -> None:
    client = connect(counting, "alice")
    client.get("/")
    error(call(client, row, _SOME_IDS), 429, "RATE_LIMITED")


@pytest.mark.parametrize("row", _WITH_BODY, ids=str)
def test_a_body_that_is_too_large_is_413(strict: RunningGateway, connect: Connect, row: Row) -> None:
    form = "multipart/form-data; boundary=XX" if "files" in row.given else "application/json"
    headers = {**row.given.get("headers", {}), "Content-Type": form}
    client = connect(strict, "alice")
    refused = client.request(
        row.method, row.path.format(**_SOME_IDS), content=b" " * 100_000, headers=headers
    )
    error(refused, 413, "IMPORT_TOO_LARGE" if "files" in row.given else "BODY_TOO_LARGE")


@pytest.mark.parametrize("row", _WITH_BODY, ids=str)
def test_a_body_that_stops_coming_is_408(strict: RunningGateway, row: Row) -> None:
    path = row.path.format(**_SOME_IDS)
    form = "multipart/form-data; boundary=XX" if "files" in row.given else "application/json"
    head = [f"{row.method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token('alice')}"]
    head += [f"Content-Type: {form}", "Content-Length: 100", "", ""]
    with socket.create_connection(("127.0.0.1", strict.port), timeout=10) as connection:
        connection.sendall("\r\n".join(head).encode())
        assert connection.recv(65_536).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("row", _JSON, ids=str)
@pytest.mark.parametrize("body", [b"{", b"[]", b'{"chat_id": 7, "display_name": 7, "provider": 7}'])
def test_a_body_that_does_not_parse_is_422(
    alone: RunningGateway, connect: Connect, row: Row, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    client = connect(alone, "alice")
    refused = client.request(row.method, row.path.format(**_SOME_IDS), content=body, headers=headers)
    error(refused, 422, "INVALID_FIELD")


_OWN = [
    pytest.param(make, status, code, id=f"{name} {code}")
    for name, fails in FAILURES.items()
    for (status, code), make in fails.items()
    if name in map(str, ROWS)
]


@pytest.mark.parametrize(("make", "status", "code"), _OWN)
def test_each_route_fails_in_its_own_ways(
    user: Api,
    other: Api,
    ids: Ids,
    chat_channel: grpc.Channel,
    credit_channel: grpc.Channel,
    make: Callable[[World], httpx.Response],
    status: int,
    code: str,
) -> None:
    error(make(World(user, other, ids, chat_channel, credit_channel)), status, code)


def checked(row: Row) -> set[int]:
    """Answer the statuses of failure that some test above gets from a route."""
    own = {status for status, _ in FAILURES.get(str(row), {})} | set(ELSEWHERE.get(str(row), {}))
    found = {429, 431, 503, 504} | own | _ACCIDENTS
    found |= {401} if row.secured else set()
    found |= {404} if row.id_field else set()
    found |= {400} if (row.secured and row.id_field) or row.paged else set()
    found |= {413, 408} if row.given else set()
    # Where nothing is parsed nothing fails to.
    return found | {422}


@pytest.mark.parametrize("row", _FOR_USERS, ids=str)
def test_every_documented_error_is_checked(row: Row) -> None:
    documented = {int(status) for status in responses(row) if status[0] in "45"}
    assert documented <= checked(row), f"add how to get them to FAILURES[{str(row)!r}]"


def test_what_is_checked_elsewhere_is_there() -> None:
    for statuses in ELSEWHERE.values():
        for status, name in statuses.items():
            assert f", {status}, " in Path(__file__).with_name(name).read_text()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_what_fails_is_documented(row: Row) -> None:
    expected = {status for status, _ in FAILURES.get(str(row), {})}
    expected |= {401} if row.secured else set()
    expected |= {404} if row.id_field else set()
    expected |= {413, 408} if row.given else set()
    assert expected <= {int(status) for status in responses(row)}
