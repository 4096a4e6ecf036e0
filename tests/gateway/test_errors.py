"""One shape for every error, one table from gRPC to HTTP."""

import json
from collections.abc import Callable

import grpc
import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import NamedRequest, service_error_fields, service_error_response, status_of
from servicekit.error_room import Listed
from servicekit.errors import InvalidField, RateLimited, ServiceError, Unavailable, Violation
from tests.gateway.house import Api, RunningGateway, error, token

Connect = Callable[..., Api]


def made(reason: str, code: grpc.StatusCode, **metadata: object) -> ServiceError:
    """Answer an error as it comes from a service."""
    received = ServiceError("secret /path 10.0.0.7", metadata=metadata)
    received.reason, received.code = reason, code
    return received


_TABLE = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_code_has_its_status(code: grpc.StatusCode) -> None:
    assert status_of(made("SOMETHING", code)) == _TABLE.get(code, 500)


def test_two_reasons_have_their_own_status() -> None:
    assert status_of(made("INSUFFICIENT_CREDITS", grpc.StatusCode.FAILED_PRECONDITION)) == 402
    assert status_of(made("IMPORT_TOO_LARGE", grpc.StatusCode.INVALID_ARGUMENT)) == 413


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS]
)
def test_a_500_says_nothing_of_what_happened(code: grpc.StatusCode) -> None:
    body = bytes(service_error_response(made("WHATEVER", code, path="/etc")).body)
    assert b"secret" not in body
    assert b"/etc" not in body
    assert b'"code":"INTERNAL"' in body


def test_numbers_of_the_contract_are_numbers() -> None:
    wrong = made(
        "INSUFFICIENT_CREDITS", grpc.StatusCode.FAILED_PRECONDITION, required=400, available=-1, user_id="7"
    )
    body = bytes(service_error_response(wrong).body)
    assert b'"details":{"required":400,"available":-1,"user_id":"7"}' in body
    unready = made("CHAT_NOT_READY", grpc.StatusCode.FAILED_PRECONDITION, percent=11)
    assert b'"details":{"percent":11}' in bytes(service_error_response(unready).body)


def nested(depth: int) -> object:
    """Return a list in a list in a list, deeper than JSON is written."""
    value: object = "bottom"
    for _ in range(depth):
        value = [value]
    return value


_NAMED = NamedRequest("order-1", "0197a3c2-8d1e-7b6a-9f43-2c5d8e7f6a10")
#: Whatever Python can hold, half surrogate pairs, NaN and numbers of thousands of digits among it.
_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.builds(pow, st.just(10), st.just(5_000)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_keys = st.sampled_from(["field", "request_id", "chats", "chats_left_out", "limit", "violations"]) | st.text()
_values = st.text() | st.sampled_from([_NAMED.request_id, "[{", "9" * 5_000, "1e999", "NaN", "[" * 5_000])


@given(
    reason=st.sampled_from(["IMPORT_CHOOSE_CHAT", "REQUEST_ID_REUSED", "RATE_LIMITED"]) | st.text(),
    code=st.sampled_from(list(grpc.StatusCode)),
    message=st.text(),
    metadata=st.dictionaries(_keys, _values),
    lists=st.dictionaries(_keys, st.builds(Listed, st.lists(_anything).map(tuple), st.integers())),
    violations=st.lists(st.builds(Violation, st.text(), st.text())),
    retry_after_s=st.none() | st.floats(),
    named=st.none() | st.just(_NAMED),
)
@example(
    reason="REQUEST_ID_REUSED",
    code=grpc.StatusCode.ALREADY_EXISTS,
    message="no",
    metadata={"request_id": _NAMED.request_id},
    lists={},
    violations=[],
    retry_after_s=None,
    named=_NAMED,
)
@example(
    reason="IMPORT_CHOOSE_CHAT",
    code=grpc.StatusCode.INVALID_ARGUMENT,
    message="\ud800",
    metadata={"chats": '[{"id": "1", "na…'},
    lists={"chats": Listed((nested(5_000), float("nan"), "\ud800"))},  # type: ignore[arg-type]
    violations=[],
    retry_after_s=float("inf"),
    named=None,
)
def test_the_mapper_answers_in_the_one_shape_whatever_an_error_holds(
    reason: str,
    code: grpc.StatusCode,
    message: str,
    metadata: dict[str, str],
    lists: dict[str, Listed],
    violations: list[Violation],
    retry_after_s: float | None,
    named: NamedRequest | None,
) -> None:
    wrong = made(reason, code, **metadata)
    wrong.message, wrong.lists, wrong.retry_after_s = message, lists, retry_after_s
    wrong.violations = tuple(violations)
    # when it is mapped for an answer, and for the end of a stream
    answer, fields = service_error_response(wrong, named), service_error_fields(wrong)
    # then both are what every error is
    shown = json.loads(bytes(answer.body))["error"]
    for told in (shown, fields):
        assert set(told) == {"code", "message", "details", "request_id"}
        assert isinstance(told["details"], dict)
        json.dumps(told, allow_nan=False, ensure_ascii=False).encode(errors="strict")
    assert answer.status_code not in (429, 503) or int(answer.headers["Retry-After"]) >= 1


def test_a_list_of_a_service_is_a_list_and_says_how_much_it_leaves_out() -> None:
    wrong = made("IMPORT_CHOOSE_CHAT", grpc.StatusCode.INVALID_ARGUMENT, chats="[…", chat_count=3)
    wrong.lists = {"chats": Listed(({"id": "1", "name": "[1]"},), 2)}
    details = json.loads(bytes(service_error_response(wrong).body))["error"]["details"]
    assert details == {"chats": [{"id": "1", "name": "[1]"}], "chat_count": 3, "chats_left_out": 2}


def test_a_field_error_lists_the_field() -> None:
    body = bytes(service_error_response(InvalidField("page_size", "must not be negative")).body)
    assert b'"violations":[{"field":"page_size","problem":"must not be negative"}]' in body


@pytest.mark.parametrize(("after_s", "header"), [(0.2, "1"), (1.0, "1"), (29.3, "30")])
def test_retry_after_is_whole_seconds_rounded_up(after_s: float, header: str) -> None:
    assert service_error_response(RateLimited("10 a minute", after_s)).headers["Retry-After"] == header
    assert service_error_response(Unavailable()).headers["Retry-After"] == "1"


def test_an_unknown_path_and_method_have_the_shape(alone: RunningGateway, connect: Connect) -> None:
    client = connect(alone, "alice")
    error(client.get("/api/nothing"), 404, "NOT_FOUND")
    error(client.get("/api/chats/"), 404, "NOT_FOUND")
    refused = client.request("PATCH", "/api/chats/x")
    error(refused, 405, "METHOD_NOT_ALLOWED")
    assert refused.headers["Allow"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"\xff\xfe", "body"),
        (b"[" * 60_000, "body"),
        (b"null", "body"),
        (b"[]", "body"),
        (b"{}", "chat_id"),
        (b'{"chat_id": 7, "category_id": "x"}', "chat_id"),
        (b'{"chat_id": "\\ud800", "category_id": "x"}', "chat_id"),
        (b'{"chat_id": null, "category_id": "x"}', "chat_id"),
    ],
)
def test_a_body_that_does_not_parse_is_422(
    alone: RunningGateway, connect: Connect, body: bytes, field: str
) -> None:
    client = connect(alone, "alice")
    refused = client.post("/api/insights/unlock", content=body, headers={"Content-Type": "application/json"})
    assert error(refused, 422, "INVALID_FIELD")["field"] == field


