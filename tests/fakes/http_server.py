"""An HTTP server on loopback whose answers a test can lose, delay or replace."""

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """What came; header names are lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered; a text instead of JSON is sent as it is."""

    body: Any
    status: int = 200


@dataclass(frozen=True, slots=True)
class Fault:
    """How one request goes wrong.

    `lost`: it is done, and the connection cut before the answer. `cut`: it is not even done. `held`: it waits
    for the event. `answer`: this instead of doing it.
    """

    lost: bool = False
    cut: bool = False
    held: threading.Event | None = None
    answer: Answer | None = None


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that give up are part of the tests."""


@dataclass
class FakeServer:
    """Base of the fakes; a context manager. Subclasses answer requests in `respond`, one at a time."""

    requests: list[Request] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._server = _QuietServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def reset(self) -> None:
        """Forget what came and what was to go wrong."""
        self.requests.clear()
        self.faults.clear()

    def respond(self, request: Request) -> Answer:
        """Answer a request."""
        raise NotImplementedError

    def serve(self, request: Request) -> Answer | None:
        """Answer a request, or None where the connection is to be cut."""
        with self._lock:
            self.requests.append(request)
            fault = self.faults.popleft() if self.faults else Fault()
        if fault.held is not None:
            fault.held.wait(30)
        if fault.cut or fault.answer is not None:
            return fault.answer
        with self._lock:
            answer = self.respond(request)
        return None if fault.lost else answer


def _handler(server: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            split = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            assert self.command is not None
            answer = server.serve(Request(self.command, split.path, split.query, headers, body))
            if answer is None:
                self.close_connection = True
                return
            self._send(answer)

        def _send(self, answer: Answer) -> None:
            body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    return Handler
