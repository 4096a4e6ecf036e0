"""Understands from a question whose messages of which time it is about.

An author counts only beside a word of saying ("what did Anna say"): a question about Anna's cat may be
answered by somebody else. A time is counted from now, and where the chat has nothing then, from its last
message: "last summer" in a chat that ended years ago is the last one that it has.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime

from chat_service.search.retrieval import Filters
from chat_service.search.times import Span, understand

_SAYING = re.compile(
    r"\b(says?|said|saying|tells?|told|writes?|wrote|written|texts?|texted|mentions?|mentioned|asks?|asked|"
    r"answers?|answered|replies|replied|reply|promises?|promised|thinks?|thought|according|"
    r"sagte?n?|gesagt|schrieb|schreibt|geschrieben|erzahlte?|erzahlt|fragte?|antwortete?|meinte?|versprach|"
    r"dijo|dice|dicho|escribio|conto|cuenta|pregunto|respondio|penso|prometio|"
    r"dit|disait|ecrit|raconte|demande|repondu|pense|promis|"
    r"disse|escreveu|contou|perguntou|respondeu|detto|scritto|scrisse|raccontato|chiesto|risposto)\b"
)
#: So many letters of a name's first word are enough to mean it.
_LEAST_NAME_CHARS = 2


def filters_of(
    question: str, participants: Sequence[str], first: datetime, last: datetime, now: datetime
) -> Filters:
    """Answer what a question limits the search to, in a chat from `first` to `last`; all times are local."""
    span = _span(question, first, last, now)
    return Filters(
        authors=_authors(question, participants),
        from_local_time=span.begin if span else None,
        to_local_time=span.end if span else None,
    )


def _span(question: str, first: datetime, last: datetime, now: datetime) -> Span | None:
    for moment in (now, last):
        span = understand(question, moment)
        if span is None:
            return None
        if (span.end is None or span.end > first) and (span.begin is None or span.begin <= last):
            return span
    return None


def _authors(question: str, participants: Sequence[str]) -> tuple[str, ...]:
    text = _plain(question)
    if not _SAYING.search(text):
        return ()
    return tuple(name for name in participants if _names(text, _plain(name)))


def _names(text: str, name: str) -> bool:
    """Whether a text has the whole name, or its first word."""
    first = name.split(" ")[0]
    called = [name, first] if len(first) >= _LEAST_NAME_CHARS else [name]
    return any(re.search(rf"\b{re.escape(call)}\b", text) for call in called if call)


def _plain(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text.casefold())
    without_accents = "".join(part for part in parts if not unicodedata.combining(part))
    return " ".join(re.findall(r"\w+", without_accents))
