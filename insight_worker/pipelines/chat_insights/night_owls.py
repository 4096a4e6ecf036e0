"""night_owls: who writes late, who early, and who at weekends."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..interface import InsightResult, JsonValue
from .calendar import weekday
from .charts import bars
from .definition import MAX_DETAILED_AUTHORS, InsightType
from .digest import DAY_S, HOUR_S, Digest
from .numbers import share
from .people import labels, leader, name, shown, unshown
from .wording import percent

LATE_HOURS = range(5)
EARLY_HOURS = range(5, 8)
DAY_BEGINS_S = 5 * HOUR_S
"""A day of people goes from 05:00 to 04:59."""
MIN_OWN_MESSAGES = 20
"""Authors with fewer messages are not named owl or lark."""


@dataclass
class _Habits:
    """Messages of one author by time."""

    messages: int = 0
    late: int = 0
    early: int = 0
    weekend: int = 0
    first_of_day: int = 0
    last_of_day: int = 0


def make(digest: Digest) -> InsightResult:
    """Shares of late, early and weekend messages by author, and who begins and ends the days."""
    habits = _habits(digest)
    days = sum(own.first_of_day for own in habits)
    people = shown(digest, MAX_DETAILED_AUTHORS)
    data: dict[str, JsonValue] = {
        "chart": bars(
            labels(digest, MAX_DETAILED_AUTHORS),
            [
                ("late (00–05)", [_percent(habits[a].late, habits[a].messages) for a in people]),
                ("early (05–08)", [_percent(habits[a].early, habits[a].messages) for a in people]),
                ("weekend", [_percent(habits[a].weekend, habits[a].messages) for a in people]),
            ],
            "percent of own messages",
        ),
        "rows": [_row(label, habits[author]) for author, label in enumerate(labels(digest))],
        "others": {"authors": unshown(digest)},
        "day_count": days,
        "late_share": share(sum(own.late for own in habits), len(digest)),
        "early_share": share(sum(own.early for own in habits), len(digest)),
        "weekend_share": share(sum(own.weekend for own in habits), len(digest)),
    }
    return InsightResult(data, _sentences(digest, habits, days))


def _habits(digest: Digest) -> list[_Habits]:
    habits = [_Habits() for _ in digest.names]
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for index, author in enumerate(digest.authors):
        own, hour = habits[author], digest.hour(index)
        own.messages += 1
        own.late += hour in LATE_HOURS
        own.early += hour in EARLY_HOURS
        own.weekend += weekday(digest.days[index]) >= 5
        day = (digest.times[index] - DAY_BEGINS_S) // DAY_S
        first.setdefault(day, author)
        last[day] = author
    for author, count in Counter(first.values()).items():
        habits[author].first_of_day = count
    for author, count in Counter(last.values()).items():
        habits[author].last_of_day = count
    return habits


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2)


def _row(label: str, own: _Habits) -> dict[str, JsonValue]:
    return {
        "author": label,
        "messages": own.messages,
        "late_share": share(own.late, own.messages),
        "early_share": share(own.early, own.messages),
        "weekend_share": share(own.weekend, own.messages),
        "first_of_day": own.first_of_day,
        "last_of_day": own.last_of_day,
    }


def _sentences(digest: Digest, habits: Sequence[_Habits], days: int) -> tuple[str, ...]:
    total = len(digest)
    late, weekend = sum(own.late for own in habits), sum(own.weekend for own in habits)
    sentences = [
        f"{percent(late / total)} of the messages were written between midnight and five in the morning, "
        f"and {percent(weekend / total)} at weekends (an even week would give 29%)."
    ]
    named = [author for author, own in enumerate(habits) if own.messages >= MIN_OWN_MESSAGES]
    owl = leader(named, lambda a: habits[a].late / habits[a].messages, lambda a: habits[a].late)
    lark = leader(named, lambda a: habits[a].early / habits[a].messages, lambda a: habits[a].early)
    if owl is not None and len(named) > 1:
        part = percent(habits[owl].late / habits[owl].messages)
        sentences.append(
            f"{name(digest, owl)} is the night owl: {part} of {name(digest, owl)}'s messages come that late."
        )
    if lark is not None and len(named) > 1:
        part = percent(habits[lark].early / habits[lark].messages)
        sentences.append(f"{name(digest, lark)} is the early bird: {part} are from between five and eight.")
    opener = max(range(len(habits)), key=lambda author: (habits[author].first_of_day, -author))
    closer = max(range(len(habits)), key=lambda author: (habits[author].last_of_day, -author))
    second = "" if opener == closer else f"{name(digest, closer)} "
    sentences.append(
        f"Of {days:,} days with messages, {name(digest, opener)} opened {habits[opener].first_of_day:,} "
        f"and {second}closed {habits[closer].last_of_day:,}."
    )
    return tuple(sentences)


INSIGHT = InsightType("night_owls", make)
