"""The head of a WhatsApp message: two platforms, many locales, one shape within a file.

Android writes `DATE[,] TIME - AUTHOR: BODY`, iOS `[DATE[,] TIME] AUTHOR: BODY`. The phone's locale
decides about the rest when the chat is exported, so that all heads of one file agree in everything
but AM and PM. That is what makes a quoted chat inside a message harmless in most cases: a head of
another shape starts no message.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from chat_service.parsers.whatsapp_words import BUDDHIST, ERAS, HALVES, LINKS, MONTHS

# Direction marks, embeddings, isolates, zero-width space, word joiner and byte order marks, anywhere
# around a head. The joiner U+200D is not among them: it holds emoji together.
INVISIBLE = "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
SPACE = "[ \u00a0\u2007\u2009\u202f]"
# Possessive, as nothing that follows begins with a mark: two of these side by side would try every way to
# share a long run of marks, and a line of 200,000 of them would keep a process busy for hours.
MARKS = f"[{INVISIBLE}]*+"

# A name may hold a colon, but the first one before a space ends it. The possessive repeats keep a
# long line without a name from being tried again and again. A line may end right after the colon,
# or after a lone full stop behind it: so are messages written that could not be exported.
_AUTHOR_END = r":(?: |(?=\.?(?![^\n])))"
AUTHOR = rf"[^:\n]++(?::(?![ \n])[^:\n]*+)*{_AUTHOR_END}"
_NO_LETTER = r"(?![^\W\d_])"


def _flexible(word: str) -> str:
    """A word with any spaces in it, with or without its full stops and joiners."""
    pattern = re.escape(word).replace(r"\ ", f"{SPACE}?").replace(r"\.", r"\.?")
    return pattern.replace("\u200c", "\u200c?")


def _any_of(words: Iterable[str]) -> str:
    """One of the words in one of its usual cases, the longest first."""
    spellings = {case for word in words for case in (word, word.lower(), word.upper(), word.capitalize())}
    return "|".join(map(_flexible, sorted(spellings, key=lambda word: (-len(word), word))))


_HALF_WORDS = {word for words in HALVES.values() for word in words} - {"a. m.", "p. m."}
_HALF_STARTS = "".join(sorted({case for word in _HALF_WORDS for case in word[0].lower() + word[0].upper()}))
_AM_PM = rf"[AaPp](?:[Mm]|\.?{SPACE}?[Mm])\.?"
_AM_PM_WORD = f"{_AM_PM}{_NO_LETTER}"
# Alternatives that are told apart by their first characters take half the time of a repeat that is tried.
_AM_PM_BEHIND = f"(?:{SPACE}{_AM_PM_WORD}|{_AM_PM_WORD}|)"
# The look ahead spares the tries of all words where there is none.
_HALF = rf"(?:{_AM_PM}|(?=[{re.escape(_HALF_STARTS)}])(?:{_any_of(_HALF_WORDS)})){_NO_LETTER}"
_ERA = f"(?:{'|'.join(map(re.escape, ERAS))})"
_BUDDHIST = _any_of(BUDDHIST)
_LINK = _any_of(LINKS)
_MONTH = rf"(?:{_any_of({name for names in MONTHS for name in names})}){_NO_LETTER}"
_WEEKDAY = rf"(?:[^\W\d_]{{2,16}}\.?,?{SPACE})?"
_OF = rf"(?:{SPACE}(?:de|del|of))?"
# The looks ahead spare a line that is empty or has no number the tries of a thousand names of months.
_SPELLED = (
    r"(?=[^\W_])(?=[^\n]{0,60}?\d)"
    rf"{_WEEKDAY}(?:\d{{1,2}}(?:\.|º|st|nd|rd|th|er)?{_OF}[ \u00a0/-]{_MONTH}[.,]?"
    rf"(?:{_OF}[ \u00a0/-]\d{{4}})?"
    rf"|{_MONTH}\.?{SPACE}\d{{1,2}}(?:st|nd|rd|th)?(?:,?{SPACE}\d{{4}})?"
    rf"|\d{{4}},?{SPACE}{_MONTH}\.?{SPACE}\d{{1,2}})"
)
_SEPARATOR = "(?:[/.\u2010\u2011-] ?|[年년月월] ?)"
_NUMERIC = (
    rf"(?P<era_before>{_ERA}{MARKS})?(?P<first>\d{{1,4}}){MARKS}(?P<one>{_SEPARATOR}){MARKS}\d{{1,2}}{MARKS}"
    rf"(?P<two>{_SEPARATOR}){MARKS}(?P<era_after>{_ERA}{MARKS})?(?P<last>\d{{1,4}})(?P<tail>[日일]|\.(?={SPACE})|{SPACE}г\.)?"
    rf"(?P<buddhist>{SPACE}(?:{_BUDDHIST}){_NO_LETTER})?"
)
_CLOCK = (
    rf"(?P<half>{_HALF}{SPACE}?)?\d{{1,2}}(?P<clock>[:.]|{SPACE}?h{SPACE}?)\d{{2}}"
    rf"(?P<seconds>(?P=clock)\d{{2}})?(?:{SPACE}?(?P<half_behind>{_HALF}))?"
)
_DATE = rf"{MARKS}(?:{_NUMERIC}|(?P<spelled>{_SPELLED})){MARKS}"
_GAP = rf"(?P<comma>[,،、])?{MARKS}{SPACE}+(?:(?P<link>{_LINK}){SPACE})?{MARKS}"
_CLOSING = rf"(?(bracket)\]{SPACE}?|(?P<closing> [-–] |: | ))"
_ANY_HEAD = re.compile(rf"{MARKS}(?P<bracket>\[)?{_DATE}{_GAP}{_CLOCK}{MARKS}{_CLOSING}")
_ANY_TIME_FIRST = re.compile(rf"{MARKS}(?P<bracket>\[)?{MARKS}{_CLOCK}{_GAP}{_DATE}{MARKS}{_CLOSING}")
_AUTHORED = re.compile(AUTHOR)
_AM_PM_ONLY = re.compile(f"(?:{_AM_PM})?")
_INSIDE_MARK = re.compile(rf"\d[{INVISIBLE}]")


@dataclass(frozen=True)
class HeadShape:
    """What the heads of one file have in common."""

    bracketed: bool = False
    time_first: bool = False
    # The digit nought of the script that numbers are written in.
    nought: str = "0"
    # A month in letters, in whatever order; the next five say nothing then.
    spelled: bool = False
    # Between the numbers and behind them, such as "/", "/", "".
    separators: tuple[str, str, str] = ("/", "/", "")
    year_first: bool = False
    # 4, or 2 where there are one or two and only the whole file tells which one is the year.
    year_digits: int = 4
    era: bool = False
    buddhist: bool = False
    marks_inside: bool = False
    comma: str = ""
    link: str = ""
    clock: str = ":"
    seconds: bool = False
    half_before: bool = False
    # AM and PM may stand behind every time, other words only where this is set.
    half_words: bool = False
    closing: str = " - "

    @property
    def without_half(self) -> "HeadShape":
        """The same with a clock of 24 hours: a phone's setting that may change at any time."""
        return replace(self, half_before=False, half_words=False)

    @cached_property
    def stamp(self) -> str:
        """The pattern of a head without the name, with the line feed before it: groups for date and time.

        Where the time stands first, it is the first group.
        """
        return self._pattern(f"({self._date})", f"({self._time})")

    @cached_property
    def head(self) -> str:
        """The same pattern without groups, which is found faster."""
        return self._pattern(self._date, self._time)

    @cached_property
    def dates(self) -> str:
        """The pattern of a head with a group for the date alone."""
        return self._pattern(f"({self._date})", self._time)

    @cached_property
    def undecoded(self) -> bool:
        """Whether the heads can be found in text that `undecoded` patterns fit: most can."""
        texts = (self.nought, *self.separators, self.comma, self.link, self.clock, self.closing)
        special = self.spelled or self.era or self.buddhist or self.marks_inside
        return not (special or self.half_before or self.half_words) and "".join(texts).isascii()

    @cached_property
    def broken(self) -> str:
        """The pattern of what has the marks of a head, but whose numbers may be none of a date and a time."""
        one, two, tail = map(re.escape, self.separators)
        date = _SPELLED if self.spelled else rf"\d{{1,4}}{one}\d{{1,4}}{two}\d{{1,4}}{tail}"
        clock = re.escape(self.clock)
        return self._pattern(date, rf"\d{{1,2}}{clock}\d{{1,2}}(?:{clock}\d{{1,2}})?[^\n:\]]{{0,8}}?")

    def _pattern(self, date: str, time: str) -> str:
        first, second = (time, date) if self.time_first else (date, time)
        opening = rf"\[{MARKS}" if self.bracketed else ""
        return f"\n{MARKS}{opening}{first}{self._gap}{second}{self._end}"

    @property
    def _digit(self) -> str:
        return self._digits(0, 9)

    def _digits(self, low: int, high: int) -> str:
        return f"[{chr(ord(self.nought) + low)}-{chr(ord(self.nought) + high)}]"

    @property
    def _end(self) -> str:
        closing = rf"\]{SPACE}?" if self.bracketed else re.escape(self.closing)
        return f"{MARKS}{closing}" if self.marks_inside else closing

    @property
    def _gap(self) -> str:
        link = f"{_flexible(self.link)}{SPACE}" if self.link else ""
        marks = MARKS if self.marks_inside else ""
        return f"{marks}{self.comma}{marks}{SPACE}{link}{marks}"

    @property
    def _date(self) -> str:
        if self.spelled:
            return _SPELLED
        digit = self._digit
        year = f"{digit}{{1,2}}+" if self.year_digits == 2 else f"{digit}{{4}}"
        if self.era:
            year = rf"{_ERA}{MARKS}{digit}{{1,3}}"
        # Possessive, as no number is followed by a digit.
        parts = [f"{digit}{{1,2}}+", f"{digit}{{1,2}}+"]
        parts.insert(0 if self.year_first else 2, year)
        one, two, tail = map(re.escape, self.separators)
        marks = MARKS if self.marks_inside else ""
        buddhist = f"{SPACE}(?:{_BUDDHIST})" if self.buddhist else ""
        return f"{parts[0]}{marks}{one}{marks}{parts[1]}{marks}{two}{marks}{parts[2]}{tail}{buddhist}"

    @property
    def _time(self) -> str:
        digit, clock = self._digit, re.escape(self.clock)
        hour = f"(?:{self._digits(0, 1)}{digit}|{self._digits(2, 2)}{self._digits(0, 3)}|{digit})"
        sixtieth = f"{self._digits(0, 5)}{digit}"
        seconds = f"{clock}{sixtieth}" if self.seconds else ""
        before = f"(?:{_HALF}{SPACE}?)?" if self.half_before else ""
        behind = f"(?:{SPACE}?{_HALF})?" if self.half_words else _AM_PM_BEHIND
        return f"{before}{hour}{clock}{sixtieth}{seconds}{behind}"


