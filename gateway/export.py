"""Everything that is a user's, as JSON lines: what both services have, piece by piece as it comes.

A line is {"type": …, "data": …}. The last one has the type "end" and the number of lines of each type; where
something failed it has the type "error" instead, with the error that a request would have been answered with.
So whoever reads can tell a whole export from one that broke off.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Annotated, Any

from fastapi import Depends, Request
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message as Proto

from gateway import views
from gateway.auth import CurrentUser
from gateway.errors import service_error_fields
from gateway.services import Services
from gateway.slots import UserSlots
from protos.chat.v1 import chat_pb2
from protos.credit.v1 import credit_pb2
from protos.insight.v1 import insight_pb2
from servicekit.errors import ServiceError
from servicekit.lines import json_line
from servicekit.logs import get_logger

log = get_logger(__name__)

MEDIA_TYPE = "application/x-ndjson"
_PAGE_SIZE = 1_000
#: A user who was never granted a coin has no account to export.
_NO_ACCOUNT = "ACCOUNT_NOT_FOUND"


async def _slot(request: Request, user_id: CurrentUser) -> AsyncIterator[None]:
    slots: UserSlots = request.app.state.exports
    with slots.slot(user_id):
        yield


#: Counts the request as an export until all of it was sent; 429 and 503 when there are too many.
ExportSlot = Annotated[None, Depends(_slot)]

#: The type of a line, and its data.
Line = tuple[str, Mapping[str, Any]]


def _conversation_lines(answer: chat_pb2.GetConversationResponse) -> Iterator[Line]:
    """Yield the answered questions of a conversation; what was found is among the chat's messages."""
    conversation = answer.conversation
    for turn in answer.turns:
        yield (
            "question",
            {
                "chat_id": conversation.chat_id,
                "conversation_id": conversation.conversation_id,
                "conversation_title": conversation.title,
                "question": turn.question,
                "answer": turn.answer or None,
                "create_time": turn.create_time.ToJsonString(),
            },
        )


def _of_chat(kind: str, view: Callable[[Any], Any]) -> Callable[[Any], Line]:
    return lambda message: (kind, view(message).model_dump())


#: Messages of other domains in the stream, by their full name.
_OTHERS: Mapping[str, tuple[type[Proto], Callable[[Any], Line]]] = {
    insight_pb2.Job.DESCRIPTOR.full_name: (insight_pb2.Job, _of_chat("job", views.job)),
    insight_pb2.Insight.DESCRIPTOR.full_name: (
        insight_pb2.Insight,
        lambda insight: ("insight", {"chat_id": insight.chat_id, **views.insight(insight).model_dump()}),
    ),
}


async def begin(services: Services, user_id: str, timeout_s: float) -> AsyncIterator[bytes]:
    """Answer the lines, encoded and in pieces of bounded size; raises the `ServiceError` of the first record.

    So a user who is not there is an answer of its own, and not a line in a good one.
    """
    request = chat_pb2.ExportUserRequest(user_id=user_id)
    records = services.caller.stream(services.users.ExportUser, request, timeout_s=timeout_s)
    first = await anext(records)
    return _encoded(_lines(services, user_id, first, records))


async def _encoded(pieces: AsyncIterator[Iterator[Line]]) -> AsyncIterator[bytes]:
    counts: Counter[str] = Counter()
    try:
        async for piece in pieces:
            lines = list(piece)
            counts.update(kind for kind, _ in lines)
            yield b"".join(_line(kind, data) for kind, data in lines)
    except ServiceError as error:
        log.warning("export_broken_off", reason=error.reason)
        yield _line("error", service_error_fields(error))
    else:
        yield _line("end", {"lines": dict(counts)})


def _line(kind: str, data: Mapping[str, Any]) -> bytes:
    return json_line({"type": kind, "data": data}).encode() + b"\n"


async def _lines(
    services: Services,
    user_id: str,
    first: chat_pb2.ExportUserResponse,
    records: AsyncIterator[chat_pb2.ExportUserResponse],
) -> AsyncIterator[Iterator[Line]]:
    yield _record_lines(first)
    async for record in records:
        yield _record_lines(record)
    async for piece in _coins(services, user_id):
        yield piece


def _record_lines(record: chat_pb2.ExportUserResponse) -> Iterator[Line]:
    """Yield the lines of one record; none for a kind that this build does not know."""
    kind = record.WhichOneof("record")
    if kind == "user":
        stored = chat_pb2.StoreUserResponse(user=record.user)
        yield "user", views.user(stored).model_dump(exclude={"created"})
    elif kind == "chat":
        yield "chat", views.chat(record.chat).model_dump()
    elif kind == "messages":
        chat_id = record.messages.chat_id
        for message in record.messages.messages:
            yield "message", {"chat_id": chat_id, **views.message(message).model_dump()}
    elif kind == "other":
        yield from _other_lines(record.other)


def _other_lines(packed: Packed) -> Iterator[Line]:
    if packed.Is(chat_pb2.GetConversationResponse.DESCRIPTOR):
        yield from _conversation_lines(chat_pb2.GetConversationResponse.FromString(packed.value))
        return
    known = _OTHERS.get(packed.TypeName())
    if known is not None:
        kind, view = known
        yield view(kind.FromString(packed.value))


async def _coins(services: Services, user_id: str) -> AsyncIterator[Iterator[Line]]:
    """Yield the account and its transactions, newest first."""
    caller, credits = services.caller, services.credits
    try:
        found = await caller.call(credits.GetAccount, credit_pb2.GetAccountRequest(user_id=user_id))
    except ServiceError as error:
        if error.reason == _NO_ACCOUNT:
            return
        raise
    yield iter([("account", views.account(found.account).model_dump())])
    token = ""
    while True:
        request = credit_pb2.ListTransactionsRequest(user_id=user_id, page_size=_PAGE_SIZE, page_token=token)
        page = await caller.call(credits.ListTransactions, request)
        yield (("transaction", views.transaction(row).model_dump()) for row in page.transactions)
        token = page.next_page_token
        if not token:
            return
