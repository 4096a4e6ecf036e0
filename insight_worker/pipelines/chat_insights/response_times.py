"""response_times: how long people wait for each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..interface import InsightResult, JsonValue
from .calendar import HOURS
from .charts import bars
from .conversation import SESSION_GAP_S
from .definition import MAX_DETAILED_AUTHORS, InsightType
from .digest import DAY_S, HOUR_S, Digest
from .numbers import median, percentile, rounded
from .people import labels, name, shown, unshown
from .wording import counted, duration, listed

MIN_REPLY_S = 5
"""Faster than this nobody has read anything: the two wrote at the same time."""
MAX_REPLY_S = 12 * HOUR_S
SAME_MINUTE_S = 30
"""What a reply within the same minute counts as where the export tells no seconds."""
NIGHT_HOUR = 4
OVERNIGHT_MIN_S = 3 * HOUR_S
MIN_REPLIES = 3
"""Fewer replies than this have no typical time."""
THIN_REPLIES = 20


@dataclass
class ReplyTimes:
    """Seconds one author took, by day and over night."""

    day: list[int] = field(default_factory=list)
    night: list[int] = field(default_factory=list)


def reply_seconds(digest: Digest, index: int) -> int | None:
    """How long message `index` came after the one before it, as a reply; None when it does not count."""
    seconds = digest.times[index] - digest.times[index - 1]
    if seconds == 0 and not digest.has_seconds:
        return SAME_MINUTE_S
    return seconds if MIN_REPLY_S <= seconds <= MAX_REPLY_S else None


def is_overnight(digest: Digest, index: int, seconds: int) -> bool:
    """Whether at least three hours passed before message `index`, with 04:00 among them."""
    if seconds < OVERNIGHT_MIN_S:
        return False
    night = NIGHT_HOUR * HOUR_S
    return (digest.times[index] - night) // DAY_S != (digest.times[index - 1] - night) // DAY_S


def make(digest: Digest) -> InsightResult:
    """Median and 90th percentile of the reply time by author, and by hour; replies over night apart."""
    by_author = [ReplyTimes() for _ in digest.names]
    by_hour: list[list[int]] = [[] for _ in range(24)]
    for index in range(1, len(digest)):
        if digest.authors[index] != digest.authors[index - 1]:
            _add_reply(digest, index, by_author, by_hour)
    rows = [_row(label, by_author[author]) for author, label in enumerate(labels(digest))]
    hours = [_typical_minutes(times) for times in by_hour]
    replies = sum(len(times.day) for times in by_author)
    people = shown(digest, MAX_DETAILED_AUTHORS)
    data: dict[str, JsonValue] = {
        "chart": bars(
            labels(digest, MAX_DETAILED_AUTHORS),
            [
                ("median", [_typical_minutes(by_author[author].day) for author in people]),
                ("90th percentile", [_typical_minutes(by_author[author].day, 90) for author in people]),
            ],
            "minutes",
        ),
        "rows": rows,
        "by_hour": {
            "labels": list(HOURS),
            "median_minutes": hours,
            "replies": [len(times) for times in by_hour],
        },
        "others": {"authors": unshown(digest)},
        "reply_count": replies,
        "overnight_reply_count": sum(len(times.night) for times in by_author),
        "time_resolution_s": 1 if digest.has_seconds else 60,
    }
    return InsightResult(data, _sentences(digest, by_author, hours, replies))


def _add_reply(digest: Digest, index: int, by_author: list[ReplyTimes], by_hour: list[list[int]]) -> None:
    seconds = reply_seconds(digest, index)
    if seconds is None:
        return
    times = by_author[digest.authors[index]]
    if is_overnight(digest, index, seconds):
        times.night.append(seconds)
    elif seconds < SESSION_GAP_S:
        times.day.append(seconds)
        by_hour[digest.hour(index - 1)].append(seconds)


def _typical(times: Sequence[int], percent: int = 50) -> float | None:
    if len(times) < MIN_REPLIES:
        return None
    return median(times) if percent == 50 else percentile(times, percent)


def _typical_minutes(times: Sequence[int], percent: int = 50) -> float | None:
    seconds = _typical(times, percent)
    return None if seconds is None else rounded(seconds / 60)


def _row(label: str, times: ReplyTimes) -> dict[str, JsonValue]:
    return {
        "author": label,
        "replies": len(times.day),
        "median_s": _typical(times.day),
        "p90_s": _typical(times.day, 90),
        "overnight_replies": len(times.night),
        "overnight_median_s": _typical(times.night),
    }


def _sentences(
    digest: Digest, by_author: Sequence[ReplyTimes], hours: Sequence[float | None], replies: int
) -> tuple[str, ...]:
    medians = [(author, _typical(by_author[author].day)) for author in shown(digest, 3)]
    parts = [f"{name(digest, a)} {duration(seconds)}" for a, seconds in medians if seconds is not None]
    if not parts:
        return (
            f"Only {counted(replies, 'reply', 'replies')} can be measured, too few to tell their speed.",
            f"A reply counts when somebody else writes between {MIN_REPLY_S} seconds and 6 hours later.",
        )
    sentences = [f"Half of everybody's replies come within this time: {listed(parts)}."]
    known = [(minutes, hour) for hour, minutes in enumerate(hours) if minutes is not None]
    if len(known) > 1:
        fastest, slowest = min(known), max(known)
        sentences.append(
            f"Answers come fastest to what is written from {fastest[1]:02d}:00 to {fastest[1]:02d}:59 "
            f"({duration(fastest[0] * 60)}) and slowest from {slowest[1]:02d}:00 to {slowest[1]:02d}:59 "
            f"({duration(slowest[0] * 60)})."
        )
    night = sum(len(times.night) for times in by_author)
    sentences.append(f"{counted(replies, 'reply', 'replies')} were measured; {night:,} more came over night.")
    if replies < THIN_REPLIES:
        sentences.append("That is little to go by, so take the times as a first impression.")
    return tuple(sentences)


INSIGHT = InsightType("response_times", make, min_authors=2)
