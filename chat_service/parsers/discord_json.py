"""Reads a channel as DiscordChatExporter writes it in JSON."""

from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from chat_service.parsers.clock import Clock
from chat_service.parsers.entries import (
    Entry,
    NotUnderstood,
    People,
    joined_names,
    object_of,
    objects_of,
    text_of,
)
from chat_service.parsers.json_events import json_events
from chat_service.parsers.json_export import JsonExport, PlacedEntry
from chat_service.parsers.json_records import head_keys, records
from chat_service.parsers.media_kinds import kind_of_file_name
from chat_service.parsers.model import (
    ChatFormat,
    DateEvidence,
    DateOrder,
    ExportReport,
    MessageKind,
    ParsedMessage,
    ParseOptions,
)

EXPECTED = "expected a channel in JSON as DiscordChatExporter writes it"

# Types of what people write: messages, answers, and the commands of apps (which have only a number).
_WRITTEN = frozenset({"Default", "Reply", "20", "23", "ChatInputCommand", "ContextMenuCommand"})
_CALLS = frozenset({"Call"})


class DiscordParser:
    """Reads DiscordChatExporter's JSON."""

    format = ChatFormat.DISCORD_JSON

    def recognises(self, head: bytes) -> bool:
        """Whether the first keys are those of a channel, or the first entries Discord's."""
        return {"guild", "channel"} <= head_keys(head, "") or (
            {"timestamp", "content", "author"} <= head_keys(head, "messages.item")
        )

    def open(self, file: BinaryIO, options: ParseOptions) -> JsonExport:
        """Opens a channel; what is wrong with it reading tells."""
        report = ExportReport(self.format, DateOrder.UNSPECIFIED, DateEvidence.FORMAT)
        return JsonExport(report, options, DiscordReader, [partial(_entries, file)], expected=EXPECTED)


def _entries(file: BinaryIO, report: ExportReport) -> Iterator[PlacedEntry]:
    number = 0
    guild = ""
    for path, value in records(json_events(file), {"guild", "channel", "messages.item"}):
        if path == "messages.item":
            number += 1
            yield PlacedEntry(number, value)
        elif path == "guild":
            guild = text_of(_map(value), "name")
        elif path == "channel":
            channel = text_of(_map(value), "name")
            # Chats of two and of groups lie in a server of that name.
            own = guild in ("", "Direct Messages")
            report.chat_name = (channel if own else f"{guild} – {channel}")[:256]


def _map(value: object) -> Entry:
    return value if isinstance(value, dict) else {}


class DiscordReader:
    """Reads entries of `messages`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._people = People()

    def read(self, entry: Entry) -> ParsedMessage:
        """The message that an entry is. Raises NotUnderstood."""
        author = self._author(object_of(entry, "author"))
        written = entry.get("timestamp")
        if not isinstance(written, str):
            raise NotUnderstood('a "timestamp"')
        moment = self._clock.of_offset(written)
        kind, content = text_of(entry, "type") or "Default", text_of(entry, "content")
        if kind in _CALLS:
            return ParsedMessage(author, moment, content, MessageKind.CALL)
        if kind not in _WRITTEN:
            return ParsedMessage(None, moment, f"{author}: {content or kind}", MessageKind.SYSTEM)
        said = _said(entry)
        what, attachment = _attachment(said)
        body = text_of(said, "content") or _embedded(said)
        if what is MessageKind.TEXT and not body:
            what = MessageKind.OTHER
        edited = entry.get("timestampEdited") is not None
        return ParsedMessage(author, moment, body, what, edited, attachment)

    def _author(self, author: Entry) -> str:
        name = text_of(author, "nickname") or text_of(author, "name")
        return self._people.name_of(text_of(author, "id"), name)


def _said(entry: Entry) -> Entry:
    """What holds the words and files of a message: it itself, or what it passes on without a word."""
    own = text_of(entry, "content") or entry.get("attachments") or entry.get("stickers")
    return entry if own else object_of(entry, "forwardedMessage") or entry


def _attachment(entry: Entry) -> tuple[MessageKind, str]:
    """The kind of a message by what is attached to it, and the names of the files."""
    attached = [
        text_of(item, "fileName") or text_of(item, "url") for item in objects_of(entry, "attachments")
    ]
    if attached:
        return kind_of_file_name(attached[0]), joined_names(attached)
    stickers = [text_of(item, "name") for item in objects_of(entry, "stickers")]
    if stickers:
        return MessageKind.STICKER, joined_names(stickers)
    return MessageKind.TEXT, ""


def _embedded(entry: Entry) -> str:
    """The words of the boxes of a message that has no others, as bots write them."""
    parts = [
        text_of(box, key) for box in objects_of(entry, "embeds") for key in ("title", "description", "url")
    ]
    return "\n".join(part for part in parts if part)
