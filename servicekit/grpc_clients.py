"""gRPC channels and calls: a timeout always, the request id along, typed errors back."""

import json
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import grpc
import grpc.aio

from servicekit.context import REQUEST_ID_HEADER, new_request_id, request_id
from servicekit.errors import ServiceError, from_rpc_error
from servicekit.settings import KitSettings
from servicekit.tls import channel_credentials

_Response = TypeVar("_Response")
Known = Mapping[str, type[ServiceError]]

#: Every RPC here is safe to repeat: it reads, carries a request_id, or is its own key. UNAVAILABLE is
#: retried inside the call's deadline, at most 4 times; nothing else is.
_SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
        "loadBalancingConfig": [{"round_robin": {}}],
    }
)


def _options(settings: KitSettings) -> list[tuple[str, Any]]:
    size = settings.rpc_max_message_bytes
    return [
        ("grpc.service_config", _SERVICE_CONFIG),
        ("grpc.max_receive_message_length", size),
        ("grpc.max_send_message_length", size),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # A server that comes back is found again within a second or two, not after minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
    ]


def aio_channel(target: str, settings: KitSettings) -> grpc.aio.Channel:
    """Answer a channel for the running event loop; make it there, not at import."""
    credentials = channel_credentials(settings)
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=_options(settings))
    return grpc.aio.secure_channel(target, credentials, options=_options(settings))


def sync_channel(target: str, settings: KitSettings) -> grpc.Channel:
    """Answer a channel for threads; make it after the last fork, one a process."""
    credentials = channel_credentials(settings)
    if credentials is None:
        return grpc.insecure_channel(target, options=_options(settings))
    return grpc.secure_channel(target, credentials, options=_options(settings))


def _metadata(token: str) -> tuple[tuple[str, str], ...]:
    ids = ((REQUEST_ID_HEADER, request_id.get() or new_request_id()),)
    return (*ids, ("authorization", f"Bearer {token}")) if token else ids


class Caller:
    """Makes calls with one process's timeout, service token, and the errors that it knows by type."""

    def __init__(self, settings: KitSettings, known: Known | None = None) -> None:
        """Take the defaults of every call; `known` maps reasons to the room's error classes."""
        self._timeout_s = settings.rpc_timeout_s
        self._token = settings.service_token
        self._known = known

    async def call(
        self,
        method: Callable[..., Awaitable[_Response]],
        request: Any,
        *,
        timeout_s: float | None = None,
        wait_for_ready: bool = False,
    ) -> _Response:
        """Call a unary or client-streaming method of an aio stub; raises `ServiceError`."""
        try:
            return await method(request, **self._arguments(timeout_s, wait_for_ready))
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._known) from None

    async def stream(
        self,
        method: Callable[..., AsyncIterable[_Response]],
        request: Any,
        *,
        timeout_s: float | None = None,
        begun: Callable[[Mapping[str, str]], Awaitable[None]] | None = None,
    ) -> AsyncGenerator[_Response]:
        """Iterate the answers of a server-streaming method of an aio stub; raises `ServiceError`.

        `begun` is called with the initial metadata, where the server has sent any, before the first answer
        is awaited.
        """
        responses: Any = method(request, **self._arguments(timeout_s, wait_for_ready=False))
        try:
            # A call that failed has none, and its first answer raises.
            if begun is not None and (metadata := await responses.initial_metadata()):
                await begun(dict(metadata))
            async for response in responses:
                yield response
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._known) from None
        finally:
            responses.cancel()

    def call_sync(
        self,
        method: Callable[..., _Response],
        request: Any,
        *,
        timeout_s: float | None = None,
        wait_for_ready: bool = False,
    ) -> _Response:
        """Call a unary method of a sync stub; raises `ServiceError`."""
        try:
            return method(request, **self._arguments(timeout_s, wait_for_ready))
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._known) from None

    def stream_sync(
        self, method: Callable[..., Iterable[_Response]], request: Any, *, timeout_s: float | None = None
    ) -> Iterator[_Response]:
        """Iterate the answers of a server-streaming method of a sync stub; raises `ServiceError`."""
        responses: Any = method(request, **self._arguments(timeout_s, wait_for_ready=False))
        try:
            yield from responses
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._known) from None
        finally:
            responses.cancel()

    def _arguments(self, timeout_s: float | None, wait_for_ready: bool) -> dict[str, Any]:
        return {
            "timeout": self._timeout_s if timeout_s is None else timeout_s,
            "metadata": _metadata(self._token),
            "wait_for_ready": wait_for_ready or None,
        }
