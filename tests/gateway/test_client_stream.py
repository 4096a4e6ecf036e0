"""A stream of requests: its source may fail, and the server may answer before its end.

The server here is none of ours: it writes down what it sees, or refuses when it is told to.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import pytest
import uvloop

from gateway.client_stream import send_all
from servicekit.grpc_clients import aio_channel
from servicekit.settings import KitSettings

_METHOD = "/test.Stream/Send"
_SPOIL = b"spoil"


class Broken(Exception):
    """What the source of the requests raises."""


async def _endless() -> AsyncIterator[bytes]:
    while True:
        # As a body that comes from the network does, let others work in between.
        await asyncio.sleep(0)
        yield b"x" * 60_000


async def _broken() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"
    raise Broken


def talk(
    handle: Callable[..., Any],
    parts: Callable[[], AsyncIterator[bytes]],
    times: int = 1,
    timeout_s: float = 10.0,
) -> list[Any]:
    """Serve a method with `handle`, call it so often, and answer what each call answered or raised."""

    async def work() -> list[Any]:
        server = grpc.aio.server()
        method = grpc.stream_unary_rpc_method_handler(handle)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.Stream", {"Send": method}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with aio_channel(f"127.0.0.1:{port}", KitSettings()) as channel:
            send: Any = channel.stream_unary(_METHOD, None, None)
            calls = [send_all(send(timeout=timeout_s), parts(), spoil=_SPOIL) for _ in range(times)]
            results = [await asyncio.gather(call, return_exceptions=True) for call in calls]
        await server.stop(None)
        return [result for [result] in results]

    return uvloop.run(work())


def test_a_source_that_fails_spoils_what_was_sent() -> None:
    # given a server that writes down what it gets
    seen: list[bytes] = []

    async def handle(requests: AsyncIterator[bytes], context: Any) -> bytes:
        async for request in requests:
            seen.append(request)
            if request == _SPOIL:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "spoiled")
        return b"kept"

    # when the source fails in the middle
    [raised] = talk(handle, _broken)
    # then the server was told, and the caller hears what the source raised
    assert seen == [b"one", b"two", _SPOIL]
    assert isinstance(raised, Broken)


@pytest.mark.parametrize("code", [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INTERNAL])
def test_an_early_refusal_is_never_lost_in_a_failed_write(code: grpc.StatusCode) -> None:
    # given a server that refuses at the first request
    async def handle(requests: AsyncIterator[bytes], context: Any) -> bytes:
        await anext(requests)
        await context.abort(code, "no such user", (("which", "alice"),))
        return b""

    # when a client that sends on and on calls it often
    for raised in talk(handle, _endless, times=100):
        # then each time the refusal arrives
        assert isinstance(raised, grpc.aio.AioRpcError)
        assert raised.code() is code
        if code is not grpc.StatusCode.INTERNAL:
            assert raised.details() == "no such user"
            trailing: Any = raised.trailing_metadata()
            assert trailing["which"] == "alice"


def test_a_deadline_that_passes_while_the_end_is_sent_is_a_deadline() -> None:
    # given a server that is slow
    async def handle(requests: AsyncIterator[bytes], context: Any) -> bytes:
        await asyncio.sleep(10)
        return b""

    async def ending() -> AsyncIterator[bytes]:
        yield b"one"
        # The deadline passes, and nobody in Python has heard of it when the stream's end is sent.
        time.sleep(0.2)  # noqa: ASYNC251  # that the loop stands still is what this is about

    # when the client ends its stream in that moment, then it hears of the deadline
    [raised] = talk(handle, ending, timeout_s=0.1)
    assert isinstance(raised, grpc.aio.AioRpcError)
    assert raised.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_an_early_answer_is_an_answer() -> None:
    async def handle(requests: AsyncIterator[bytes], context: Any) -> bytes:
        await anext(requests)
        return b"known"

    assert talk(handle, _endless, times=50) == [b"known"] * 50
