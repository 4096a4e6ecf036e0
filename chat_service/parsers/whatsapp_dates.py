"""The dates and times of a WhatsApp file: which number is the day, and what the moment was."""

import re
from datetime import date, datetime
from operator import add

from chat_service.parsers.model import DateEvidence, DateOrder
from chat_service.parsers.whatsapp_header import HeadShape

# So many dates more that can only be read one way decide, and the rest of the file is not looked
# at. One would do if it were not for quoted heads.
DECISIVE_LEAD = 10
_MAX_MONTH = 12
_CENTURY = 2000
# Different texts that are remembered. A day has 86,400 seconds, so that honest files stay below.
_MAX_REMEMBERED = 100_000
_CLOCK = re.compile(r"([0-9]+)[:.]([0-9]+)(?:[:.]([0-9]+))?.*?([AaPp]?)[^AaPp]*")


class DateVotes:
    """Collects the dates of a file in their order and decides which number is the day.

    Only changes of the date count, so that a busy day has no more weight than a quiet one.
    """

    def __init__(self, shape: HeadShape) -> None:
        self._separator = shape.date_separator
        self._last_text = ""
        self._last = (0, 0, 0)
        self._large = [0, 0]
        self._backward = [0, 0]
        self._changes = [0, 0]
        # The first date that only the one order can read: (day first, month first).
        self.witnesses = ["", ""]

    def add(self, text: str) -> None:
        """Takes the date of the next head."""
        if text == self._last_text:
            return
        first, second, year = map(int, text.split(self._separator))
        for order, (large, small) in enumerate(((first, second), (second, first))):
            if large > _MAX_MONTH >= small:
                self._large[order] += 1
                self.witnesses[order] = self.witnesses[order] or text
        if self._last_text:
            self._compare(first, second, year)
        self._last_text, self._last = text, (first, second, year)

    def _compare(self, first: int, second: int, year: int) -> None:
        last_first, last_second, last_year = self._last
        self._backward[0] += (year, second, first) < (last_year, last_second, last_first)
        self._backward[1] += (year, first, second) < (last_year, last_first, last_second)
        self._changes[0] += first != last_first
        self._changes[1] += second != last_second

    @property
    def decided(self) -> bool:
        """Whether more dates would not change the answer."""
        return abs(self._large[0] - self._large[1]) >= DECISIVE_LEAD

    def contradiction(self, given: DateOrder) -> str:
        """A date that cannot be read as the caller wants, where no other date asks for it; else empty."""
        wanted, other = (0, 1) if given is DateOrder.DAY_FIRST else (1, 0)
        return "" if self._large[wanted] else self.witnesses[other]

    def decide(self) -> tuple[DateOrder, DateEvidence]:
        """The order of day and month, and the reason."""
        for (day, month), evidence in (
            (self._large, DateEvidence.LARGE_NUMBER),
            (self._backward[::-1], DateEvidence.ORDER),
            (self._changes, DateEvidence.CHANGES),
        ):
            if day != month:
                return DateOrder.DAY_FIRST if day > month else DateOrder.MONTH_FIRST, evidence
        return DateOrder.DAY_FIRST, DateEvidence.DEFAULT


class Moments:
    """Reads the moments of a file's messages.

    Goes by way of ISO texts, which are read several times faster than dates and times are combined.
    Most clocks are ISO as they stand.
    """

    def __init__(self, shape: HeadShape, order: DateOrder) -> None:
        self.days = IsoDays(shape, order)
        self._clocks = IsoClocks()

    def read(self, days: list[str], clocks: list[str]) -> list[datetime]:
        """The moments of valid days, as `days` gave them, and of the clocks as in the file."""
        try:
            return list(map(datetime.fromisoformat, map(add, days, clocks)))
        except ValueError:
            iso = self._clocks
            return list(map(datetime.fromisoformat, map(add, days, [iso[clock] for clock in clocks])))


class IsoDays(dict[str, str]):
    """Remembers what the texts of dates mean, as `2024-12-31T`; empty for what is in no calendar."""

    def __init__(self, shape: HeadShape, order: DateOrder) -> None:
        super().__init__()
        self._separator = shape.date_separator
        self._year_first = shape.year_first
        self._month_first = order is DateOrder.MONTH_FIRST
        # Whether an empty one was ever given out.
        self.met_invalid = False

    def __missing__(self, text: str) -> str:
        if len(self) >= _MAX_REMEMBERED:
            self.clear()
        self[text] = day = self._read(text)
        self.met_invalid = self.met_invalid or not day
        return day

    def _read(self, text: str) -> str:
        first, second, third = map(int, text.split(self._separator))
        if self._year_first:
            year, month, day = first, second, third
        elif self._month_first:
            month, day, year = first, second, third
        else:
            day, month, year = first, second, third
        if year < 100:
            year += _CENTURY
        try:
            return f"{date(year, month, day).isoformat()}T"
        except ValueError:
            return ""


class IsoClocks(dict[str, str]):
    """Remembers what the texts of times mean, with or without AM or PM, as `18:30:00`."""

    def __missing__(self, text: str) -> str:
        if len(self) >= _MAX_REMEMBERED:
            self.clear()
        self[text] = clock = _iso_clock(text)
        return clock


def _iso_clock(text: str) -> str:
    match = _CLOCK.fullmatch(text)
    assert match is not None, text
    hour, half = int(match[1]), match[4].lower()
    # A clock that shows 13 PM is a 24-hour clock, whatever the letters say.
    if half and hour <= 12:
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"{hour:02}:{match[2]}:{match[3] or '00'}"
