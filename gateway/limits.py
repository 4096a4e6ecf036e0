"""Bounds on every request: how often, how many at once, its head, its body, and how slowly that may come."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import FileTooLarge, Refused, refused_response
from gateway.metrics import Metrics
from gateway.pages import HEALTH, METRICS, Pages
from gateway.rates import Rates
from gateway.settings import GatewaySettings

UPLOAD_PATH = "/api/chats/upload"

#: What a multipart body may have around the file: boundaries, part headers, the other fields.
MULTIPART_OVERHEAD_BYTES = 64 << 10
#: A client that is still sending when it is refused reads the answer only if its bytes are taken
#: for a while; these bound that while.
_LINGER_S = 5.0
_LINGER_IDLE_S = 1.0
_LINGER_BYTES = 128 << 20
#: Probes must not fail because the gateway is busy, nor because others ask too often.
_UNCOUNTED = frozenset({HEALTH, METRICS})
_STREAM = b"text/event-stream"


class Limits:
    """Refuses what is too large, too slow, too much or too often."""

    def __init__(
        self, app: ASGIApp, settings: GatewaySettings, rates: Rates, metrics: Metrics, pages: Pages
    ) -> None:
        """Take the app to protect and the bounds."""
        self._app = app
        self._settings = settings
        self._rates = rates
        self._pages = pages
        self._slots = InFlight(settings.gateway_max_in_flight, metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; everything but HTTP goes through untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = _Body(receive, self._limit(scope), self._settings)
        body.complete = not _has_body(headers)
        with self._slots.slot() as slot:
            answer = _Answer(body, send, slot)
            try:
                await self._admit(scope)
                body.admit(headers)
            except Refused as error:
                await refused_response(error)(scope, receive, answer.send)
            else:
                await self._app(scope, body.receive, answer.send)

    def _limit(self, scope: Scope) -> "_BodyLimit":
        if scope["path"] == UPLOAD_PATH:
            file_max = self._settings.import_max_bytes
            return _BodyLimit(file_max + MULTIPART_OVERHEAD_BYTES, partial(FileTooLarge, file_max))
        most = self._settings.gateway_body_max_bytes
        return _BodyLimit(most, partial(_body_too_large, most))

    async def _admit(self, scope: Scope) -> None:
        if scope["path"] not in _UNCOUNTED or not self._pages.shows(scope, scope["path"]):
            self._slots.admit()
            await self._rates.admit_address(scope)
        size = len(scope["query_string"]) + len(scope.get("raw_path") or b"")
        size += sum(len(name) + len(value) for name, value in scope["headers"])
        most = self._settings.gateway_head_max_bytes
        if size > most:
            raise head_too_large(most)


class InFlight:
    """How many requests are being served. Streams of events are counted apart: they stand idle for long."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        """Begin with none."""
        self._most = most
        self._metrics = metrics
        self._count = 0

    @contextmanager
    def slot(self) -> Iterator[Callable[[], None]]:
        """Count one request until the end of the context, or until what this gives is called."""
        counted = True

        def leave() -> None:
            nonlocal counted
            if counted:
                counted = False
                self._count -= 1
                self._metrics.request_ended()

        self._count += 1
        self._metrics.request_began()
        try:
            yield leave
        finally:
            leave()

    def admit(self) -> None:
        """Raise `Refused` with 503 when there are too many."""
        if self._count > self._most:
            raise Refused(503, "UNAVAILABLE", "too many requests are being served; try again")


def head_too_large(most: int) -> Refused:
    """Answer the refusal of a head over the limit in bytes."""
    message = f"path and headers are larger than the limit of {most} bytes"
    return Refused(431, "REQUEST_HEAD_TOO_LARGE", message, details={"limit": most})


def _body_too_large(most: int) -> Refused:
    message = f"the body is larger than the limit of {most} bytes"
    return Refused(413, "BODY_TOO_LARGE", message, details={"limit": most})


def _is_stream(start: Message) -> bool:
    return any(
        name == b"content-type" and value.startswith(_STREAM) for name, value in start.get("headers", ())
    )


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


class _BodyLimit:
    """How many bytes a body may have, and what makes the refusal of more."""

    def __init__(self, most: int, refusal: Callable[[], Refused]) -> None:
        self.most = most
        self.refusal = refusal


class _Body:
    """A request's body on its way in."""

    def __init__(self, receive: Receive, limit: _BodyLimit, settings: GatewaySettings) -> None:
        self._receive = receive
        self._limit = limit
        self._idle_timeout_s = settings.gateway_idle_timeout_s
        self._min_bytes_per_s = settings.gateway_min_bytes_per_s
        self._size = 0
        #: Time spent waiting for the client: what the services behind take is not its fault.
        self._waited_s = 0.0
        #: Whether all of it was read, or the client is gone.
        self.complete = False

    def admit(self, headers: Headers) -> None:
        """Raise `Refused` for a body that says beforehand that it is too large."""
        length = headers.get("content-length", "")
        if length.isdigit() and int(length[:19]) > self._limit.most:
            raise self._limit.refusal()

    async def receive(self) -> Message:
        """Answer the next piece; raises `Refused` when it is too much or does not come."""
        if self.complete:
            return await self._receive()
        start_s = time.monotonic()
        try:
            async with asyncio.timeout(min(self._idle_timeout_s, self._patience_s())):
                message = await self._receive()
        except TimeoutError:
            problem = "the body stopped coming, or came too slowly; send it again"
            raise Refused(408, "REQUEST_TIMEOUT", problem) from None
        self._waited_s += time.monotonic() - start_s
        self._take(message)
        if self._size > self._limit.most:
            raise self._limit.refusal()
        return message

    def _patience_s(self) -> float:
        """Answer how long may still be waited: a pause's length more than the least rate takes."""
        allowed_s = self._idle_timeout_s + self._size / self._min_bytes_per_s
        return max(0.0, allowed_s - self._waited_s)

    async def linger(self) -> None:
        """Take what the client still sends and throw it away, for a bounded while."""
        until_s = time.monotonic() + _LINGER_S
        self._size = 0
        try:
            while not self.complete and self._size < _LINGER_BYTES and time.monotonic() < until_s:
                async with asyncio.timeout(_LINGER_IDLE_S):
                    self._take(await self._receive())
        except TimeoutError:
            return

    def _take(self, message: Message) -> None:
        self._size += len(message.get("body", b""))
        self.complete = message["type"] != "http.request" or not message.get("more_body", False)


class _Answer:
    """An answer that may come before the request's body was read.

    Such an answer is sent in full, then the rest of the body is taken for a bounded while, then the
    connection is closed: closing at once would reset it, and the client would lose the answer.
    """

    def __init__(self, body: _Body, send: Send, leave: Callable[[], None]) -> None:
        self._body = body
        self._send = send
        self._leave = leave
        self._early = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if not self._body.complete:
                self._early = True
                MutableHeaders(scope=message)["Connection"] = "close"
            if _is_stream(message):
                self._leave()
        if not self._early or message["type"] != "http.response.body" or message.get("more_body", False):
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self._body.linger()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
