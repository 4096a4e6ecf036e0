"""Reads chats that signal-export wrote: `[2019-01-01, 11:25] Anna: Hello`, in Markdown.

Signal itself exports no text; signal-export reads the database of Signal Desktop. Older versions of
it write the minutes, newer ones the seconds, and all the local time of the machine.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import BinaryIO, NoReturn

from chat_service.parsers.clock import Clock
from chat_service.parsers.entries import MAX_NAME_CHARS, NotUnderstood, joined_names
from chat_service.parsers.errors import OversizedExport, UnreadableExport
from chat_service.parsers.media_kinds import kind_of_file_name
from chat_service.parsers.model import (
    ChatFormat,
    DateEvidence,
    DateOrder,
    ExportReport,
    MessageBatch,
    MessageKind,
    ParsedMessage,
    ParseOptions,
)
from chat_service.parsers.text_blocks import decode_head, text_blocks

EXPECTED = 'expected lines such as "[2024-12-31, 18:30] Anna: Hello", as signal-export writes them'

_DATE = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?"
# A name may hold a colon, but the first one before a space or the end of the line ends it.
_AUTHOR = r"[^:\n]++(?::(?![ \n])[^:\n]++)*+"
_HEAD = re.compile(rf"\n\[({_DATE},? {_TIME})\] ({_AUTHOR}):(?: |(?=\n|$))")
_PARTS_OF_A_MESSAGE = 3

# Minutes behind a comma are signal-export's; with seconds an iPhone may have written it as well.
_SURELY = re.compile(rf"\n\[{_DATE}, (?:[01][0-9]|2[0-3]):[0-5][0-9]\] {_AUTHOR}:")
_MARKS = re.compile(r"\]\(\./media/|\n\(- .+ -\)|\] (?:Me|No-Sender): |  \n\n?\[")
_WHATSAPP_MARK = "\u200e"

_NOBODY = "No-Sender"
_DELETED = "(This message was deleted)"
_QUOTE = re.compile(r"\n\n>[^\n]*(?:\n>[^\n]*)*\n\n")
_REACTIONS = re.compile(r"\n\(- [^\n]{1,1000} -\)")
_STICKER = re.compile(r"\n\(\( [^\n]{1,100} \)\)$")
_STICKER_FILE = re.compile(r"\[[^\]\n]*\]\(\.\./exported_stickers/[^)\n]*\) {0,2}$")
_ATTACHMENT = re.compile(r"!?\[(?P<name>[^\]\n]*)\]\(\./(?P<path>media/[^)\n]*)\) {0,2}$")
_CALL = re.compile(r"(?:Incoming|Outgoing|Missed) (?:voice |video |group )?call(?: \([^\n]{1,60}\))?")


class SignalParser:
    """Reads signal-export's Markdown."""

    format = ChatFormat.SIGNAL_TEXT

    def recognises(self, head: bytes) -> bool:
        """Whether the first lines are signal-export's and not WhatsApp's, which can look much alike."""
        text = decode_head(head)
        if text is None or _WHATSAPP_MARK in text or not _HEAD.match(text):
            return False
        return bool(_SURELY.match(text)) or bool(_MARKS.search(text))

    def open(self, file: BinaryIO, options: ParseOptions) -> "SignalExport":
        """Opens a file; what is wrong with it reading tells."""
        return SignalExport(file, options)


class SignalExport:
    """A chat that can be read, once or again."""

    def __init__(self, file: BinaryIO, options: ParseOptions) -> None:
        self._file = file
        self._options = options
        self.report = ExportReport(ChatFormat.SIGNAL_TEXT, DateOrder.UNSPECIFIED, DateEvidence.FORMAT)

    def __iter__(self) -> Iterator[ParsedMessage]:
        """Reads message by message; see `batches`."""
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[MessageBatch]:
        """Reads the messages, a block of the file at a time.

        Raises UnreadableExport for text that cannot be decoded, for what exceeds the limits, and
        when there was no message at all.
        """
        self.report = replace(self.report, message_count=0, skipped_line_count=0, skipped_lines=[])
        builder = _Builder(self._options, self.report)
        for block in text_blocks(self._file, self._options.max_line_chars):
            yield MessageBatch.of(builder.complete(block))
        yield MessageBatch.of(builder.last())
        self.report.time_zone = self._options.time_zone
        if not self.report.message_count:
            raise UnreadableExport(f"no message in the file; {EXPECTED}", line=1)