def undecoded(pattern: str) -> str:
    """A pattern of a head for text whose every character is a byte of UTF-8."""
    for part, as_bytes in _UNDECODED.items():
        pattern = pattern.replace(part, as_bytes)
    return pattern


def shape_of(line: str) -> HeadShape | None:
    """The shape of the head that a line begins with, or None where it begins with none."""
    for pattern, time_first in ((_ANY_HEAD, False), (_ANY_TIME_FIRST, True)):
        head = pattern.match(line)
        if head is not None and (shape := _shape(head, time_first)) is not None:
            return shape
    return None


def _shape(head: re.Match[str], time_first: bool) -> HeadShape | None:
    closing = head["closing"] or ""
    # Without a bracket or a dash only a name shows that this is more than a date in somebody's text.
    if closing in (": ", " ") and not _AUTHORED.match(head.string, head.end()):
        return None
    shape = HeadShape(
        bracketed=head["bracket"] is not None,
        time_first=time_first,
        comma=head["comma"] or "",
        link=head["link"] or "",
        clock=head["clock"],
        seconds=head["seconds"] is not None,
        half_before=head["half"] is not None,
        half_words=not _AM_PM_ONLY.fullmatch(head["half_behind"] or ""),
        marks_inside=bool(_INSIDE_MARK.search(head[0])),
        closing=closing,
    )
    found = replace(shape, spelled=True) if head["spelled"] else _with_numbers(shape, head)
    return found if found and re.match(found.stamp, "\n" + head.string) else None


