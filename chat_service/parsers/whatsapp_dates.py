"""The dates and times of a WhatsApp file: which number is the day, and what the moment was."""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from operator import add

from chat_service.parsers.model import DateOrder
from chat_service.parsers.whatsapp_header import HeadShape
from chat_service.parsers.whatsapp_words import ERAS, HALVES, MONTHS, Half

_CENTURY = 2000
# WhatsApp is of 2009, so that these can only be years of the Buddhist calendar: 2568 and 68 are 2025.
_BUDDHIST_YEARS = range(2500, 2600)
_BUDDHIST_SHORT_YEARS = range(60, 100)
_BUDDHIST_OFFSET = 543
# Phones without a battery began in 1970; a year outside is of a calendar that is not read here.
_YEARS = range(1970, 2200)
# Different texts that are remembered. A day has 86,400 seconds, so that honest files stay below.
_MAX_REMEMBERED = 100_000
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]+[^\s\d,]*")
_ERA = re.compile("|".join(map(re.escape, ERAS)))
_IGNORED = re.compile("[. \u00a0\u2007\u2009\u202f\u200c]+")
# Beyond this many days back the year has changed, where the dates name none.
_YEAR_CHANGES_AFTER_DAYS = 31
_LEAP_YEAR = 2000


def _plain(word: str) -> str:
    return _IGNORED.sub("", word).casefold()


_MONTHS = {_plain(name): number for number, names in enumerate(MONTHS, 1) for name in names}
_HALVES = {_plain(word): half for half, words in HALVES.items() for word in words}


@dataclass(frozen=True)
class Family:
    """How the dates of heads of one shape are read in one file."""

    shape: HeadShape
    order: DateOrder = DateOrder.DAY_FIRST
    year_first: bool = False
    # The year of the first date without one; 0 where every date has its own.
    first_year: int = 0

    def day_of(self, text: str) -> str:
        """What a date means, as `2024-12-31T`; empty for what is in no calendar."""
        found = self.parts(text)
        if found is None:
            return ""
        year, month, day = found
        if not year and self.first_year:
            # Whether there is such a day is all that one date can tell.
            year = _LEAP_YEAR
        return _iso_day(year, month, day) if year in _YEARS else ""

    def parts(self, text: str) -> tuple[int, int, int] | None:
        """Year, month and day as written; year 0 where none is, None where the month is unknown."""
        if self.shape.spelled:
            return spelled_date(text)
        first, second, third = numbers_of(text)
        if self.year_first:
            year, month, day = first, second, third
        elif self.order is DateOrder.MONTH_FIRST:
            month, day, year = first, second, third
        else:
            day, month, year = first, second, third
        return self._full_year(year, text), month, day

    def _full_year(self, year: int, text: str) -> int:
        if self.shape.era:
            era = _ERA.search(text)
            return year + ERAS[era[0]] if era else 0
        if self.shape.buddhist or year in _BUDDHIST_YEARS:
            return year - _BUDDHIST_OFFSET if year >= _CENTURY else year + 2500 - _BUDDHIST_OFFSET
        if year in _BUDDHIST_SHORT_YEARS:
            return year + 2500 - _BUDDHIST_OFFSET
        return year + _CENTURY if year < 100 else year


def numbers_of(text: str) -> list[int]:
    """The numbers in a text, whatever the script of their digits."""
    return list(map(int, _NUMBER.findall(text)))


def spelled_date(text: str) -> tuple[int, int, int] | None:
    """Year, month and day of a date whose month is a word; year 0 where it names none."""
    # From the end, as a weekday stands before.
    words = map(_plain, reversed(_WORD.findall(text)))
    month = next((_MONTHS[word] for word in words if word in _MONTHS), None)
    numbers = numbers_of(text)
    if month is None or not 1 <= len(numbers) <= 2:
        return None
    day = next((number for number in numbers if number < 100), 0)
    year = next((number for number in numbers if number >= 100), 0)
    return year, month, day


