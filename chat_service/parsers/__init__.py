"""Reads chat exports: pure functions of a file, which know no database and no service.

    export = open_export(file, ParseOptions())
    for message in export: ...
    export.report.skipped_line_count

A further format is a further module with a ChatParser and a line in `PARSERS`.
"""

from collections.abc import Mapping
from typing import BinaryIO

from chat_service.parsers.containers import refuse_container
from chat_service.parsers.errors import EncryptedExport, OversizedExport, UnreadableExport
from chat_service.parsers.model import (
    ChatFormat,
    ChatParser,
    DateEvidence,
    DateOrder,
    ExportReport,
    MessageKind,
    ParsedExport,
    ParsedMessage,
    ParseOptions,
)
from chat_service.parsers.whatsapp_text import EXPECTED, WhatsAppTextParser

__all__ = [
    "HEAD_BYTES",
    "PARSERS",
    "ChatFormat",
    "ChatParser",
    "DateEvidence",
    "DateOrder",
    "EncryptedExport",
    "ExportReport",
    "MessageKind",
    "OversizedExport",
    "ParseOptions",
    "ParsedExport",
    "ParsedMessage",
    "UnreadableExport",
    "detect",
    "open_export",
]

# So much of a file tells its format.
HEAD_BYTES = 64 * 1024

PARSERS: Mapping[ChatFormat, ChatParser] = {
    ChatFormat.WHATSAPP_TEXT: WhatsAppTextParser(),
}


def detect(head: bytes, file_name: str = "") -> ChatFormat:
    """The format of a file that begins with these bytes.

    Raises UnreadableExport where no parser recognises it, and says what the file seems to be;
    EncryptedExport where it is encrypted.
    """
    refuse_container(head, file_name)
    for chat_format, parser in PARSERS.items():
        if parser.recognises(head):
            return chat_format
    raise UnreadableExport(f"the format is not known; {EXPECTED}", line=1)


def open_export(
    file: BinaryIO, options: ParseOptions, chat_format: ChatFormat | None = None, file_name: str = ""
) -> ParsedExport:
    """Looks over a seekable file, so that its messages can be read.

    The format is found out where it is not given. Raises UnreadableExport, as reading does.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    refuse_container(head, file_name)
    # A parser names the line that it stumbles over, which is why the only one is asked directly.
    if chat_format is None and len(PARSERS) == 1:
        chat_format = next(iter(PARSERS))
    return PARSERS[chat_format or detect(head, file_name)].open(file, options)
