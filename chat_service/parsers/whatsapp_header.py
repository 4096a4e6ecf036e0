"""The head of a WhatsApp message: two platforms, many locales, one shape within a file.

Android writes `DATE[,] TIME - AUTHOR: BODY`, iOS `[DATE[,] TIME] AUTHOR: BODY`. The phone's locale
decides about the rest when the chat is exported, so that all heads of one file agree in everything
but AM and PM. That is what makes a quoted chat inside a message harmless in most cases: a head of
another shape starts no message.
"""

import re
from dataclasses import dataclass
from functools import cached_property

# Direction marks, isolates, zero-width space and byte order marks, anywhere around a head. The
# joiner U+200D is not among them: it holds emoji together.
INVISIBLE = "\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
SPACE = "[ \u00a0\u2009\u202f]"

_MARKS = f"[{INVISIBLE}]*"
_HOUR = "(?:[01]?[0-9]|2[0-3])"
_SIXTIETH = "[0-5][0-9]"
_AM_PM = rf"(?:{SPACE}?[AaPp]\.?{SPACE}?[Mm]\.?)?"
# A name may hold a colon, but the first one before a space ends it. The possessive repeats keep a
# long line without a name from being tried again and again. A line may end right after the colon,
# or after a lone full stop behind it: so are messages written that could not be exported.
_AUTHOR = r"[^:\n]++(?::(?![ \n])[^:\n]*+)*:(?: |(?=\.?(?![^\n])))"

_ANY_HEAD = re.compile(
    rf"{_MARKS}(?P<bracket>\[)?{_MARKS}"
    r"(?P<first>[0-9]{1,4})(?P<separator>[/.-])[0-9]{1,2}(?P=separator)(?P<last>[0-9]{1,4})"
    rf"(?P<comma>,)?{SPACE}{_HOUR}(?P<clock>[:.]){_SIXTIETH}(?P<seconds>(?P=clock){_SIXTIETH})?{_AM_PM}"
    r"(?(bracket)\] | - )"
)


@dataclass(frozen=True)
class HeadShape:
    """What the heads of one file have in common."""

    bracketed: bool
    date_separator: str
    year_first: bool
    year_digits: int
    comma: bool
    clock_separator: str
    seconds: bool

    @cached_property
    def splitter(self) -> re.Pattern[str]:
        """Splits text that has a line feed before each line into five parts a message.

        They are the whole head with that line feed, the date, the time, the author with the colon
        (None on a line without), and the body. The text before the first head comes first.
        """
        return re.compile(f"({self._stamp(f'({self._time})')}({_AUTHOR})?)")

    @cached_property
    def dates(self) -> re.Pattern[str]:
        """Finds the dates alone of all heads in the same text."""
        return re.compile(self._stamp(self._time))

    def _stamp(self, time: str) -> str:
        opening, closing = (rf"\[{_MARKS}", r"\] ") if self.bracketed else ("", " - ")
        comma = "," if self.comma else ""
        return f"\n{_MARKS}{opening}({self._date}){comma}{SPACE}{time}{closing}"

    @property
    def _date(self) -> str:
        parts = ["[0-9]{1,2}", "[0-9]{1,2}"]
        parts.insert(0 if self.year_first else 2, f"[0-9]{{{self.year_digits}}}")
        return re.escape(self.date_separator).join(parts)

    @property
    def _time(self) -> str:
        clock = re.escape(self.clock_separator)
        seconds = f"{clock}{_SIXTIETH}" if self.seconds else ""
        return f"{_HOUR}{clock}{_SIXTIETH}{seconds}{_AM_PM}"


def shape_of(line: str) -> HeadShape | None:
    """The shape of the head that a line begins with, or None where it begins with none."""
    head = _ANY_HEAD.match(line)
    if head is None:
        return None
    digits = len(head["first"]), len(head["last"])
    if digits not in {(1, 2), (2, 2), (1, 4), (2, 4), (4, 1), (4, 2)}:
        return None
    return HeadShape(
        bracketed=head["bracket"] is not None,
        date_separator=head["separator"],
        year_first=digits[0] == 4,
        year_digits=max(digits),
        comma=head["comma"] is not None,
        clock_separator=head["clock"],
        seconds=head["seconds"] is not None,
    )
