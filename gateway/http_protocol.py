"""HTTP on one connection: uvicorn's, with a bound on a head before it is complete.

The parser collects a head for as long as it comes, and uvicorn times only the pause between two requests.
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

    return Bounded


class _BoundedHttp(HttpToolsProtocol):
    max_head_bytes: int
    head_timeout_s: float

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._head_bytes = 0
        self._in_head = True
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

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
