"""Reads chat exports: pure functions of a file, which know no database and no service.

    export = open_export(file, ParseOptions())
    for message in export: ...
    export.report.skipped_line_count

A further format is a further module with a ChatParser and a line in `formats.PARSERS`.
"""

import re
from typing import BinaryIO

from chat_service.parsers.archive import MAGIC as ARCHIVE_MAGIC
from chat_service.parsers.archive_chats import open_archive
from chat_service.parsers.containers import refuse_container
from chat_service.parsers.errors import (
    ChatChoice,
    EncryptedExport,
    OversizedExport,
    SeveralChats,
    UnreadableExport,
)
from chat_service.parsers.formats import HEAD_BYTES, PARSERS, head_of, recognised
from chat_service.parsers.json_events import json_events
from chat_service.parsers.model import (
    ChatFormat,
    ChatParser,
    DateEvidence,
    DateOrder,
    ExportReport,
    MessageBatch,
    MessageKind,
    ParsedExport,
    ParsedMessage,
    ParseOptions,
)
from chat_service.parsers.scratch import Scratch, ScratchFailed
from chat_service.parsers.whatsapp_text import EXPECTED

__all__ = [
    "HEAD_BYTES",
    "PARSERS",
    "ChatChoice",
    "ChatFormat",
    "ChatParser",
    "DateEvidence",
    "DateOrder",
    "EncryptedExport",
    "ExportReport",
    "MessageBatch",
    "MessageKind",
    "OversizedExport",
    "ParseOptions",
    "ParsedExport",
    "ParsedMessage",
    "Scratch",
    "ScratchFailed",
    "SeveralChats",
    "UnreadableExport",
    "detect",
    "open_export",
]

# What iOS writes also begins with a bracket, but never with another one behind it.
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{|\[\s*[\[{\]])")
_OTHERS = "or the JSON export of Telegram, Messenger, Instagram or Discord, as it is or in a ZIP archive"


def detect(head: bytes, file_name: str = "") -> ChatFormat:
    """The format of a file, other than an archive, that begins with these bytes.

    Raises UnreadableExport where no parser recognises it, and says what the file seems to be;
    EncryptedExport where it is encrypted.
    """
    refuse_container(head, file_name)
    found = recognised(head, file_name)
    if found is None:
        raise UnreadableExport(f"the format is not known; {EXPECTED}; {_OTHERS}", line=1)
    return found


def open_export(
    file: BinaryIO, options: ParseOptions, chat_format: ChatFormat | None = None, file_name: str = ""
) -> ParsedExport:
    """Looks over a seekable file, so that its messages can be read.

    The format is found out where it is not given. Raises UnreadableExport, as reading does;
    SeveralChats where the file holds several and none of them was chosen. Reading also raises
    ScratchFailed where the disk does not take what does not fit into memory.
    """
    head = head_of(file)
    if head.startswith(ARCHIVE_MAGIC):
        return open_archive(file, options, chat_format, file_name)
    refuse_container(head, file_name)
    chat_format = chat_format or recognised(head, file_name)
    if chat_format is not None:
        return PARSERS[chat_format].open(file, options)
    try:
        return PARSERS[_likeliest(file, head)].open(file, options)
    except UnreadableExport as error:
        if type(error) is UnreadableExport and EXPECTED in error.problem:
            raise UnreadableExport(f"{error.problem}; {_OTHERS}", line=error.line) from None
        raise


def _likeliest(file: BinaryIO, head: bytes) -> ChatFormat:
    """What a file that no parser recognises is tried as, so that its parser says what is wrong with it.

    Raises UnreadableExport for JSON, which could be anything, and with the line where it is damaged.
    """
    if _JSON.match(head):
        for _ in json_events(file):
            pass
        detect(head)
    return ChatFormat.WHATSAPP_TEXT
