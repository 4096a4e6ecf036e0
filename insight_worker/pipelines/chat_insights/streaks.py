"""streaks: days in a row with messages, and the longest time without."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..interface import InsightResult, JsonValue
from .calendar import iso_day, spoken_day
from .charts import bars
from .definition import InsightType
from .digest import Digest
from .numbers import share
from .wording import counted, percent

LISTED_STREAKS = 5


@dataclass(frozen=True, slots=True)
class _Streak:
    """A run of days, first and last included."""

    first: int
    last: int

    @property
    def days(self) -> int:
        return self.last - self.first + 1

    def as_json(self) -> dict[str, JsonValue]:
        return {"days": self.days, "from": iso_day(self.first), "to": iso_day(self.last)}


def make(digest: Digest) -> InsightResult:
    """Longest and current streak, of any messages and of messages of two or more people."""
    authors = _authors_by_day(digest)
    active = sorted(authors)
    streaks = _streaks(active)
    mutual = _streaks(sorted(day for day, seen in authors.items() if len(seen) > 1))
    longest, best_mutual, current = _longest(streaks), _longest(mutual), streaks[-1]
    gap = max((after - before - 1 for before, after in pairwise(active)), default=0)
    span = active[-1] - active[0] + 1
    ranked = sorted(streaks, key=lambda streak: (-streak.days, streak.first))[:LISTED_STREAKS]
    assert longest is not None  # there is a message, so there is a streak
    data: dict[str, JsonValue] = {
        "chart": bars(
            ["longest streak", "longest mutual streak", "last streak", "longest gap"],
            [("days", [longest.days, best_mutual.days if best_mutual else 0, current.days, gap])],
            "days",
        ),
        "longest": longest.as_json(),
        "longest_mutual": best_mutual.as_json() if best_mutual else None,
        "current": current.as_json(),
        "longest_gap_days": gap,
        "active_days": len(active),
        "span_days": span,
        "active_share": share(len(active), span),
        "top": [streak.as_json() for streak in ranked],
    }
    sentences = [
        f"The longest streak was {counted(longest.days, 'day')} in a row with messages, from "
        f"{spoken_day(longest.first)} to {spoken_day(longest.last)}.",
        f"{percent(len(active) / span)} of the days have messages: {len(active):,} of {span:,}.",
        _mutual_sentence(best_mutual, len(digest.names)),
    ]
    if gap:
        sentences.append(f"The longest time without a message was {counted(gap, 'full day')}.")
    return InsightResult(data, tuple(sentences))


def _authors_by_day(digest: Digest) -> dict[int, set[int]]:
    """The authors of each day; two are enough to know that a day was mutual."""
    authors: dict[int, set[int]] = {}
    for day, author in zip(digest.days, digest.authors, strict=True):
        seen = authors.setdefault(day, set())
        if len(seen) < 2:
            seen.add(author)
    return authors


def _streaks(days: Sequence[int]) -> list[_Streak]:
    """Runs of neighbours among sorted days."""
    streaks: list[_Streak] = []
    for day in days:
        if streaks and streaks[-1].last == day - 1:
            streaks[-1] = _Streak(streaks[-1].first, day)
        else:
            streaks.append(_Streak(day, day))
    return streaks


def _longest(streaks: Sequence[_Streak]) -> _Streak | None:
    """The longest, the earlier of two equal ones."""
    return max(streaks, key=lambda streak: (streak.days, -streak.first), default=None)


def _mutual_sentence(streak: _Streak | None, authors: int) -> str:
    if streak is None:
        return "There was no day on which more than one person wrote."
    who = "both wrote" if authors == 2 else "at least two people wrote"
    return f"The longest run of days on which {who} was {counted(streak.days, 'day')}."


INSIGHT = InsightType("streaks", make)
