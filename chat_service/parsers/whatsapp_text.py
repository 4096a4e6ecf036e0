"""Reads the .txt that WhatsApp exports, of Android and iOS, in two passes over the file.

The first pass finds the shape of the heads and which number of a date is the day. The second one
yields the messages. Both hold a block of the file at a time.

The second pass is written for speed: an export may hold hundreds of thousands of messages. The text
is split by one compiled pattern, what repeats (dates, times, names) is looked up, and only texts
that may hold more than words are read closely.
"""

from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, NoReturn

from chat_service.parsers.errors import OversizedExport, UnreadableExport
from chat_service.parsers.model import (
    ChatFormat,
    ExportReport,
    MessageKind,
    ParsedMessage,
    ParseOptions,
)
from chat_service.parsers.text_blocks import TextBlock, decode_head, text_blocks
from chat_service.parsers.whatsapp_authors import Authors
from chat_service.parsers.whatsapp_bodies import (
    needing_reading,
    read_authored,
    read_unauthored,
    without_edit_mark,
)
from chat_service.parsers.whatsapp_dates import Moments
from chat_service.parsers.whatsapp_pieces import Pieces, Splitter
from chat_service.parsers.whatsapp_survey import (
    EXPECTED,
    MAX_LINES_BEFORE_FIRST_HEAD,
    Survey,
    first_shape,
    survey,
)

__all__ = ["EXPECTED", "WhatsAppTextExport", "WhatsAppTextParser"]


class WhatsAppTextParser:
    """Reads WhatsApp's .txt exports."""

    format = ChatFormat.WHATSAPP_TEXT

    def recognises(self, head: bytes) -> bool:
        """Whether one of the first lines begins as a message does."""
        text = decode_head(head)
        return text is not None and first_shape(text, MAX_LINES_BEFORE_FIRST_HEAD) is not None

    def open(self, file: BinaryIO, options: ParseOptions) -> "WhatsAppTextExport":
        """Finds out how the file is written. Raises UnreadableExport."""
        return WhatsAppTextExport(file, survey(file, options), options)


class WhatsAppTextExport:
    """A file of known shape. Reading it again starts from the beginning, with a new report."""

    def __init__(self, file: BinaryIO, found: Survey, options: ParseOptions) -> None:
        self._file = file
        self._found = found
        self._options = options
        self.report = self._fresh_report()

    def _fresh_report(self) -> ExportReport:
        return ExportReport(ChatFormat.WHATSAPP_TEXT, self._found.main.order, self._found.evidence)

    def __iter__(self) -> Iterator[ParsedMessage]:
        """Reads message by message; see `batches`."""
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[list[ParsedMessage]]:
        """Reads the messages, a block of the file at a time.

        Raises UnreadableExport for text that cannot be decoded, for what exceeds the limits, and
        when there was no message at all.
        """
        self.report = self._fresh_report()
        builder = _Builder(self._found, self._options, self.report)
        for block in text_blocks(self._file, self._options.max_line_chars):
            yield builder.complete(block)
        yield builder.last()
        if not self.report.message_count:
            first = f' ("{self.report.skipped_lines[0]}")' if self.report.skipped_lines else ""
            raise UnreadableExport(f"no message with a valid date{first}; {EXPECTED}", line=1)


class _Builder:
    """Turns blocks into messages. Where the last message of a block ends, only the next block tells."""

    def __init__(self, found: Survey, options: ParseOptions, report: ExportReport) -> None:
        self._splitter = Splitter(found, report)
        self._options = options
        self._report = report
        self._moments = Moments(family.shape for family in found.families)
        self._authors = Authors()
        # The text of the unfinished message, and the line that it begins in.
        self._open = ""
        self._line = 1

    def complete(self, block: TextBlock) -> list[ParsedMessage]:
        """The messages that end in this block."""
        text = self._open + block.text
        end = max(0, self._splitter.last_head(text))
        self._open = text[end:]
        messages = self._messages(text[:end]) if end else []
        if len(self._open) > self._options.max_message_chars:
            self._refuse_message(self._line)
        return messages

    def last(self) -> list[ParsedMessage]:
        """The message that the file ends with."""
        return self._messages(self._open) if self._open else []

    def _messages(self, text: str) -> list[ParsedMessage]:
        pieces = self._splitter.pieces(text, self._line)
        self._line += text.count("\n")
        self._check_limits(pieces)
        names_of = self._authors
        names = [names_of[author] for author in pieces.authors]
        moments = self._moments.read(pieces.days, pieces.clocks)
        messages = list(map(ParsedMessage, names, moments, pieces.bodies))
        for number in needing_reading(pieces.bodies, text):
            if names[number] is not None:
                self._read_closely(messages[number], pieces.authors[number] or "")
        if None in names:
            _read_notices(messages, pieces.authors)
        return messages

    def _check_limits(self, pieces: Pieces) -> None:
        options, report = self._options, self._report
        report.message_count += len(pieces.bodies)
        if report.message_count > options.max_messages:
            raise OversizedExport("messages", size=report.message_count, limit=options.max_messages)
        if max(map(len, pieces.bodies), default=0) <= min(options.max_line_chars, options.max_message_chars):
            return
        line = pieces.first_line
        for body in pieces.bodies:
            if len(body) > options.max_message_chars:
                self._refuse_message(line)
            for offset, part in enumerate(body.split("\n")):
                if len(part) > options.max_line_chars:
                    problem = f"the line is longer than {options.max_line_chars:,} characters"
                    raise UnreadableExport(problem, line=line + offset)
            line += 1 + body.count("\n")

    def _read_closely(self, message: ParsedMessage, raw_author: str) -> None:
        """Takes out of a message what WhatsApp added to it."""
        body, message.edited = without_edit_mark(message.body)
        if body == "." and raw_author.endswith(":"):
            # `Anna:.` is what is left of a message that vanished; a typed full stop has a space before it.
            body = ""
        reading = read_authored(body, message.author or "", self._authors.names)
        message.kind, message.body, message.attachment_name = reading
        if message.kind is MessageKind.SYSTEM:
            message.author = None

    def _refuse_message(self, line: int) -> NoReturn:
        limit = self._options.max_message_chars
        raise UnreadableExport(f"the message is longer than {limit:,} characters", line=line)


def _read_notices(messages: list[ParsedMessage], raw_authors: list[str | None]) -> None:
    """Reads the lines without an author, also those whose beginning only looked like one."""
    for message, raw in zip(messages, raw_authors, strict=True):
        if message.author is None and message.kind is MessageKind.TEXT:
            message.kind, message.body, _ = read_unauthored((raw or "") + message.body)
