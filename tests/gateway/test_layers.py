"""What every request goes through: request ids, headers, limits."""

import http.client
import json
import re
import select
import socket
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from tests.eventually import eventually
from tests.gateway.house import EXPORT, Api, RunningGateway, error, good, token

Connect = Callable[..., Api]
Start = Callable[..., RunningGateway]


def raw(gateway: RunningGateway, request: bytes, timeout_s: float = 10.0) -> bytes:
    """Send bytes and answer all that comes back until the gateway closes the connection."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=timeout_s) as connection:
        connection.sendall(request)
        answer = bytearray()
        while piece := connection.recv(65_536):
            answer += piece
        return bytes(answer)


def head(path: str, *lines: str) -> bytes:
    """Answer the head of a POST by a user."""
    fixed = (f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token('alice')}")
    return "\r\n".join((*fixed, *lines, "", "")).encode()


@pytest.mark.parametrize("path", ["/", "/api/nothing", "/api/chats", "/api/categories"])
def test_the_request_id_of_the_caller_comes_back(alone: RunningGateway, connect: Connect, path: str) -> None:
    answer = connect(alone).get(path, headers={"X-Request-ID": "my-id.1:2_3"})
    assert answer.headers.get_list("X-Request-ID") == ["my-id.1:2_3"]


def test_the_log_has_neither_searches_nor_tokens(alone: RunningGateway, connect: Connect) -> None:
    # given a search, and a body with a private thing in the wrong place
    client = connect(alone, "alice")
    with capture_logs() as logged:
        client.get("/api/chats/x/messages", params={"query": "secret-words", "page_size": "many"})
        client.post("/api/insights/unlock", json={"chat_id": ["secret-words"]})
    # then the log says what was asked and how it ended, and no more
    assert [(line["route"], line["status"]) for line in logged] == [
        ("/api/chats/{chat_id}/messages", 422),
        ("/api/insights/unlock", 422),
    ]
    assert "secret-words" not in str(logged)
    assert str(client.bearer) not in str(logged)


def test_no_log_of_a_whole_run_holds_a_secret_or_what_people_wrote(
    user: Api, credit_channel: grpc.Channel
) -> None:
    # given all that the gateway and the services log, in one process here
    with capture_logs() as logged:
        # when a user uploads a chat, searches it, orders, fails, and is refused
        export = EXPORT + b"20/03/2024, 10:07 - Bob: my-very-private-words\n"
        user.store()
        chat_id = good(user.upload(export, display_name="secret-name-of-us"), 201)["chat_id"]
        found = user.get(f"/api/chats/{chat_id}/messages", params={"query": "my-very-private-words"})
        assert len(good(found)["messages"]) == 1
        user.get(f"/api/chats/{chat_id}/messages", params={"query": "my-very-private-words" * 99})
        user.request("PUT", f"/api/chats/{chat_id}/display-name", json={"display_name": "secret-name" * 99})
        user.post("/api/insights/unlock", json={"chat_id": chat_id, "category_id": "romantic"})
        user.upload(b"my-very-private-words")
        user.get("/api/chats", headers={"Authorization": f"Bearer {user.bearer}x"})
    # then the records say which routes were asked, and none says what
    said = repr(logged)
    assert "/api/chats/{chat_id}/messages" in said
    assert "ImportChat" in said
    secrets = ("my-very-private-words", "secret-name", "message number", "Alice", str(user.bearer))
    assert [secret for secret in secrets if secret in said] == []


@pytest.mark.parametrize("given", ["", "with space", "x" * 129, "new\tline", '{"a":1}'])
def test_a_request_id_that_is_not_safe_to_log_is_replaced(
    alone: RunningGateway, connect: Connect, given: str
) -> None:
    answer = connect(alone).get("/", headers={"X-Request-ID": given})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_every_answer_tells_browsers_to_trust_nothing(alone: RunningGateway, connect: Connect) -> None:
    for path in ("/", "/api/nothing", "/api/chats", "/docs"):
        headers = connect(alone).get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers.get_list("Cache-Control") == ["no-store"]
        assert headers["Strict-Transport-Security"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_only_the_page_of_the_operations_loads_anything_and_the_documentation_says_from_where(
    alone: RunningGateway, connect: Connect
) -> None:
    policies = {
        path: connect(alone).get(path).headers["Content-Security-Policy"] for path in ("/", "/api/x", "/docs")
    }
    hosts = set(re.findall(r"https://(\S+?)[;\s]", policies.pop("/docs")))
    assert set(policies.values()) == {"default-src 'none'; frame-ancestors 'none'"}
    assert "cdn.jsdelivr.net" in hosts
    said = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text()
    assert {host for host in hosts if f"`{host}`" not in said} == set()


def test_a_body_over_the_limit_is_413_before_it_is_read(alone: RunningGateway) -> None:
    # given a request that says how large it is and sends nothing of it
    request = head("/api/insights/unlock", "Content-Type: application/json", "Content-Length: 99999999999")
    # then the answer does not wait for it
    answer = raw(alone, request)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"BODY_TOO_LARGE"' in answer


def test_a_chunked_body_over_the_limit_is_413(start: Start, connect: Connect) -> None:
    client = connect(start(gateway_body_max_bytes=1_000), "alice")
    headers = {"Content-Type": "application/json"}
    refused = client.post("/api/insights/unlock", content=iter([b" " * 600] * 3), headers=headers)
    assert error(refused, 413, "BODY_TOO_LARGE") == {"limit": 1_000}
    fits = client.post("/api/insights/unlock", content=iter([b" " * 500] * 2), headers=headers)
    error(fits, 422, "INVALID_FIELD")


def test_a_client_that_still_sends_gets_the_answer(start: Start, connect: Connect) -> None:
    # given a client that does not look for an answer before it has sent everything
    client = connect(start(gateway_body_max_bytes=1_000), "alice")
    refused = client.request("PUT", "/api/chats/x/display-name", content=iter([b"x" * 65_536] * 200))
    # then it gets one, and the connection is not used again
    error(refused, 413, "BODY_TOO_LARGE")
    assert refused.headers["Connection"] == "close"


def test_a_head_over_the_limit_is_431(start: Start, connect: Connect) -> None:
    client = connect(start(gateway_head_max_bytes=2_000))
    assert error(client.get("/", headers={"X-Filler": "x" * 2_000}), 431, "REQUEST_HEAD_TOO_LARGE")
    assert error(client.get("/?filler=" + "x" * 2_000), 431, "REQUEST_HEAD_TOO_LARGE") == {"limit": 2_000}
    good(client.get("/"))


def test_a_body_that_stops_coming_is_408(start: Start) -> None:
    gateway = start(gateway_idle_timeout_s=0.2)
    request = head("/api/insights/unlock", "Content-Type: application/json", "Content-Length: 100") + b'{"c'
    answer = raw(gateway, request)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"REQUEST_TIMEOUT"' in answer


def test_a_body_that_comes_too_slowly_on_the_whole_is_408(start: Start) -> None:
    # given a client that never pauses for long, and would take hours
    gateway = start(gateway_idle_timeout_s=0.5, gateway_min_bytes_per_s=100_000)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(
            head("/api/insights/unlock", "Content-Type: application/json", "Content-Length: 60000")
        )
        answered, _, _ = select.select([connection], [], [], 0)
        while not answered:
            connection.sendall(b" ")
            answered, _, _ = select.select([connection], [], [], 0.02)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_reads_nothing_of_its_answers_is_left(start: Start) -> None:
    # given more answers than the system's own buffers hold
    gateway = start(gateway_send_timeout_s=0.3)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect(("127.0.0.1", gateway.port))
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        eventually(lambda: gateway.connection_count == 1)
        # when none of them is read, then nothing is kept for the client
        eventually(lambda: gateway.connection_count == 0)


def test_a_head_that_comes_too_slowly_is_cut_off(start: Start) -> None:
    gateway = start(gateway_head_timeout_s=0.3)
    # given one that stops in its middle, and one that never begins
    slow = raw(gateway, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert slow.startswith(b"HTTP/1.1 408 ")
    assert b'"code": "REQUEST_TIMEOUT"' in slow
    assert raw(gateway, b"") == b""


def test_a_second_request_on_a_connection_has_its_own_time(start: Start) -> None:
    gateway = start(gateway_head_timeout_s=0.3)
    whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(whole)
        answered = http.client.HTTPResponse(connection)
        answered.begin()
        assert answered.status == 200
        answered.read()
        # when the next one begins and stops, then it is cut off too
        connection.sendall(b"GET / HTT")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 408 ")


def test_a_head_without_end_is_431_while_it_comes(start: Start) -> None:
    gateway = start(gateway_head_max_bytes=20_000)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"x" * 30_000)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 431 ")


def test_what_is_no_http_gets_the_one_shape(alone: RunningGateway) -> None:
    answer = raw(alone, b"\x16\x03\x01 hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    error_body = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert set(error_body) == {"code", "message", "details", "request_id"}


def test_more_requests_at_once_than_the_limit_are_503(start: Start, connect: Connect) -> None:
    # given a gateway that serves one request at a time, and one that does not end
    gateway = start(gateway_max_in_flight=1)
    with socket.create_connection(("127.0.0.1", gateway.port)) as slow:
        form = "Content-Type: multipart/form-data; boundary=XX"
        slow.sendall(head("/api/chats/upload", form, "Content-Length: 100", "Expect: 100-continue"))
        assert slow.recv(100).startswith(b"HTTP/1.1 100 "), "the gateway waits for the body"
        # then the next one is refused, and operators' are not
        error(connect(gateway, "alice").get("/api/chats"), 503, "UNAVAILABLE")
        assert connect(gateway).get("/health").json()["status"] == "NOT_SERVING"


def test_browsers_of_an_allowed_origin_may_call(start: Start, connect: Connect) -> None:
    gateway = start(gateway_cors_origins="https://app.example.com, https://other.example.com")
    for origin, allowed in (("https://app.example.com", True), ("https://evil.example.com", False)):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        asked = connect(gateway).request("OPTIONS", "/api/insights/unlock", headers=headers)
        assert (asked.headers.get("Access-Control-Allow-Origin") == origin) is allowed


def test_without_origins_no_browser_may_call(alone: RunningGateway, connect: Connect) -> None:
    answer = connect(alone).get("/", headers={"Origin": "https://app.example.com"})
    assert "Access-Control-Allow-Origin" not in answer.headers
