"""The formats that are read, and how a file is told to be of one of them."""

from collections.abc import Mapping
from typing import BinaryIO

from chat_service.parsers.discord_json import DiscordParser
from chat_service.parsers.meta_json import MetaParser
from chat_service.parsers.model import ChatFormat, ChatParser
from chat_service.parsers.signal_text import SignalParser
from chat_service.parsers.telegram_json import TelegramParser
from chat_service.parsers.whatsapp_text import WhatsAppTextParser

# So much of a file tells its format.
HEAD_BYTES = 64 * 1024

# In the order in which they are asked: signal-export writes what a phone might also have written.
PARSERS: Mapping[ChatFormat, ChatParser] = {
    ChatFormat.SIGNAL_TEXT: SignalParser(),
    ChatFormat.WHATSAPP_TEXT: WhatsAppTextParser(),
    ChatFormat.DISCORD_JSON: DiscordParser(),
    ChatFormat.INSTAGRAM_JSON: MetaParser(ChatFormat.INSTAGRAM_JSON),
    ChatFormat.MESSENGER_JSON: MetaParser(ChatFormat.MESSENGER_JSON),
    ChatFormat.TELEGRAM_JSON: TelegramParser(),
}
META_FORMATS = frozenset({ChatFormat.INSTAGRAM_JSON, ChatFormat.MESSENGER_JSON})


def head_of(file: BinaryIO) -> bytes:
    """The beginning of a file, and its position at the start again: a raw file may give a byte at a time."""
    file.seek(0)
    head = b""
    while len(head) < HEAD_BYTES and (piece := file.read(HEAD_BYTES - len(head))):
        head += piece
    file.seek(0)
    return head


def recognised(head: bytes, path: str) -> ChatFormat | None:
    """The format of a file that begins with these bytes; None where it is no known one.

    The path decides only between Messenger and Instagram, whose files need not differ in anything
    else: Meta's downloads and the folders in them are named after the service.
    """
    for chat_format, parser in PARSERS.items():
        if parser.recognises(head):
            if chat_format is ChatFormat.MESSENGER_JSON and "instagram" in path.lower():
                return ChatFormat.INSTAGRAM_JSON
            return chat_format
    return None
