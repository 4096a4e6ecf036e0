"""The first pass over a WhatsApp file: which heads it has, and how their dates are read.

The file's family is the shape of its first head. Heads of another shape are mostly quoted: somebody
pasted a piece of a chat. A quoted message is older than the one that quotes it, so where heads of
another shape go on with the time instead, the file was put together of two exports, or the phone
was set otherwise meanwhile, and they are a family of the file too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import BinaryIO, NamedTuple

from chat_service.parsers.backwards import last_line
from chat_service.parsers.errors import UnreadableExport
from chat_service.parsers.model import DateEvidence, DateOrder, ParseOptions
from chat_service.parsers.text_blocks import is_utf_8, text_blocks
from chat_service.parsers.whatsapp_date_order import DateVotes, YearVotes
from chat_service.parsers.whatsapp_dates import Days, Family, Moments
from chat_service.parsers.whatsapp_header import HeadShape, shape_of
from chat_service.parsers.whatsapp_header import undecoded as as_undecoded

EXPECTED = (
    'expected lines such as "31/12/2024, 18:30 - Anna: Hello" or "[31/12/2024, 18:30:15] Anna: Hello", '
    "as WhatsApp exports them"
)
# A file whose first lines are something else is something else.
MAX_LINES_BEFORE_FIRST_HEAD = 1_000
_LINE_SHOWN_CHARS = 80
# A head has its time within so many characters.
_HEAD_CHARS = 60
_MAX_OTHER_SHAPES = 8
_MAX_COMPARED = 1_000
_MAX_ODD_LINES = 100_000
# WhatsApp takes no longer message, so that what comes after so much is quoted by nobody.
_LONGEST_MESSAGE_CHARS = 65_536


@dataclass(frozen=True)
class Survey:
    """What the first pass found out."""

    # The file's family first.
    families: tuple[Family, ...]
    evidence: DateEvidence
    # Whether there are lines with the marks of a head and impossible numbers.
    broken: bool
    # Whether the heads can be found in undecoded text, which is faster.
    undecoded: bool

    @property
    def main(self) -> Family:
        """The family of the first head."""
        return self.families[0]


class _Head(NamedTuple):
    """Date and time as they are written, and the place in the file."""

    date: str
    time: str
    offset: int


_NO_HEAD = _Head("", "", 0)


class _Others:
    """Heads of one shape that is not the file's."""

    def __init__(self, shape: HeadShape) -> None:
        self._shape = shape
        self._stamp = re.compile(shape.stamp)
        self._votes = DateVotes(shape)
        # Such heads, each with the file's own head in front of it.
        self._compared: list[tuple[_Head, _Head]] = []
        self._beyond_a_message = False

    def add(self, line: str, before: _Head, offset: int) -> None:
        """Takes a line that begins with such a head, and the file's own head in front of it."""
        stamp = self._stamp.match(line)
        date, time = stamp_of(self._shape, stamp) if stamp else ("", "")
        self._votes.add(date)
        self._beyond_a_message = self._beyond_a_message or offset - before.offset > _LONGEST_MESSAGE_CHARS
        if len(self._compared) < _MAX_COMPARED:
            self._compared.append((_Head(date, time, offset), before))

    def family_beside(self, family: Family) -> Family | None:
        """How they are read, if they are no quotations."""
        own, evidence = self._votes.family(DateOrder.UNSPECIFIED)
        alike = own.year_first == family.year_first and self._shape.separators == family.shape.separators
        if alike and evidence is not DateEvidence.LARGE_NUMBER:
            own = replace(own, order=family.order)
        if self._shape.without_half == family.shape.without_half or self._beyond_a_message:
            return own
        return own if self._go_on_after(family, own) else None

    def _go_on_after(self, family: Family, own: Family) -> bool:
        days, own_days, moments = Days(family), Days(own), Moments([family.shape, own.shape])

        def moment(days: Days, head: _Head) -> datetime:
            day = days[head.date] if head.date else ""
            return moments.read([day], [head.time])[0] if day else datetime.min  # noqa: DTZ901  # no zone

        later = sum(moment(own_days, head) > moment(days, before) for head, before in self._compared)
        return later * 2 > len(self._compared)


def survey(file: BinaryIO, options: ParseOptions) -> Survey:
    """Looks a file over; raises UnreadableExport."""
    shape = _find_shape(text_blocks(file, options.max_line_chars))
    quick = shape.undecoded and is_utf_8(file)
    surveyor = _Surveyor(shape, options, undecoded=quick)
    for block in text_blocks(file, options.max_line_chars, undecoded=quick):
        surveyor.add(block)
    return surveyor.result()


def first_shape(text: str, max_lines: int) -> HeadShape | None:
    """The shape of the first head among the first lines of a text with a line feed before each line."""
    lines = islice(text[1:].split("\n", max_lines), max_lines)
    return next(filter(None, map(shape_of, lines)), None)


