"""The answer to a question: whole as JSON, or part by part as server-sent events.

A client that goes away cancels the question, however it asked: its coins go back. What has been answered by
then is kept, and the same Idempotency-Key gets it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import Depends, Request
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from gateway import models, rag_views
from gateway.auth import CurrentUser
from gateway.errors import service_error_fields
from gateway.event_streams import event
from gateway.services import Services
from gateway.slots import UserSlots
from protos.chat.v1 import chat_pb2
from servicekit.errors import Internal, ServiceError
from servicekit.lines import json_line

Parts = AsyncGenerator[chat_pb2.AskChatResponse, None]

#: How often a client that waits for JSON is looked after.
_LOOK_S = 0.5
#: A proxy takes a connection for dead on which nothing moves.
_HEARTBEAT_S = 15.0
_HEARTBEAT = b": still here\n\n"


async def _slot(request: Request, user_id: CurrentUser) -> AsyncIterator[None]:
    slots: UserSlots = request.app.state.questions
    with slots.slot(user_id):
        yield


#: Counts the request as a question until it is answered; 429 and 503 when there are too many. chat_service
#: bounds the questions of all, so that one user with many would leave none for the others.
QuestionSlot = Annotated[None, Depends(_slot)]


def ask(services: Services, request: chat_pb2.AskChatRequest, timeout_s: float) -> Parts:
    """Ask chat_service; raises `ServiceError`. Closing it cancels the question."""

    async def parts() -> Parts:
        stream = services.caller.stream(services.chats.AskChat, request, timeout_s=timeout_s)
        async for part in stream:
            yield part

    return parts()


async def whole(parts: Parts, request: Request) -> models.QueryAnswer:
    """Answer all of it at once; raises `ServiceError`, and `ClientDisconnect` when nobody waits any more."""
    collecting = asyncio.ensure_future(_collect(parts))
    try:
        while not collecting.done():
            await asyncio.wait([collecting], timeout=_LOOK_S)
            if not collecting.done() and await request.is_disconnected():
                raise ClientDisconnect
        return collecting.result()
    finally:
        if not collecting.done():
            collecting.cancel()
            await asyncio.wait([collecting])


async def _collect(parts: Parts) -> models.QueryAnswer:
    found: chat_pb2.Passages | None = None
    tokens: list[str] = []
    async with aclosing(parts):
        async for part in parts:
            kind = part.WhichOneof("part")
            if kind == "passages":
                found = part.passages
            elif kind == "token":
                tokens.append(part.token)
            elif kind == "usage" and found is not None:
                return rag_views.answer(found, tokens, part.usage)
    raise Internal


async def streamed(parts: Parts) -> StreamingResponse:
    """Answer it as events, once there is a first one: what fails before that has a status of its own."""
    first = await anext(parts, None)
    if first is None:
        raise Internal
    return StreamingResponse(
        _events(first, parts),
        media_type="text/event-stream",
        # A proxy that collects an answer before it hands it on would hold all of it back.
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(first: chat_pb2.AskChatResponse, parts: Parts) -> AsyncIterator[bytes]:
    async with aclosing(parts):
        yield _event(first)
        coming = asyncio.ensure_future(anext(parts, None))
        try:
            while True:
                await asyncio.wait([coming], timeout=_HEARTBEAT_S)
                if not coming.done():
                    yield _HEARTBEAT
                    continue
                part = coming.result()
                if part is None:
                    return
                yield _event(part)
                coming = asyncio.ensure_future(anext(parts, None))
        except ServiceError as error:
            # The status is long sent; the error has the same shape as everywhere.
            yield event("error", json_line({"error": service_error_fields(error)}))
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.wait([coming])


def _event(part: chat_pb2.AskChatResponse) -> bytes:
    kind = part.WhichOneof("part")
    if kind == "index":
        return event("index", rag_views.vector_status(part.index).model_dump_json())
    if kind == "passages":
        return event("passages", rag_views.passages(part.passages).model_dump_json())
    if kind == "token":
        return event("token", json_line({"text": part.token}))
    return event("usage", rag_views.usage(part.usage).model_dump_json())