class _Builder:
    """Turns blocks into messages. Where the last message of a block ends, only the next block tells."""

    def __init__(self, options: ParseOptions, report: ExportReport) -> None:
        self._options = options
        self._report = report
        self._clock = Clock(options.time_zone)
        self._open = ""
        self._line = 1

    def complete(self, block: str) -> list[ParsedMessage]:
        """The messages that end in this block."""
        text = self._open + block
        heads = list(_HEAD.finditer(text))
        start = heads[-1].start() if heads else len(text)
        self._open = text[start:]
        messages = self._messages(text[:start])
        self._line += text.count("\n", 0, start)
        if len(self._open) > self._options.max_message_chars:
            self._refuse(self._line)
        return messages

    def last(self) -> list[ParsedMessage]:
        """The message that the file ends with."""
        return self._messages(self._open)

    def _messages(self, text: str) -> list[ParsedMessage]:
        before, *parts = _HEAD.split(text)
        self._report.skip(before)
        line = self._line + before.count("\n")
        messages = []
        for at in range(0, len(parts), _PARTS_OF_A_MESSAGE):
            written, author, body = parts[at : at + _PARTS_OF_A_MESSAGE]
            if len(body) > self._options.max_message_chars:
                self._refuse(line)
            line += 1 + body.count("\n")
            try:
                messages.append(_message(self._clock, written, author, body))
            except NotUnderstood as error:
                self._report.skip_entry(f"[{written}]", error.expected)
        self._count(len(messages))
        return messages

    def _count(self, more: int) -> None:
        self._report.message_count += more
        limit = self._options.max_messages
        if self._report.message_count > limit:
            raise OversizedExport("messages", size=self._report.message_count, limit=limit)

    def _refuse(self, line: int) -> NoReturn:
        limit = self._options.max_message_chars
        raise UnreadableExport(f"the message is longer than {limit:,} characters", line=line)


def _message(clock: Clock, written: str, author: str, body: str) -> ParsedMessage:
    """Takes out of a message what signal-export added to it."""
    moment = clock.of_local(written.replace(",", ""))
    if len(author) > MAX_NAME_CHARS:
        raise NotUnderstood(f"a name of at most {MAX_NAME_CHARS:,} characters")
    quote = _QUOTE.match(body)
    body = body[quote.end() :] if quote else body
    body = _REACTIONS.sub("", body.rstrip("\n"))
    if body.strip() == _DELETED:
        return ParsedMessage(author, moment, "", MessageKind.DELETED)
    body, kind, attachment = _attachments(body)
    body = body.removesuffix("  ")
    if kind is MessageKind.TEXT and _CALL.fullmatch(body):
        kind = MessageKind.CALL
    if author == _NOBODY:
        return ParsedMessage(None, moment, body, MessageKind.SYSTEM, attachment_name=attachment)
    if kind is MessageKind.TEXT and not body:
        kind = MessageKind.OTHER
    return ParsedMessage(author, moment, body, kind, attachment_name=attachment)


def _attachments(body: str) -> tuple[str, MessageKind, str]:
    """A text without the links to its attachments, their kind, and their names."""
    # From the last bracket on, as with attachments: from each of 200,000 brackets it would take hours.
    sticker = _STICKER.search(body) or _STICKER_FILE.search(body, max(0, body.rfind("[")))
    if sticker:
        return body[: sticker.start()], MessageKind.STICKER, ""
    names: list[str] = []
    while link := _ATTACHMENT.search(body, max(0, body.rfind("[") - 1)):
        names.insert(0, link["name"] or link["path"])
        body = body[: link.start()]
    if not names:
        return body, MessageKind.TEXT, ""
    return body, kind_of_file_name(names[0]), joined_names(names)