def _with_numbers(shape: HeadShape, head: re.Match[str]) -> HeadShape | None:
    digits = len(head["first"]), len(head["last"])
    era = bool(head["era_before"] or head["era_after"])
    year_first = bool(head["era_before"]) or digits[0] == 4
    one, two = head["one"], head["two"]
    if (not era and digits not in _DIGITS_OF_A_DATE) or (one != two and one[0] not in "年년"):
        return None
    return replace(
        shape,
        nought=chr(ord(head["first"][0]) - int(head["first"][0])),
        separators=(one, two, head["tail"] or ""),
        year_first=year_first,
        year_digits=4 if 4 in digits else 2,
        era=era,
        buddhist=head["buddhist"] is not None,
    )


# What is no ASCII in the patterns of most heads, as it is where UTF-8 is read byte by byte, the longest
# pieces first. Alternatives and not repeats, each beginning with a character of its own, for speed.
_SPACES_UNDECODED = (" ", r"\xc2\xa0", r"\xe2\x80[\x87\x89\xaf]")
_MARKS_UNDECODED = (
    r"\xe2(?:\x80[\x8b\x8e\x8f\xaa-\xae]|\x81[\xa0\xa6-\xa9])",
    r"\xd8\x9c",
    r"\xef\xbb\xbf",
)
_SPACE_UNDECODED = "|".join(_SPACES_UNDECODED)
_MORE_MARKS = f"(?:{'|'.join(_MARKS_UNDECODED)})*+"
_UNDECODED = {
    _AM_PM_BEHIND: f"(?:{'|'.join(space + _AM_PM_WORD for space in (*_SPACES_UNDECODED, ''))}|)",
    f"{SPACE}?": f"(?:{_SPACE_UNDECODED}|)",
    SPACE: f"(?:{_SPACE_UNDECODED})",
    MARKS: f"(?:{'|'.join(mark + _MORE_MARKS for mark in _MARKS_UNDECODED)}|)",
    _NO_LETTER: "(?![A-Za-z])",
}
_DIGITS_OF_A_DATE = frozenset(
    (first, last) for first in (1, 2, 4) for last in (1, 2, 4) if (first, last) not in {(1, 1), (4, 4)}
)
