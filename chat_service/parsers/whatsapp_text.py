"""Reads the .txt that WhatsApp exports, of Android and iOS, in two passes over the file.

The first pass finds the shape of the heads and which number of a date is the day; it stops as soon
as it knows. The second one yields the messages. Both hold a block of the file at a time.

The second pass is written for speed: an export may hold hundreds of thousands of messages. The text
is split by one compiled pattern, what repeats (dates, times, names) is looked up, and only texts
that may hold more than words are read closely.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO, NoReturn

from chat_service.parsers.errors import OversizedExport, UnreadableExport
from chat_service.parsers.model import (
    ChatFormat,
    DateEvidence,
    DateOrder,
    ExportReport,
    MessageKind,
    ParsedMessage,
    ParseOptions,
)
from chat_service.parsers.text_blocks import TextBlock, decode_head, text_blocks
from chat_service.parsers.whatsapp_authors import Authors
from chat_service.parsers.whatsapp_bodies import (
    needs_reading,
    read_authored,
    read_unauthored,
    without_edit_mark,
)
from chat_service.parsers.whatsapp_dates import DateVotes, Moments
from chat_service.parsers.whatsapp_header import HeadShape, shape_of

EXPECTED = (
    'expected lines such as "31/12/2024, 18:30 - Anna: Hello" or "[31/12/2024, 18:30:15] Anna: Hello", '
    "as WhatsApp exports them"
)
# A file whose first lines are something else is something else.
MAX_LINES_BEFORE_FIRST_HEAD = 1_000
_PARTS_OF_A_MESSAGE = 5


class WhatsAppTextParser:
    """Reads WhatsApp's .txt exports."""

    format = ChatFormat.WHATSAPP_TEXT

    def recognises(self, head: bytes) -> bool:
        """Whether one of the first lines begins as a message does."""
        text = decode_head(head)
        return text is not None and _shape_in(text, MAX_LINES_BEFORE_FIRST_HEAD) is not None

    def open(self, file: BinaryIO, options: ParseOptions) -> "WhatsAppTextExport":
        """Finds out how the file is written. Raises UnreadableExport."""
        shape = _find_shape(file, options)
        order, evidence = _find_date_order(file, shape, options)
        report = ExportReport(self.format, order, evidence)
        return WhatsAppTextExport(file, shape, options, report)


class WhatsAppTextExport:
    """A file of known shape. Reading it again starts from the beginning, with a new report."""

    def __init__(self, file: BinaryIO, shape: HeadShape, options: ParseOptions, report: ExportReport) -> None:
        self._file = file
        self._shape = shape
        self._options = options
        self.report = report

    def __iter__(self) -> Iterator[ParsedMessage]:
        """Reads message by message; see `batches`."""
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[list[ParsedMessage]]:
        """Reads the messages, a block of the file at a time.

        Raises UnreadableExport for text that cannot be decoded, for what exceeds the limits, and
        when there was no message at all.
        """
        self.report = ExportReport(self.report.format, self.report.date_order, self.report.date_evidence)
        builder = _Builder(self._shape, self._options, self.report)
        for block in text_blocks(self._file, self._options.max_line_chars):
            yield builder.complete(block)
        yield builder.last()
        if not self.report.message_count:
            raise UnreadableExport(f"no message with a valid date; {EXPECTED}")


def _shape_in(text: str, max_lines: int) -> HeadShape | None:
    """The shape of the first head among the first lines of a text with a line feed before each line."""
    lines = islice(text[1:].split("\n", max_lines), max_lines)
    return next(filter(None, map(shape_of, lines)), None)


def _find_shape(file: BinaryIO, options: ParseOptions) -> HeadShape:
    lines_left = MAX_LINES_BEFORE_FIRST_HEAD
    empty = True
    for block in text_blocks(file, options.max_line_chars):
        shape = _shape_in(block.text, lines_left)
        if shape is not None:
            return shape
        empty = empty and not block.text.strip()
        lines_left -= block.text.count("\n")
        if lines_left <= 0:
            break
    problem = "the file is empty" if empty else "no message head in the first lines"
    raise UnreadableExport(f"{problem}; {EXPECTED}", line=1)


def _find_date_order(
    file: BinaryIO, shape: HeadShape, options: ParseOptions
) -> tuple[DateOrder, DateEvidence]:
    """Reads as many dates as it takes. Raises UnreadableExport when they contradict the caller."""
    if shape.year_first:
        return DateOrder.UNSPECIFIED, DateEvidence.YEAR_FIRST
    votes = DateVotes(shape)
    for block in text_blocks(file, options.max_line_chars):
        for text in shape.dates.findall(block.text):
            votes.add(text)
        if votes.decided:
            break
    if options.date_order is DateOrder.UNSPECIFIED:
        return votes.decide()
    contradiction = votes.contradiction(options.date_order)
    if contradiction:
        wanted = options.date_order.name.lower().replace("_", " ")
        raise UnreadableExport(f"the date {contradiction} cannot be read with the {wanted}")
    return options.date_order, DateEvidence.GIVEN


