"""Reads the .txt that WhatsApp exports, of Android and iOS, in two passes over the file.

The first pass finds the shape of the heads and which number of a date is the day. The second one
yields the messages. Both hold a block of the file at a time.

The second pass is written for speed: an export may hold hundreds of thousands of messages. The text
is split by one compiled pattern, what repeats (dates, times, names) is looked up, and only texts
that may hold more than words are read closely.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import BinaryIO, NoReturn

from chat_service.parsers.errors import OversizedExport, UnreadableExport
from chat_service.parsers.model import (
    ChatFormat,
    ExportReport,
    MessageBatch,
    MessageKind,
    ParsedMessage,
    ParseOptions,
)
from chat_service.parsers.text_blocks import (
    bytes_that_are_no_text,
    decode_head,
    decoded,
    text_blocks,
)
from chat_service.parsers.whatsapp_authors import Authors
from chat_service.parsers.whatsapp_bodies import (
    WHOLE_BODIES,
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

# No text has a NUL, so that nothing is found across two bodies.
_BETWEEN = "\0"

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

    def batches(self) -> Iterator[MessageBatch]:
        """Reads the messages, a block of the file at a time.

        Raises UnreadableExport for text that cannot be decoded, for what exceeds the limits, and
        when there was no message at all.
        """
        self.report = self._fresh_report()
        builder = _Builder(self._found, self._options, self.report)
        undecoded = self._found.undecoded
        for block in text_blocks(self._file, self._options.max_line_chars, undecoded=undecoded):
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
        shapes = [family.shape for family in found.families]
        self._moments = Moments(shapes, undecoded=found.undecoded)
        self._authors = Authors(undecoded=found.undecoded)
        self._undecoded = found.undecoded
        # The text of the unfinished message, and the line that it begins in.
        self._open = ""
        self._line = 1

    def complete(self, block: str) -> MessageBatch:
        """The messages that end in this block."""
        text = self._open + block
        # What is unfinished begins with a head and has no other.
        end = max(0, self._splitter.last_head(text, len(self._open)))
        self._open = text[end:]
        messages = self._messages(text[:end])
        if len(self._open) > self._options.max_message_chars:
            self._refuse_unfinished()
        return messages

    def last(self) -> MessageBatch:
        """The message that the file ends with."""
        return self._messages(self._open)

    def _messages(self, text: str) -> MessageBatch:
        try:
            pieces = self._splitter.pieces(text, self._line)
            together = _BETWEEN.join(pieces.bodies)
            if self._undecoded and not together.isascii():
                pieces.bodies = [body if body.isascii() else decoded(body) for body in pieces.bodies]
            authors = list(map(self._authors.__getitem__, pieces.authors))
        except UnicodeDecodeError as error:
            raise bytes_that_are_no_text(text, self._line) from error
        self._check_limits(pieces, len(text))
        messages = _texts(authors, self._moments.read(pieces.days, pieces.clocks), pieces.bodies)
        has_notices = None in authors
        for number in needing_reading(pieces.bodies, together):
            if authors[number] is not None:
                self._read(messages, number, pieces.authors[number])
        if has_notices:
            self._read_notices(messages, pieces.authors)
        self._line += text.count("\n")
        return messages

    def _read_notices(self, messages: MessageBatch, raw_authors: list[str]) -> None:
        """Reads the lines without an author, also those whose beginning only looked like one."""
        kinds, bodies = messages.kinds, messages.bodies
        for number, author in enumerate(messages.authors):
            if author is None and kinds[number] is MessageKind.TEXT:
                beginning = self._authors.meaning(raw_authors[number])
                kinds[number], bodies[number], _ = read_unauthored(beginning + bodies[number])

    def _read(self, messages: MessageBatch, number: int, raw_author: str) -> None:
        """Takes out of a message what WhatsApp added to it."""
        body, author = messages.bodies[number], messages.authors[number] or ""
        reading = WHOLE_BODIES.get(body)
        if reading is None:
            body, messages.edited[number] = without_edit_mark(body)
            if body == "." and raw_author.endswith(":"):
                # What is left of a message that vanished; a typed full stop has a space before it.
                body = ""
            reading = read_authored(body, author, self._authors.names)
        messages.kinds[number], messages.bodies[number], messages.attachment_names[number] = reading
        if reading.kind is MessageKind.SYSTEM:
            messages.authors[number] = None

    def _check_limits(self, pieces: Pieces, chars: int) -> None:
        options, report = self._options, self._report
        report.message_count += len(pieces.bodies)
        if report.message_count > options.max_messages:
            raise OversizedExport("messages", size=report.message_count, limit=options.max_messages)
        longest = min(options.max_line_chars, options.max_message_chars)
        if chars <= longest or max(map(len, pieces.bodies), default=0) <= longest:
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

    def _refuse_unfinished(self) -> None:
        """Raises for an unfinished message that is too long; undecoded, a character has several bytes."""
        text = self._open.encode("latin-1").decode(errors="ignore") if self._undecoded else self._open
        if len(text) > self._options.max_message_chars:
            self._refuse_message(self._line)

    def _refuse_message(self, line: int) -> NoReturn:
        limit = self._options.max_message_chars
        raise UnreadableExport(f"the message is longer than {limit:,} characters", line=line)


def _texts(authors: list[str | None], moments: list[datetime], bodies: list[str]) -> MessageBatch:
    """Messages that are taken for words until they are read."""
    count = len(bodies)
    return MessageBatch(authors, moments, bodies, [MessageKind.TEXT] * count, [False] * count, [""] * count)
