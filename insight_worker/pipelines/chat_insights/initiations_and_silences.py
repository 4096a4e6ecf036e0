"""initiations_and_silences: who begins, who has the last word, and when it was quiet."""

from collections import Counter

from ..interface import InsightResult, JsonValue
from .calendar import iso_time, spoken_day_of
from .charts import bars
from .definition import InsightType
from .digest import DAY_S, Digest
from .numbers import median, rounded, share
from .people import labels, leader, name, shown, unshown
from .wording import counted, duration, listed, percent

ICE_BREAKER_GAP_S = DAY_S
"""Whoever writes first after more than this breaks the ice."""
LISTED_SILENCES = 5


def make(digest: Digest) -> InsightResult:
    """First and last authors of sessions, ice-breakers, and the longest silences."""
    sessions = list(digest.conversation.sessions())
    first = Counter(digest.authors[session.start] for session in sessions)
    last = Counter(digest.authors[session.last] for session in sessions)
    breakers = Counter(
        digest.authors[session.start]
        for session in sessions[1:]
        if _gap(digest, session.start) > ICE_BREAKER_GAP_S
    )
    gaps = sorted(
        (session.start for session in sessions[1:]), key=lambda index: (-_gap(digest, index), index)
    )[:LISTED_SILENCES]
    lengths = [len(session) for session in sessions]
    durations = [digest.times[session.last] - digest.times[session.start] for session in sessions]
    data: dict[str, JsonValue] = {
        "chart": bars(
            labels(digest),
            [
                ("first word", [first[author] for author in shown(digest)]),
                ("last word", [last[author] for author in shown(digest)]),
            ],
            "sessions",
        ),
        "rows": _rows(digest, len(sessions), first, last, breakers),
        "others": {
            "authors": unshown(digest),
            "starts": len(sessions) - sum(first[author] for author in shown(digest)),
            "ends": len(sessions) - sum(last[author] for author in shown(digest)),
        },
        "session_count": len(sessions),
        "ice_breaker_count": breakers.total(),
        "median_session_messages": median(lengths),
        "median_session_minutes": rounded((median(durations) or 0) / 60),
        "silences": [_silence(digest, index) for index in gaps],
    }
    return InsightResult(data, _sentences(digest, len(sessions), first, breakers, gaps))


def _rows(
    digest: Digest, sessions: int, first: Counter[int], last: Counter[int], breakers: Counter[int]
) -> list[JsonValue]:
    return [
        {
            "author": label,
            "starts": first[author],
            "start_share": share(first[author], sessions),
            "ends": last[author],
            "end_share": share(last[author], sessions),
            "ice_breakers": breakers[author],
        }
        for author, label in enumerate(labels(digest))
    ]


def _gap(digest: Digest, index: int) -> int:
    return digest.times[index] - digest.times[index - 1]


def _silence(digest: Digest, index: int) -> dict[str, JsonValue]:
    before = index - 1
    return {
        "from": iso_time(digest.times[before]),
        "to": iso_time(digest.times[index]),
        "hours": rounded(_gap(digest, index) / 3_600),
        "last_author": name(digest, digest.authors[before]),
        "broken_by": name(digest, digest.authors[index]),
    }


def _sentences(
    digest: Digest, sessions: int, first: Counter[int], breakers: Counter[int], gaps: list[int]
) -> tuple[str, ...]:
    top = sorted(first, key=lambda author: (-first[author], author))[:3]
    parts = [f"{name(digest, author)} {percent(first[author] / sessions)}" for author in top]
    sentences = [
        f"There were {counted(sessions, 'conversation')}, each after at least six quiet hours.",
        f"Who wrote the first word: {listed(parts)}.",
    ]
    breaker = leader(sorted(breakers), lambda author: breakers[author])
    if breaker is not None:
        sentences.append(
            f"After more than a day of silence it was most often {name(digest, breaker)} who wrote again: "
            f"{breakers[breaker]} of {counted(breakers.total(), 'time')}."
        )
    if gaps:
        index = gaps[0]
        sentences.append(
            f"The longest silence lasted {duration(_gap(digest, index))}, until "
            f"{name(digest, digest.authors[index])} wrote on {spoken_day_of(digest.times[index])}."
        )
    if sessions < 5:
        sentences.append("So few conversations say little about habits.")
    return tuple(sentences)


INSIGHT = InsightType("initiations_and_silences", make, min_authors=2)
