"""An uploaded chat export, streamed from the request straight into chat_service.

Backpressure goes all the way: the next piece of the body is read only after the last one was
taken by the service's flow control, so memory does not grow with the file.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Request

from gateway.auth import CurrentUser
from gateway.client_stream import send_all
from gateway.errors import FieldRefused
from gateway.multipart import Upload
from gateway.services import Services
from gateway.slots import UserSlots
from gateway.views import enum_value
from protos.chat.v1 import chat_pb2

#: The parts of the form besides the file; all optional, all before it.
FIELDS = frozenset({"display_name", "format", "date_order", "time_zone", "export_chat"})

#: The service takes chunks of at most 1 MiB; a server might hand over more at once.
_MAX_CHUNK_BYTES = 1 << 20


async def _slot(request: Request, user_id: CurrentUser) -> AsyncIterator[None]:
    slots: UserSlots = request.app.state.uploads
    with slots.slot(user_id):
        yield


#: Counts the request as an upload until it is answered; 429 and 503 when there are too many.
UploadSlot = Annotated[None, Depends(_slot)]


async def import_chat(
    services: Services, user_id: str, request_id: str, upload: Upload, timeout_s: float
) -> chat_pb2.Chat:
    """Stream the upload into chat_service and answer the chat that was made.

    A body that is broken, too large, too slow or cut off cancels the import before it is finished,
    and chat_service keeps nothing of it. Raises `Refused` and `ServiceError`.
    """
    await upload.read_fields()
    header = _header(user_id, request_id, upload)
    requests = _requests(header, upload)
    stub: Any = services.chats.ImportChat

    async def send(parts: AsyncIterator[chat_pb2.ImportChatRequest], **arguments: Any) -> Any:
        return await send_all(stub(**arguments), parts, spoil=chat_pb2.ImportChatRequest())

    async with contextlib.aclosing(requests):
        response: chat_pb2.ImportChatResponse = await services.caller.call(
            send, requests, timeout_s=timeout_s
        )
    return response.chat


async def _requests(
    header: chat_pb2.ImportChatHeader, upload: Upload
) -> AsyncGenerator[chat_pb2.ImportChatRequest]:
    yield chat_pb2.ImportChatRequest(header=header)
    async for data in upload.chunks():
        for start in range(0, len(data), _MAX_CHUNK_BYTES):
            yield chat_pb2.ImportChatRequest(chunk=data[start : start + _MAX_CHUNK_BYTES])


def _header(user_id: str, request_id: str, upload: Upload) -> chat_pb2.ImportChatHeader:
    fields = upload.fields
    return chat_pb2.ImportChatHeader(
        user_id=user_id,
        file_name=upload.file_name,
        display_name=fields.get("display_name", ""),
        format=_enum(chat_pb2.ChatFormat, "CHAT_FORMAT_", "format", fields),
        date_order=_enum(chat_pb2.DateOrder, "DATE_ORDER_", "date_order", fields),
        time_zone=fields.get("time_zone", ""),
        request_id=request_id,
        export_chat=fields.get("export_chat", ""),
    )


def _enum(enum: Any, prefix: str, field: str, fields: dict[str, str]) -> Any:
    """Answer the enum value that a field names without its prefix; empty or absent is unspecified."""
    given = fields.get(field, "")
    try:
        return enum_value(enum, prefix, given)
    except ValueError as error:
        raise FieldRefused(field, str(error)) from None