def _iso_day(year: int, month: int, day: int) -> str:
    try:
        return f"{date(year, month, day).isoformat()}T"
    except ValueError:
        return ""


class Days(dict[str, str]):
    """Remembers what the texts of dates mean, as `2024-12-31T`; empty for what is in no calendar."""

    def __init__(self, family: Family) -> None:
        """Take how to read them."""
        super().__init__()
        self._day_of: Callable[[str], str] = family.day_of

    def __missing__(self, text: str) -> str:
        if len(self) >= _MAX_REMEMBERED:
            self.clear()
        self[text] = day = self._day_of(text)
        return day


class YearlessDays:
    """Counts the years along with the file where dates name none: a date far back is of the next year."""

    def __init__(self, family: Family) -> None:
        """Take how to read them; the file is then gone through once, in its order."""
        self._parts = family.parts
        self.year = family.first_year
        self._last: tuple[int, int] | None = None

    def __getitem__(self, text: str) -> str:
        found = self._parts(text)
        if found is None:
            return ""
        year, month, day = found
        if (year or _LEAP_YEAR) not in _YEARS or not _iso_day(year or _LEAP_YEAR, month, day):
            return ""
        turned = self._last is not None and year_turned(self._last, (month, day))
        self.year = year or self.year + turned
        self._last = month, day
        # A 29th of February shows that the year is guessed wrong.
        return _iso_day(self.year, month, day) or _iso_day(self.year, month, day - 1)


def year_turned(before: tuple[int, int], now: tuple[int, int]) -> bool:
    """Whether a month and day are so far before the ones in front of them that the year has changed."""
    return _day_number(*before) - _day_number(*now) > _YEAR_CHANGES_AFTER_DAYS


def _day_number(month: int, day: int) -> int:
    """The day of the year where every month has 31, so that none is impossible."""
    return month * 31 + day


class Moments:
    """Reads the moments of a file's messages.

    Goes by way of ISO texts, which are read several times faster than dates and times are combined.
    Most clocks with colons are ISO as they stand; `14.56` would be read as 14 hours and a fraction.
    """

    def __init__(self, shapes: Iterable[HeadShape]) -> None:
        """Take the shapes of the heads that the clocks are of."""
        self._clocks = IsoClocks()
        self._maybe_iso = all(shape.clock == ":" for shape in shapes)

    def read(self, days: list[str], clocks: list[str]) -> list[datetime]:
        """The moments of valid days, as `Days` gave them, and of the clocks as in the file."""
        if self._maybe_iso:
            with suppress(ValueError):
                return list(map(datetime.fromisoformat, map(add, days, clocks)))
        iso = self._clocks
        return list(map(datetime.fromisoformat, map(add, days, [iso[clock] for clock in clocks])))


class IsoClocks(dict[str, str]):
    """Remembers what the texts of times mean, with or without AM or PM, as `18:30:00`."""

    def __missing__(self, text: str) -> str:
        if len(self) >= _MAX_REMEMBERED:
            self.clear()
        self[text] = clock = _iso_clock(text)
        return clock


def _iso_clock(text: str) -> str:
    hour, minute, *rest = numbers_of(text)
    second = rest[0] if rest else 0
    return f"{_full_hour(hour, _half_of(text)):02}:{minute:02}:{second:02}"


def _half_of(text: str) -> Half | None:
    word = _plain(_NUMBER.sub("", text).replace(":", ""))
    return _HALVES.get(word)


def _full_hour(hour: int, half: Half | None) -> int:
    # A clock that shows 13 PM is a 24-hour clock, whatever the letters say.
    if half is None or half is Half.NEITHER or hour > 12:
        return hour
    if half is Half.BEFORE_NOON:
        return hour % 12
    if half is Half.AFTER_NOON:
        return hour % 12 + 12
    if half is Half.MIDDAY:
        return hour if hour >= 10 else hour + 12
    return hour % 12 if hour in (12, *range(6)) else hour + 12
