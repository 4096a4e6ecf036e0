"""Sending a stream of requests whose source may fail, and getting the server's own answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import grpc
import grpc.aio

#: How long a server may take to refuse a stream that was spoiled.
_SPOIL_TIMEOUT_S = 5.0
#: What writing to a call raises that is over, gRPC's own error among it; the status of the call says why.
_OVER = (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError)


async def send_all(call: Any, parts: AsyncIterator[Any], *, spoil: Any) -> Any:
    """Write the parts to a client-streaming call and answer its response.

    The parts are written here and not given to the stub, which would hide what reading them raised.
    When that happens the server is sent `spoil`, a request that it must refuse, and what was raised
    is raised again: a server that is only cancelled may first see an orderly end of the stream, and
    take a half for the whole. Raises the `AioRpcError` of the server's status.
    """
    statuses = _Statuses(call)
    try:
        # A server that answers early closes the stream under a write; its answer says why.
        with contextlib.suppress(*_OVER):
            await _write_all(call, parts, spoil)
        return await call
    except grpc.aio.AioRpcError as error:
        raise statuses.of_the_server() or error from None
    finally:
        call.cancel()


async def _write_all(call: Any, parts: AsyncIterator[Any], spoil: Any) -> None:
    while True:
        try:
            part = await anext(parts, None)
        except Exception:
            # Whatever the source raises, the server must not keep what came before it.
            await _spoil(call, spoil)
            raise
        if part is None:
            break
        await call.write(part)
    await call.done_writing()


async def _spoil(call: Any, request: Any) -> None:
    with contextlib.suppress(*_OVER, TimeoutError):
        async with asyncio.timeout(_SPOIL_TIMEOUT_S):
            await call.write(request)
            await call.done_writing()
            await call


class _Statuses:
    """Every status that a call was given, in order.

    grpc.aio sets INTERNAL when a write fails, also when it fails because the server has answered,
    and then that answer is lost: the last status wins. So each one is kept as it comes.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self._seen: list[grpc.aio.AioRpcError] = []
        call.add_done_callback(self._keep)

    def of_the_server(self) -> grpc.aio.AioRpcError | None:
        """Answer the status that no failed write made, if there is one."""
        return next((status for status in self._seen if status.code() is not grpc.StatusCode.INTERNAL), None)

    def _keep(self, _: Any) -> None:
        call = self._call
        code, details, trailing = _now(call.code()), _now(call.details()), _now(call.trailing_metadata())
        self._seen.append(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details, None))


def _now(answer: Coroutine[Any, Any, Any]) -> Any:
    """Answer what a coroutine returns that has nothing to wait for."""
    try:
        answer.send(None)
    except StopIteration as returned:
        return returned.value
    raise RuntimeError("the call has no status yet")
