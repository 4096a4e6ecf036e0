"""A real gateway in a thread, a client of it, and the tokens and files that tests send."""

import socket
import threading
import time
from collections.abc import Mapping
from typing import Any, Self

import httpx
import jwt

from gateway.bootstrap import Server, listen, port_of, server_config
from gateway.settings import DEVELOPMENT_SECRET, GatewaySettings

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 20.0

#: Six messages of two people, as Android writes them.
EXPORT = b"".join(
    b"%d/03/2024, 10:%02d - %s: message number %d\n" % (13 + day, day, name, day)
    for day, name in enumerate([b"Alice", b"Bob"] * 3)
)

#: Where Python ends a line beyond LF; a message in a chat may have all but CR, which ends one there too.
LINE_ENDS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
#: An export with a message that is made of them.
LINE_ENDS_EXPORT = (
    f"20/03/2024, 10:00 - Alice: message {LINE_ENDS.join('abcdefghi')} number\n".encode() + EXPORT
)


def unused_port() -> int:
    """Answer a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def token(user_id: str, *, key: Any = DEVELOPMENT_SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """Answer a token that is good unless a claim given here makes it bad; a claim of None is left out."""
    now_s = int(time.time())
    good = {"sub": user_id, "iss": "holdfast", "aud": "holdfast", "iat": now_s, "exp": now_s + 600}
    given = {name: value for name, value in {**good, **claims}.items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm)


class RunningGateway:
    """A gateway on a free port; a context manager."""

    def __init__(self, **settings: object) -> None:
        # All tests have one address; those of rates give their own.
        off = dict.fromkeys(("gateway_rate_user", "gateway_rate_address", "gateway_rate_costly"), "off")
        given = {"gateway_port": 0, "drain_s": 2.0, **off, **settings}
        self.settings = GatewaySettings.model_validate(given)
        self._listeners = listen(self.settings)
        self.port, *second = map(port_of, self._listeners)
        self.url = f"http://127.0.0.1:{self.port}"
        #: Where the second port is; empty where there is none.
        self.operations_url = f"http://127.0.0.1:{second[0]}" if second else ""
        self._serving = threading.Event()
        self._server = Server(server_config(self.settings, self._listeners), self._serving.set)
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._serving.wait(_START_TIMEOUT_S), "the gateway did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(_STOP_TIMEOUT_S)
        assert not self._thread.is_alive(), "the gateway did not stop"

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return len(self._server.server_state.connections)

    def _run(self) -> None:
        self._server.run(sockets=self._listeners)


class Api:
    """A client of a gateway, as one user or as nobody."""

    def __init__(self, url: str, user_id: str | None = None, bearer: str | None = None) -> None:
        self.user_id = user_id or ""
        self.bearer = bearer if bearer is not None else token(user_id) if user_id else None
        headers = {} if self.bearer is None else {"Authorization": f"Bearer {self.bearer}"}
        # Not one address is https: the certificates of all authorities take 20 ms to read, for each client.
        self.http = httpx.Client(base_url=url, headers=headers, timeout=30.0, verify=False)  # noqa: S501

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Send one request; every answer must carry its request id."""
        response = self.http.request(method, path, **given)
        assert response.headers["X-Request-ID"]
        return response

    def get(self, path: str, **given: Any) -> httpx.Response:
        """GET."""
        return self.request("GET", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        """POST."""
        return self.request("POST", path, **given)

    def store(self) -> dict[str, Any]:
        """Store the user, and answer what the API did."""
        return good(self.post("/api/users/store", json={"display_name": self.user_id}))

    def upload(self, export: bytes = EXPORT, key: str | None = None, **fields: str) -> httpx.Response:
        """Upload an export; httpx sends the fields before the file."""
        headers = {"Idempotency-Key": key} if key else {}
        files = {"file": ("WhatsApp Chat with Bob.txt", export, "text/plain")}
        return self.post("/api/chats/upload", data=fields, files=files, headers=headers)

    def chat(self) -> str:
        """Store the user, upload the small export, and answer the chat's id."""
        self.store()
        return str(good(self.upload(), 201)["chat_id"])


def good(response: httpx.Response, status: int = 200) -> dict[str, Any]:
    """Answer the body of a response that must have this status."""
    assert response.status_code == status, (response.status_code, response.text)
    body: dict[str, Any] = response.json()
    return body


def error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Answer the details of an error that must have this status and code, and the one shape."""
    assert response.status_code == status, (response.status_code, response.text)
    assert response.headers["content-type"] == "application/json"
    body: Mapping[str, Any] = response.json()
    assert set(body) == {"error"}
    wrong: dict[str, Any] = body["error"]
    assert set(wrong) == {"code", "message", "details", "request_id"}
    assert wrong["code"] == code, wrong
    assert wrong["message"]
    assert wrong["request_id"] == response.headers["X-Request-ID"]
    if status in (429, 503):
        assert int(response.headers["Retry-After"]) >= 1
    details: dict[str, Any] = wrong["details"]
    return details
