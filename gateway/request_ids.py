"""The outermost layer: a request id in and out on every answer, the access log, and the last net for crashes.

Pure ASGI: a layer around streaming answers must not collect them.
"""

import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import CLIENT_CLOSED_REQUEST, internal_error
from gateway.metrics import Metrics
from servicekit.context import REQUEST_ID_HEADER, accept_request_id, request_id
from servicekit.logs import get_logger

log = get_logger(__name__)

#: Polled by machines every few seconds; logged on debug level.
_QUIET = ("/health", "/metrics")


class RequestIds:
    """Gives every request its id, logs how it ended, and answers 500 for what nobody caught."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Take the app around which this is the outermost layer, and what counts the answers."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; everything but HTTP goes through untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id.set(accept_request_id(Headers(scope=scope).get(REQUEST_ID_HEADER)))
        answer = _Answer(scope, send)
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            # The last net: whatever was raised, the caller learns only the request id.
            log.exception("request_crashed", method=scope["method"], route=_route(scope))
            if answer.status:
                raise
            await internal_error()(scope, receive, answer.send)
        finally:
            answer.log(self._metrics)


class _Answer:
    """One answer on its way out."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start_s = time.perf_counter()
        #: 0 until it began.
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            MutableHeaders(scope=message)["X-Request-ID"] = request_id.get()
        await self._send(message)

    def log(self, metrics: Metrics) -> None:
        """Record how it ended; 499 when the client left before the answer began."""
        scope, duration_s = self._scope, time.perf_counter() - self._start_s
        route, status = _route(scope), self.status or CLIENT_CLOSED_REQUEST
        metrics.request_served(route, scope["method"], status, duration_s)
        quiet = scope["path"].startswith(_QUIET)
        # The query is left out: it may hold what somebody searches in a chat.
        (log.debug if quiet else log.info)(
            "http_request",
            method=scope["method"],
            route=route,
            status=status,
            duration_ms=round(duration_s * 1000, 3),
        )


def _route(scope: Scope) -> str:
    """Answer the route's template: ids in paths would make every line another one."""
    return getattr(scope.get("route"), "path", "") or "unknown"