def test_what_was_sent_is_not_repeated(alone: RunningGateway, connect: Connect) -> None:
    # given a body with something private in the wrong place
    client = connect(alone, "alice")
    refused = client.post("/api/insights/unlock", json={"chat_id": {"private": "secret-words"}})
    # then the answer does not have it
    error(refused, 422, "INVALID_FIELD")
    assert "secret-words" not in refused.text


@pytest.mark.parametrize("query", ["page_size=abc", "page_size=1.5", "page_size=" + "9" * 5_000])
def test_a_query_that_does_not_parse_is_422(alone: RunningGateway, connect: Connect, query: str) -> None:
    refused = connect(alone, "alice").get(f"/api/chats?{query}")
    assert error(refused, 422, "INVALID_FIELD")["field"] == "page_size"


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_has_no_utc_is_400(alone: RunningGateway, connect: Connect, value: str) -> None:
    refused = connect(alone, "alice").get("/api/credits/transactions", params={"from_time": value})
    assert error(refused, 400, "INVALID_FIELD")["field"] == "from_time"


@pytest.mark.parametrize("given", ["yesterday", "2026-01-01T00:00:00"])
def test_a_time_without_zone_is_422(alone: RunningGateway, connect: Connect, given: str) -> None:
    refused = connect(alone, "alice").get("/api/credits/transactions", params={"to_time": given})
    assert error(refused, 422, "INVALID_FIELD")["field"] == "to_time"


def test_services_that_are_down_are_503_with_retry_after(alone: RunningGateway, connect: Connect) -> None:
    error(connect(alone).get("/api/categories"), 503, "UNAVAILABLE")
    error(connect(alone, "alice").get("/api/credits/balance"), 503, "UNAVAILABLE")
    error(connect(alone, "alice").upload(), 503, "UNAVAILABLE")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/insights/unlock", {"chat_id": "x", "category_id": "x"}),
        ("POST", "/api/admin/grants", {"user_id": "bob", "amount": 1, "reason": "x"}),
        ("DELETE", "/api/users/delete-account", None),
    ],
)
@pytest.mark.parametrize("keys", [("one", "two"), ("one", "one")])
def test_of_two_idempotency_keys_none_counts(
    alone: RunningGateway, connect: Connect, method: str, path: str, body: object, keys: tuple[str, str]
) -> None:
    # given a request that could be repeated under the one or under the other
    operator = connect(alone, bearer=token("oona", scope="holdfast:admin"))
    headers = [("Idempotency-Key", key) for key in keys]
    headers.append(("Authorization", f"Bearer {operator.bearer}"))
    refused = httpx.request(method, f"{alone.url}{path}", json=body, headers=headers, timeout=30)
    assert error(refused, 400, "INVALID_FIELD")["field"] == "Idempotency-Key"


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "schlüssel".encode()])
def test_an_idempotency_key_that_is_none_is_400(
    alone: RunningGateway, connect: Connect, key: str | bytes
) -> None:
    refused = connect(alone, "alice").post(
        "/api/insights/unlock",
        json={"chat_id": "x", "category_id": "x"},
        headers={"Idempotency-Key": key},
    )
    assert error(refused, 400, "INVALID_FIELD")["field"] == "Idempotency-Key"