def _find_shape(blocks: Iterator[str]) -> HeadShape:
    """The shape of the first head."""
    lines_left = MAX_LINES_BEFORE_FIRST_HEAD
    line, first_line, first_text = 1, 0, ""
    for text in blocks:
        shape = first_shape(text, lines_left)
        if shape is not None:
            return shape
        if not first_text:
            first_line, first_text = _first_text(line, text)
        feeds = text.count("\n")
        line += feeds
        lines_left -= feeds
        if lines_left <= 0:
            break
    if not first_text:
        raise UnreadableExport(f"the file is empty; {EXPECTED}", line=1)
    raise UnreadableExport(
        f'no message head in the first lines, which begin with "{first_text}"; {EXPECTED}', line=first_line
    )


def _first_text(number: int, text: str) -> tuple[int, str]:
    """The first line that is not blank, shortened, and its number."""
    for offset, line in enumerate(text[1:].split("\n")):
        if line.strip():
            return number + offset, line.strip()[:_LINE_SHOWN_CHARS]
    return 0, ""


class _Surveyor:
    """Goes through the blocks from the one with the first head on."""

    def __init__(self, shape: HeadShape, options: ParseOptions, *, undecoded: bool) -> None:
        self._shape = shape
        self._options = options
        self._undecoded = undecoded
        self._votes = DateVotes(shape)
        self._years = YearVotes(Family(shape), options.today) if shape.spelled else None
        self._stamp = re.compile(as_undecoded(shape.stamp) if undecoded else shape.stamp)
        self._dates = re.compile(as_undecoded(shape.dates) if undecoded else shape.dates)
        self._broken_head = re.compile(shape.broken)
        # A line that is no head of the family, but has a time near its beginning.
        digit = r"[0-9\x80-\xff]" if undecoded else r"\d"
        time = rf"{digit}(?:[:.]| ?h ?){digit}{{2}}"
        head = as_undecoded(shape.head) if undecoded else shape.head
        self._odd = re.compile(rf"\n(?!{head[1:]})(?=[^\n]{{0,{_HEAD_CHARS}}}?{time})[^\n]*")
        self._odd_left = _MAX_ODD_LINES
        self._others: dict[HeadShape, _Others] = {}
        self._broken = False
        # Characters in the blocks before, the family's last head, and the place up to which it is the last.
        self._offset = 0
        self._last_head = _NO_HEAD
        self._looked_at = 0

    def add(self, text: str) -> None:
        """Takes the next block."""
        if self._years is not None:
            for date in self._dates.findall(text):
                self._years.add(date)
        elif not self._votes.decided:
            for date in self._dates.findall(text):
                self._votes.add(date)
        self._looked_at = -1
        for line in islice(self._odd.finditer(text), self._odd_left):
            self._odd_line(text, line)
        self._look_back(text, len(text))
        self._offset += len(text)

    def _odd_line(self, text: str, line: re.Match[str]) -> None:
        self._odd_left -= 1
        content = self._content(line[0])
        shape = shape_of(content[1:])
        if shape is None:
            self._broken = self._broken or self._broken_head.match(content) is not None
        elif shape in self._others or len(self._others) < _MAX_OTHER_SHAPES:
            others = self._others.setdefault(shape, _Others(shape))
            self._look_back(text, line.start())
            others.add(content, self._last_head, self._offset + line.start())

    def _content(self, line: str) -> str:
        """What a line says; bytes that are no text are complained of when the messages are read."""
        return line.encode("latin-1").decode(errors="replace") if self._undecoded else line

    def _look_back(self, text: str, end: int) -> None:
        """Finds the family's last head before a place."""

        def head_at(stamp: re.Match[str]) -> _Head:
            return _Head(*stamp_of(self._shape, stamp), self._offset + stamp.start())

        begin = self._looked_at + 1
        self._last_head = last_line(self._stamp, text, begin, end, head_at) or self._last_head
        self._looked_at = max(self._looked_at, end - 1)

    def result(self) -> Survey:
        """What the file is; raises UnreadableExport when its dates contradict the caller."""
        family, evidence = self._votes.family(self._options.date_order)
        if self._years is not None:
            family = replace(family, first_year=self._years.first_year)
        further = (others.family_beside(family) for others in self._others.values())
        families = (family, *filter(None, further))
        # More than one family, and heads that are none, are looked for in what the bytes mean.
        undecoded = self._undecoded and len(families) == 1 and not self._broken
        return Survey(families, evidence, self._broken, undecoded)


def stamp_of(shape: HeadShape, stamp: re.Match[str]) -> tuple[str, str]:
    """Date and time of a head, as they are written."""
    return (stamp[2], stamp[1]) if shape.time_first else (stamp[1], stamp[2])
