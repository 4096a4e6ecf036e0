"""What every RPC of every server gets: a request id, a deadline, an access log, errors that leak nothing."""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from servicekit.context import REQUEST_ID_HEADER, accept_request_id, request_id
from servicekit.errors import (
    DeadlineExceeded,
    Internal,
    InvalidField,
    RateLimited,
    ServiceError,
    Unauthenticated,
    Unavailable,
    to_status,
)
from servicekit.logs import get_logger

log = get_logger(__name__)

if TYPE_CHECKING:  # grpc's classes are generic in the stubs only
    _Context = grpc.aio.ServicerContext[Any, Any]
    _Handler = grpc.RpcMethodHandler[Any, Any]
    _Interceptor = grpc.aio.ServerInterceptor[Any, Any]
else:
    _Context = _Handler = Any
    _Interceptor = grpc.aio.ServerInterceptor

#: Methods that health checks and tools poll; they are logged on debug level and need no token.
_QUIET = ("/grpc.health.", "/grpc.reflection.")


class Slots:
    """How many RPCs of one sort run at once, and how long each may at most, in seconds."""

    def __init__(self, limit: int, max_deadline_s: float) -> None:
        """Begin with none running."""
        self.limit = limit
        self.max_deadline_s = max_deadline_s
        self.running = 0


class RpcInterceptor(_Interceptor):
    """Wraps every handler of a server.

    Streams of answers are counted apart: however many of them stand idle, calls are served.
    """

    def __init__(
        self,
        *,
        calls: Slots,
        streams: Slots,
        service_token: str = "",
        accept_new: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take the limits of calls and of streams, and the token that callers must show.

        `accept_new` answers False once the server drains: new RPCs are UNAVAILABLE then.
        """
        self._calls = calls
        self._streams = streams
        self.token = service_token.encode()
        self.accept_new = accept_new
        #: RPCs that were turned away because the server drains.
        self.turned_away = 0
        self._handlers: dict[str, _Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """Answer the method's handler with all of it around it, which is made once a method."""
        method = handler_call_details.method
        wrapped = self._handlers.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            # What is not served is not kept: anybody may ask for any name.
            if handler is None or method.startswith(_QUIET):
                return handler
            wrapped = (
                self._streaming(handler, method)
                if handler.response_streaming
                else self._unary(handler, method)
            )
            self._handlers[method] = wrapped
        return wrapped

    def _unary(self, handler: _Handler, method: str) -> _Handler:
        # grpc-stubs types the handlers of sync servers; here they are coroutines.
        call: Any = handler.stream_unary if handler.request_streaming else handler.unary_unary
        decode = _decoder(handler)

        async def wrapped(request: Any, context: _Context) -> Any:
            async with _Rpc(self, self._calls, method, context) as rpc:
                # Uploads are bounded by their own size and idle limits, not by a fixed time.
                if handler.request_streaming or not rpc.needs_timer():
                    return await call(decode(request), context)
                async with asyncio.timeout(self._calls.max_deadline_s):
                    return await call(decode(request), context)

        make = (
            grpc.stream_unary_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        return make(wrapped, None, handler.response_serializer)

    def _streaming(self, handler: _Handler, method: str) -> _Handler:
        call: Any = handler.stream_stream if handler.request_streaming else handler.unary_stream
        decode = _decoder(handler)

        async def wrapped(request: Any, context: _Context) -> AsyncIterator[Any]:
            async with (
                _Rpc(self, self._streams, method, context) as rpc,
                asyncio.timeout(rpc.time_left_s()),
            ):
                async for response in call(decode(request), context):
                    yield response

        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_stream_rpc_method_handler
        )
        return make(wrapped, None, handler.response_serializer)


def _decoder(handler: _Handler) -> Callable[[Any], Any]:
    """Answer what turns the bytes of a request, or of a stream of them, into messages.

    gRPC would decode before the handler runs: ahead of authentication, and with the exception's
    text in the answer. Raises `InvalidField` for bytes that are no message.
    """

    def one(raw: bytes) -> Any:
        try:
            return handler.request_deserializer(raw) if handler.request_deserializer else raw
        except DecodeError:
            raise InvalidField("request", "is not a message of this RPC") from None

    async def each(stream: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for raw in stream:
            yield one(raw)

    return each if handler.request_streaming else one


class _Rpc:
    """One running RPC: what happens before, after, and when it fails."""

    def __init__(self, server: RpcInterceptor, slots: Slots, method: str, context: _Context) -> None:
        self._server = server
        self._slots = slots
        self._context = context
        self._path = method
        self._start_s = time.perf_counter()

    def needs_timer(self) -> bool:
        """Whether the server's maximum comes before the caller's deadline, at which gRPC itself cancels."""
        left_s = self._context.time_remaining()
        return left_s is None or left_s > self._slots.max_deadline_s

    def time_left_s(self) -> float:
        """Seconds until the caller's deadline, or the server's maximum where none came."""
        left_s = self._context.time_remaining()
        maximum_s = self._slots.max_deadline_s
        return maximum_s if left_s is None else min(left_s, maximum_s)

    async def __aenter__(self) -> "_Rpc":
        metadata = dict(self._context.invocation_metadata() or ())
        given = metadata.get(REQUEST_ID_HEADER)
        request_id.set(accept_request_id(given if isinstance(given, str) else None))
        self._context.set_trailing_metadata(((REQUEST_ID_HEADER, request_id.get()),))
        self._slots.running += 1
        try:
            self._admit(metadata.get("authorization"))
        except ServiceError as error:
            self._slots.running -= 1
            await self._abort(error)
        return self

    def _admit(self, authorization: str | bytes | None) -> None:
        server = self._server
        if not server.accept_new():
            server.turned_away += 1
            raise Unavailable("the server is going down; try again")
        if self._slots.running > self._slots.limit:
            raise RateLimited(f"{self._slots.limit} RPCs at once")
        shown = authorization.encode() if isinstance(authorization, str) else authorization or b""
        if server.token and not hmac.compare_digest(shown, b"Bearer " + server.token):
            raise Unauthenticated("metadata authorization must be 'Bearer <service token>'")

    async def __aexit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        self._slots.running -= 1
        if error is None:
            self._log("info", "OK")
        elif isinstance(error, grpc.aio.AbortError):
            self._log("info", "ABORTED_BY_HANDLER")
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            left_s = self._context.time_remaining()
            self._log("info", "CANCELLED" if left_s is None or left_s > 0 else "DEADLINE_EXCEEDED")
        elif isinstance(error, ServiceError):
            await self._abort(error)
        elif isinstance(error, TimeoutError):
            await self._abort(DeadlineExceeded())
        else:
            log.error("rpc_crashed", method=self._path, exc_info=error)
            await self._abort(Internal())

    async def _abort(self, error: ServiceError) -> None:
        level = "error" if error.code == grpc.StatusCode.INTERNAL else "info"
        self._log(level, error.reason)
        # abort_with_status would replace the trailing metadata; the request id must go with the details.
        status = to_status(error)
        trailing = ((REQUEST_ID_HEADER, request_id.get()), *status.trailing_metadata)
        await self._context.abort(status.code, status.details, trailing)

    def _log(self, level: str, outcome: str) -> None:
        service, _, method = self._path.strip("/").partition("/")
        getattr(log, level)(
            "rpc",
            grpc_service=service,
            method=method,
            outcome=outcome,
            duration_ms=round((time.perf_counter() - self._start_s) * 1000, 3),
        )
