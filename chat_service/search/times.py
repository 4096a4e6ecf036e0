"""Understands times in questions: years, months, seasons, days, and "last summer", in six languages.

Seasons are those of the north. What is relative ("last week") is counted from a given moment. It answers a
span of local time, from the first instant until before the second.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple


class Span(NamedTuple):
    """From the first instant on, until before the second; None: open."""

    begin: datetime | None
    end: datetime | None


_MONTHS = (
    "january|jan|januar|janner|enero|janvier|janeiro|gennaio",
    "february|feb|februar|febrero|fevrier|fevereiro|febbraio",
    "march|maerz|marz|marzo|mars|marco",
    "april|apr|abril|avril|aprile",
    "may|mai|mayo|maio|maggio",
    "june|jun|juni|junio|juin|junho|giugno",
    "july|jul|juli|julio|juillet|julho|luglio",
    "august|aug|agosto|aout",
    "september|sept|septiembre|septembre|setembro|settembre",
    "october|oct|oktober|octubre|octobre|outubro|ottobre",
    "november|nov|noviembre|novembre|novembro",
    "december|dec|dezember|diciembre|decembre|dezembro|dicembre",
)
#: First month of each season, and what it is called.
_SEASONS = {
    3: "spring|fruhling|fruhjahr|primavera|printemps",
    6: "summer|sommer|verano|ete|verao|estate",
    9: "autumn|fall|herbst|otono|automne|outono|autunno",
    12: "winter|invierno|hiver|inverno",
}
_UNITS = {
    "day": "days?|tage?n?|dias?|jours?|giorn[oi]",
    "week": "weeks?|wochen?|semanas?|semaines?|settiman[ae]",
    "month": "months?|monate?n?|mes|meses|mois|mes[ei]",
    "year": "years?|jahre?n?|anos?|ans?|annees?|ann[oi]",
}
#: Words that are also other words, and count as a month or season only beside something that says so.
_DOUBTFUL = frozenset({"may", "march", "mars", "marzo", "ete", "fall", "estate", "mai", "maio", "oct", "mes"})
_LEADS = (
    "in|on|during|since|until|before|after|of|last|this|en|durante|desde|hasta|antes|despues|im|seit|bis|vor|nach|"
    "letzten|letztes|letzter|vergangenen|de|d|em|al|a|au|du|le|el|l|no|nel|pasado|passado"
)
_LAST_BEFORE = "last|past|previous|letzte[nmrs]?|vergangenen?|ultim[oa]|scors[oa]"
_LAST_AFTER = "pasado|pasada|dernier|derniere|passado|passada|scorso|scorsa"
_THIS = "this|diesen|dieses|dieser|diese|este|esta|cet|cette|ce|quest[oa]|deste|nesta|neste"
_AGO_BEFORE = "vor|hace|il y a|ha"
_AGO_AFTER = "ago|atras|fa"
_NUMBERS = {
    word: number
    for number, listed in enumerate(
        (
            "a one an ein einem einer un una un une um uma uno",
            "two zwei dos deux dois duas due",
            "three drei tres trois tre",
            "four vier cuatro quatre quatro quattro",
            "five funf cinco cinq cinque",
            "six sechs seis sei",
        ),
        1,
    )
    for word in listed.split()
}
_SINCE = "since|seit|desde|depuis|after|nach|despues de|apres|dopo"
_BEFORE = "before|until|bis|antes de|hasta|avant|ate|prima di"
_YEAR = r"(?:19|20)\d\d"
_MONTH = "|".join(_MONTHS)
_SEASON = "|".join(_SEASONS.values())
_UNIT = "|".join(_UNITS.values())


def understand(question: str, now: datetime) -> Span | None:
    """Answer the span of time that a question is about, or None when it names none."""
    text = _plain(question)
    for rule in _RULES:
        span = rule(text, now)
        if span is not None:
            return _opened(text, span)
    return None


def _plain(text: str) -> str:
    """Lower case without accents, words apart by single spaces."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(
        re.findall(r"[\w\-]+", "".join(part for part in parts if not unicodedata.combining(part)))
    )


def _day(begin: datetime) -> Span:
    return Span(begin, begin + timedelta(days=1))


