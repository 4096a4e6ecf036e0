"""Server-sent events: heartbeats while nothing happens, an end when the client or the gateway goes.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.auth import CurrentUser
from gateway.metrics import Metrics
from gateway.slots import UserSlots
from servicekit.lines import one_line

#: What the stream says when it begins: how long a client waits before it comes again.
OPENING = b"retry: 1000\n\n"
_HEARTBEAT = b": still here\n\n"
#: How much longer than the stream itself a client may take to read it.
_GRACE_S = 30.0


def event(name: str, data: str, event_id: str = "") -> bytes:
    """Return one event; `data` is compact JSON, of which no text ends the line. An empty id is left out."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: {one_line(data)}\n\n".encode()


class EventStream(StreamingResponse):
    """An answer that is a stream of events; closes its source whatever ends it."""

    media_type = "text/event-stream"

    def __init__(
        self, source: AsyncGenerator[bytes], *, heartbeat_s: float, max_s: float, draining: asyncio.Event
    ) -> None:
        """Take the events, and when to say that the stream lives and when to end it."""
        self._source = source
        self._max_s = max_s
        # A proxy that collects an answer before it hands it on would hold all of it back.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(_with_heartbeats(source, heartbeat_s, draining), headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. A client that does not read for longer than the stream may last is left."""
        async with aclosing(self._source):
            try:
                async with asyncio.timeout(self._max_s + _GRACE_S):
                    await super().__call__(scope, receive, send)
            except TimeoutError:
                return


async def _with_heartbeats(
    source: AsyncGenerator[bytes], heartbeat_s: float, draining: asyncio.Event
) -> AsyncIterator[bytes]:
    yield OPENING
    stop = asyncio.create_task(_true(draining.wait()))
    coming = asyncio.create_task(anext(source, b""))
    try:
        while not draining.is_set():
            await asyncio.wait((coming, stop), timeout=heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                if not (message := coming.result()):
                    return
                yield message
                coming = asyncio.create_task(anext(source, b""))
            elif not draining.is_set():
                yield _HEARTBEAT
    finally:
        await _cancel(coming, stop)


async def _true(awaited: Coroutine[Any, Any, Any]) -> bytes:
    await awaited
    return b""


async def _cancel(*tasks: asyncio.Task[bytes]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _slot(request: Request, user_id: CurrentUser) -> AsyncIterator[None]:
    state = request.app.state
    slots: UserSlots = state.streams
    metrics: Metrics = state.metrics
    with slots.slot(user_id):
        metrics.stream_began()
        try:
            yield
        finally:
            metrics.stream_ended()


#: Counts the request as a stream until its answer has been sent; 429 and 503 when there are too many.
StreamSlot = Annotated[None, Depends(_slot)]