@dataclass(slots=True)
class _Pieces:
    """The messages of a piece of text, part by part; the lists have the same length."""

    heads: list[str]
    # As IsoDays gives them.
    days: list[str]
    clocks: list[str]
    authors: list[str | None]
    bodies: list[str]
    # The line of the file that the first head stands in.
    first_line: int = 0

    def pop(self) -> str:
        """Takes the last message out and gives its text back."""
        self.days.pop()
        self.clocks.pop()
        self.authors.pop()
        return self.heads.pop() + self.bodies.pop()

    def join_undated(self) -> str:
        """Appends what has no valid date to the message before it; gives back what has none before."""
        before = ""
        dated: list[int] = []
        for index, day in enumerate(self.days):
            if day:
                dated.append(index)
            elif dated:
                self.bodies[dated[-1]] += self.heads[index] + self.bodies[index]
            else:
                before += self.heads[index] + self.bodies[index]
        self.heads = [self.heads[index] for index in dated]
        self.days = [self.days[index] for index in dated]
        self.clocks = [self.clocks[index] for index in dated]
        self.authors = [self.authors[index] for index in dated]
        self.bodies = [self.bodies[index] for index in dated]
        return before


class _Builder:
    """Turns blocks into messages. Where the last message of a block ends, only the next block tells."""

    def __init__(self, shape: HeadShape, options: ParseOptions, report: ExportReport) -> None:
        self._split = shape.splitter.split
        self._options = options
        self._report = report
        self._moments = Moments(shape, report.date_order)
        self._authors = Authors()
        # The text of the unfinished message, and the line that it begins in.
        self._open = ""
        self._line = 1

    def complete(self, block: TextBlock) -> list[ParsedMessage]:
        """The messages that end in this block."""
        if not self._open:
            self._line = block.first_line
        text = self._open + block.text
        pieces = self._pieces(text)
        self._open = pieces.pop() if pieces.heads else ""
        messages = self._messages(pieces)
        self._line += text.count("\n") - self._open.count("\n")
        if len(self._open) > self._options.max_message_chars:
            self._refuse_message(self._line)
        return messages

    def last(self) -> list[ParsedMessage]:
        """The message that the file ends with."""
        return self._messages(self._pieces(self._open)) if self._open else []

    def _pieces(self, text: str) -> _Pieces:
        before, *parts = self._split(text)
        days_of = self._moments.days
        pieces = _Pieces(
            parts[0::_PARTS_OF_A_MESSAGE],
            [days_of[day] for day in parts[1::_PARTS_OF_A_MESSAGE]],
            parts[2::_PARTS_OF_A_MESSAGE],
            parts[3::_PARTS_OF_A_MESSAGE],
            parts[4::_PARTS_OF_A_MESSAGE],
        )
        if days_of.met_invalid and "" in pieces.days:
            before += pieces.join_undated()
        if before:
            self._report.skip(before)
        pieces.first_line = self._line + before.count("\n")
        return pieces

    def _messages(self, pieces: _Pieces) -> list[ParsedMessage]:
        self._check_limits(pieces)
        names_of = self._authors
        names = [names_of[author] for author in pieces.authors]
        moments = self._moments.read(pieces.days, pieces.clocks)
        messages = list(map(ParsedMessage, names, moments, pieces.bodies))
        for message in messages:
            if message.author is not None and needs_reading(message.body):
                _read_closely(message, message.author)
        if None in names:
            _read_notices(messages, pieces.authors)
        return messages

    def _check_limits(self, pieces: _Pieces) -> None:
        options, report = self._options, self._report
        report.message_count += len(pieces.bodies)
        if report.message_count > options.max_messages:
            raise OversizedExport("messages", size=report.message_count, limit=options.max_messages)
        if max(map(len, pieces.bodies), default=0) <= min(options.max_line_chars, options.max_message_chars):
            return
        line = pieces.first_line
        for head, body in zip(pieces.heads, pieces.bodies, strict=True):
            if len(body) > options.max_message_chars:
                self._refuse_message(line)
            for offset, part in enumerate(body.split("\n")):
                if len(part) > options.max_line_chars:
                    problem = f"the line is longer than {options.max_line_chars:,} characters"
                    raise UnreadableExport(problem, line=line + offset)
            line += head.count("\n") + body.count("\n")

    def _refuse_message(self, line: int) -> NoReturn:
        limit = self._options.max_message_chars
        raise UnreadableExport(f"the message is longer than {limit:,} characters", line=line)


def _read_closely(message: ParsedMessage, author: str) -> None:
    """Takes out of a message what WhatsApp added to it."""
    body, message.edited = without_edit_mark(message.body)
    message.kind, message.body, message.attachment_name = read_authored(body, author)
    if message.kind is MessageKind.SYSTEM:
        message.author = None


def _read_notices(messages: list[ParsedMessage], raw_authors: list[str | None]) -> None:
    """Reads the lines without an author, also those whose beginning only looked like one."""
    for message, raw in zip(messages, raw_authors, strict=True):
        if message.author is None and message.kind is MessageKind.TEXT:
            message.kind, message.body, _ = read_unauthored((raw or "") + message.body)
