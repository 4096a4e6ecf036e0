"""Takes text apart into messages: what stands in front of each, and what it says.

Most text has heads of one family and nothing odd, and is split by one compiled pattern. Where a
block of the file may hold something else it is gone through head by head.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from chat_service.parsers.backwards import last_line
from chat_service.parsers.model import ExportReport
from chat_service.parsers.text_blocks import decoded
from chat_service.parsers.whatsapp_dates import Days, YearlessDays
from chat_service.parsers.whatsapp_header import AUTHOR, HeadShape, undecoded
from chat_service.parsers.whatsapp_survey import Survey

_PARTS_OF_A_MESSAGE = 4
# The whole head, date and time, and the name.
_GROUPS_OF_A_HEAD = 4
# Most names have no colon; an empty group takes less time than one that is left out.
_AUTHOR_OR_NONE = f"([^:\n]++: |{AUTHOR}|)"


@dataclass(slots=True)
class Pieces:
    """The messages of a piece of text, part by part; the lists have the same length."""

    # As Days gives them.
    days: list[str] = field(default_factory=list)
    clocks: list[str] = field(default_factory=list)
    # With the colon; empty on a line without one.
    authors: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    # The line of the file that the first head stands in.
    first_line: int = 1


class Splitter:
    """Knows the heads of one file."""

    def __init__(self, found: Survey, report: ExportReport) -> None:
        """Take what the first pass found, and where lines go that are not understood."""
        shapes = [family.shape for family in found.families]
        main = found.main
        self._report = report
        self._known_days = [Days(family) for family in found.families]
        self._days: list[Days | YearlessDays] = [*self._known_days]
        if main.first_year:
            self._days[0] = YearlessDays(main)
        self._time_first = [shape.time_first for shape in shapes]
        self._undecoded = found.undecoded
        stamp = undecoded(main.shape.stamp) if found.undecoded else main.shape.stamp
        self._split = re.compile(f"{stamp}{_AUTHOR_OR_NONE}").split
        any_head = _alternatives(shapes, main.shape.broken if found.broken else "")
        self._any_head = re.compile(undecoded(any_head) if found.undecoded else any_head)
        self._always_careful = bool(main.first_year)
        further = [shape.stamp for shape in shapes[1:]] + [main.shape.broken] * found.broken
        self._odd = re.compile(f"(?!{main.shape.stamp})(?:{'|'.join(further)})") if further else None

    def last_head(self, text: str, begin: int) -> int:
        """Where the last head with a valid date begins, a line feed; -1 where none does behind `begin`."""

        def place(head: re.Match[str]) -> int | None:
            return head.start() if self._day(head, self._known_days) else None

        found = last_line(self._any_head, text, begin, len(text), place)
        return -1 if found is None else found

    def pieces(self, text: str, line: int) -> Pieces:
        """The messages of a text whose first line has this number; what is none goes to the report."""
        if self._always_careful or (self._odd is not None and self._odd.search(text)):
            return self._careful(text, line)
        before, *parts = self._split(text)
        dates, clocks = parts[0::_PARTS_OF_A_MESSAGE], parts[1::_PARTS_OF_A_MESSAGE]
        if self._time_first[0]:
            dates, clocks = clocks, dates
        days = list(map(self._days[0].__getitem__, dates))
        if "" in days:
            return self._careful(text, line)
        if before:
            self._report.skip(self._meaning(before[1:]), line)
            line += before.count("\n")
        return Pieces(days, clocks, parts[2::_PARTS_OF_A_MESSAGE], parts[3::_PARTS_OF_A_MESSAGE], line)

    def _meaning(self, text: str) -> str:
        return decoded(text) if self._undecoded else text

    def _careful(self, text: str, line: int) -> Pieces:
        """Head by head; what has the marks of one and no valid date stays in the message before it.

        The pieces are such that they can be decoded, as those that are split are.
        """
        pieces, begin, last = Pieces(), 0, 0
        first_line = line
        for head in self._any_head.finditer(text):
            line += text.count("\n", last, head.start())
            last = head.start()
            day = self._day(head, self._days)
            if day:
                self._end_message(pieces, text[begin:last], first_line)
                pieces.first_line = pieces.first_line if pieces.days else line
                self._begin_message(pieces, head, day)
                begin = head.end()
            elif pieces.days:
                self._report.skip(self._meaning(_line_at(text, last)), line)
        self._end_message(pieces, text[begin:], first_line)
        return pieces

    def _end_message(self, pieces: Pieces, text: str, first_line: int) -> None:
        if pieces.days:
            pieces.bodies.append(text)
        elif text:
            self._report.skip(self._meaning(text[1:]), first_line)

    def _begin_message(self, pieces: Pieces, head: re.Match[str], day: str) -> None:
        group, family = _group_and_family(head)
        pieces.days.append(day)
        pieces.clocks.append(head[group + 1] if self._time_first[family] else head[group + 2])
        pieces.authors.append(head[group + 3] or "")

    def _day(self, head: re.Match[str], days: Sequence[Days | YearlessDays]) -> str:
        group, family = _group_and_family(head)
        if family == len(days):
            return ""
        return days[family][head[group + 2] if self._time_first[family] else head[group + 1]]


def _group_and_family(head: re.Match[str]) -> tuple[int, int]:
    """The group of a whole head, which is followed by those of its parts, and the number of its family."""
    group = head.lastindex or 1
    return group, (group - 1) // _GROUPS_OF_A_HEAD


def _alternatives(shapes: Sequence[HeadShape], broken: str) -> str:
    """The pattern of any of the heads, and last of what only looks like one."""
    heads = [f"({shape.stamp}({AUTHOR})?)" for shape in shapes]
    return "|".join([*heads, f"({broken})"] if broken else heads)


def _line_at(text: str, feed: int) -> str:
    """The line behind a line feed."""
    end = text.find("\n", feed + 1)
    return text[feed + 1 : end] if end >= 0 else text[feed + 1 :]