def _month(year: int, month: int, count: int = 1) -> Span | None:
    """So many months from one on; months beyond December are in the next year. None out of any calendar."""
    end = month + count - 1
    if not 1 <= year <= 9_000:
        return None
    return Span(datetime(year, month, 1), datetime(year + end // 12, end % 12 + 1, 1))  # noqa: DTZ001  # local


def _date(text: str, now: datetime) -> Span | None:
    """2024-03-05, 5 March 2024, March 5 2024, and without the year: the latest such day."""
    found = re.search(rf"\b({_YEAR})-(\d\d)-(\d\d)\b", text)
    if found:
        return _valid_day(int(found[1]), int(found[2]), int(found[3]))
    day_first = re.search(
        rf"\b(\d{{1,2}})(?:st|nd|rd|th)? (?:of |de |do |di )?({_MONTH})\b(?: (?:de )?({_YEAR}))?", text
    )
    month_first = re.search(rf"\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?: ({_YEAR}))?", text)
    if day_first:
        day, name, year = int(day_first[1]), day_first[2], day_first[3]
    elif month_first:
        day, name, year = int(month_first[2]), month_first[1], month_first[3]
    else:
        return None
    if year:
        return _valid_day(int(year), _month_number(name), day)
    this_year = _valid_day(now.year, _month_number(name), day)
    later = this_year is not None and this_year.begin is not None and this_year.begin > now
    return _valid_day(now.year - 1, _month_number(name), day) if later else this_year


def _valid_day(year: int, month: int, day: int) -> Span | None:
    try:
        return _day(datetime(year, month, day))  # noqa: DTZ001  # local
    except ValueError:
        return None


def _named_month(text: str, now: datetime) -> Span | None:
    for found in re.finditer(rf"\b(?:({_LEADS}) )?({_MONTH})\b(?: (?:de |of |do )?({_YEAR}))?", text):
        lead, name, year = found.groups()
        if name in _DOUBTFUL and not (lead or year):
            continue
        month = _month_number(name)
        if year:
            return _month(int(year), month)
        # The latest one that has begun.
        return _month(now.year if month <= now.month else now.year - 1, month)
    return None


def _season(text: str, now: datetime) -> Span | None:
    pattern = (
        rf"\b(?:({_LAST_BEFORE}|{_THIS}|{_LEADS}) )?({_SEASON})\b"
        rf"(?: (?:(?:of|de|do|del) )?(?:({_YEAR})|({_LAST_AFTER})))?"
    )
    for found in re.finditer(pattern, text):
        before, name, year, after = found.groups()
        if name in _DOUBTFUL and not (before or year or after):
            continue
        first = next(month for month, names in _SEASONS.items() if re.fullmatch(names, name))
        if year:
            return _month(int(year), first, 3)
        over = bool(after or re.fullmatch(_LAST_BEFORE, before or ""))
        return _latest_season(first, now, over=over)
    return None


def _latest_season(first: int, now: datetime, *, over: bool) -> Span | None:
    """The latest one that has begun, or that is over: "last summer" in July is the one before."""
    for year in (now.year, now.year - 1, now.year - 2):
        span = _month(year, first, 3)
        edge = span and (span.end if over else span.begin)
        if edge is not None and edge <= now:
            return span
    return None


def _near_day(text: str, now: datetime) -> Span | None:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if re.search(r"\b(today|heute|hoy|aujourd hui|hoje|oggi)\b", text):
        return _day(today)
    if re.search(r"\b(yesterday|gestern|ayer|ontem|ieri)\b", text):
        return _day(today - timedelta(days=1))
    return None


def _ago(text: str, now: datetime) -> Span | None:
    count = rf"(\d{{1,3}}|{'|'.join(_NUMBERS)})"
    found = re.search(rf"\b(?:{_AGO_BEFORE}) {count} ({_UNIT})\b", text) or re.search(
        rf"\b{count} ({_UNIT}) (?:{_AGO_AFTER})\b", text
    )
    if not found:
        return None
    said, unit = found.groups()
    return _unit(now, _unit_name(unit), int(said) if said.isdigit() else _NUMBERS[said])


def _relative(text: str, now: datetime) -> Span | None:
    before = re.search(rf"\b({_LAST_BEFORE}|{_THIS}) ({_UNIT})\b", text)
    if before:
        return _unit(now, _unit_name(before[2]), 1 if re.fullmatch(_LAST_BEFORE, before[1]) else 0)
    after = re.search(rf"\b({_UNIT}) (?:{_LAST_AFTER})\b", text)
    return _unit(now, _unit_name(after[1]), 1) if after else None


def _unit_name(word: str) -> str:
    return next(name for name, words in _UNITS.items() if re.fullmatch(words, word))


def _unit(now: datetime, unit: str, back: int) -> Span | None:
    """The day, week, month or year so many before the present one. Weeks begin on Monday."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "day":
        return _day(today - timedelta(days=back))
    if unit == "week":
        monday = today - timedelta(days=today.weekday() + 7 * back)
        return Span(monday, monday + timedelta(days=7))
    if unit == "month":
        months = now.year * 12 + now.month - 1 - back
        return _month(months // 12, months % 12 + 1)
    return _month(now.year - back, 1, 12)


def _year(text: str, now: datetime) -> Span | None:
    found = re.search(rf"\b({_YEAR})\b", text)
    return _month(int(found[1]), 1, 12) if found else None


def _opened(text: str, span: Span) -> Span:
    """Leave one side open where the question says "since" or "before" right before the time."""
    time = rf"(?:(?:the|der|dem|den|el|la|le|il|o|{_LAST_BEFORE}|{_THIS}) )*(?:\d|{_MONTH}|{_SEASON}|{_UNIT})"
    if re.search(rf"\b(?:{_SINCE}) {time}", text):
        return Span(span.begin, None)
    if re.search(rf"\b(?:{_BEFORE}) {time}", text):
        return Span(None, span.begin)
    return span


def _month_number(name: str) -> int:
    return next(number for number, names in enumerate(_MONTHS, 1) if re.fullmatch(names, name))


_Rule = Callable[[str, datetime], Span | None]
_RULES: tuple[_Rule, ...] = (_date, _near_day, _ago, _season, _named_month, _relative, _year)
