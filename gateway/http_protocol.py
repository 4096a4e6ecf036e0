"""HTTP on one connection: uvicorn's, with a bound on a head before it is complete, and on an answer not read.

The parser collects a head for as long as it comes, and uvicorn times only the pause between two requests.
What a client does not read stays in memory, and closing a connection waits for it.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.errors import Refused
from gateway.limits import head_too_large
from gateway.settings import GatewaySettings
from servicekit.context import new_request_id


def bounded(settings: GatewaySettings) -> type[HttpToolsProtocol]:
    """Answer the protocol class with these bounds, for uvicorn to make one a connection."""

    class Bounded(_BoundedHttp):
        max_head_bytes = settings.gateway_head_max_bytes
        head_timeout_s = settings.gateway_head_timeout_s
        send_timeout_s = settings.gateway_send_timeout_s

    return Bounded


class _BoundedHttp(HttpToolsProtocol):
    max_head_bytes: int
    head_timeout_s: float
    send_timeout_s: float

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._head_bytes = 0
        self._in_head = True
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_send_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._stop_send_timer()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if self._head_bytes > self.max_head_bytes:
            self._refuse(head_too_large(self.max_head_bytes))
        elif self._head_bytes and self._head_timer is None:
            self._start_timer()

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the one error shape."""
        self._refuse(Refused(400, "INVALID_FIELD", "the request is no HTTP", details={"field": "request"}))

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _late(self) -> None:
        self._head_timer = None
        if not self._in_head or self.transport.is_closing():
            return
        if self._head_bytes:
            self._refuse(Refused(408, "REQUEST_TIMEOUT", "the request's head came too slowly; send it again"))
        else:
            self.transport.close()

    def _await_reader(self, unsent_bytes: int) -> None:
        """Give the client a while to take some of what waits for it."""
        self._stop_send_timer()
        self._send_timer = self.loop.call_later(self.send_timeout_s, self._unread, unsent_bytes)

    def _stop_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _unread(self, unsent_bytes: int) -> None:
        """End a connection whose client took nothing; nothing is added while writing is paused."""
        left_bytes = self.transport.get_write_buffer_size()
        if left_bytes < unsent_bytes:
            self._await_reader(left_bytes)
        else:
            self.transport.abort()

    def _refuse(self, refusal: Refused) -> None:
        """Answer without the application, which has no request yet, and close."""
        if self.cycle is not None and not self.cycle.response_complete:
            # An answer to the request before is on its way; bytes of another one would spoil it.
            self.transport.close()
            return
        request_id = new_request_id()
        error = {"code": refusal.code, "message": refusal.detail, "details": refusal.details}
        body = json.dumps({"error": {**error, "request_id": request_id}}).encode()
        status = HTTPStatus(refusal.status_code)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
