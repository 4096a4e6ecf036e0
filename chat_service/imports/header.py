"""What a client says about the file that it uploads."""

import uuid
import zoneinfo
from dataclasses import dataclass
from functools import cache

from chat_service.parsers import ChatFormat, DateOrder
from protos.chat.v1 import chat_pb2
from servicekit.errors import InvalidField
from servicekit.validation import enum_field, text_field, user_id_field, uuid_field

_FORMATS = {value.number: value.name for value in chat_pb2.ChatFormat.DESCRIPTOR.values}
_DATE_ORDERS = {value.number: value.name for value in chat_pb2.DateOrder.DESCRIPTOR.values}


@dataclass(frozen=True)
class ImportHeader:
    """A checked header."""

    user_id: str
    request_id: uuid.UUID
    file_name: str
    #: Empty: to be made from what the file calls the chat, or from its name.
    display_name: str
    #: None: to be found out.
    format: ChatFormat | None
    date_order: DateOrder
    time_zone: str
    #: The one of several chats in the file; empty: it holds one.
    export_chat: str
    #: The fields that make a repeated request the same one, as the client sent them.
    as_sent: dict[str, str | int]


def checked_header(header: chat_pb2.ImportChatHeader) -> ImportHeader:
    """Answer the header; raises `InvalidField`."""
    file_name = _file_name(header.file_name)
    display_name = text_field("display_name", header.display_name, max_chars=256)
    chat_format = enum_field("format", header.format, _FORMATS)
    date_order = enum_field("date_order", header.date_order, _DATE_ORDERS)
    time_zone = _time_zone(header.time_zone)
    export_chat = text_field("export_chat", header.export_chat, max_chars=1_024)
    return ImportHeader(
        user_id=user_id_field(header.user_id),
        request_id=uuid_field("request_id", header.request_id),
        file_name=file_name,
        display_name=display_name,
        format=ChatFormat(chat_format) if chat_format else None,
        date_order=DateOrder(date_order),
        time_zone=time_zone,
        export_chat=export_chat,
        as_sent={
            "file_name": file_name,
            "display_name": display_name,
            "format": chat_format,
            "date_order": date_order,
            "time_zone": time_zone,
            "export_chat": export_chat,
        },
    )


def _file_name(value: str) -> str:
    text_field("file_name", value, min_chars=1, max_chars=255)
    if "/" in value or "\\" in value:
        raise InvalidField("file_name", f"must not name folders, got {value!r}")
    return value


def _time_zone(value: str) -> str:
    if value and value not in _zones():
        raise InvalidField("time_zone", f"must be an IANA zone such as Europe/Berlin, got {value[:64]!r}")
    return value


@cache
def _zones() -> frozenset[str]:
    """All zones of this machine; reading the directory takes a moment, so once."""
    return frozenset(zoneinfo.available_timezones())
