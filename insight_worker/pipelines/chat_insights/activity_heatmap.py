"""activity_heatmap: when in the week people write."""

from collections import Counter

from ..interface import InsightResult
from .calendar import HOURS, WEEKDAYS, iso_day, spoken_day, weekday
from .charts import heatmap
from .definition import InsightType
from .digest import Digest
from .numbers import share
from .wording import counted, percent


def make(digest: Digest) -> InsightResult:
    """Messages by weekday (Monday first) and local hour, 7 × 24."""
    matrix = _matrix(digest)
    by_day = [sum(row) for row in matrix]
    by_hour = [sum(column) for column in zip(*matrix, strict=True)]
    peak_day, peak_hour = by_day.index(max(by_day)), by_hour.index(max(by_hour))
    dates = Counter(digest.days)
    busiest = min(dates, key=lambda day: (-dates[day], day))
    total = len(digest)
    return InsightResult(
        {
            "chart": heatmap(WEEKDAYS, HOURS, matrix, "messages"),
            "message_count": total,
            "by_weekday": by_day,
            "by_hour": by_hour,
            "peak_weekday": _peak(WEEKDAYS[peak_day], by_day[peak_day], total),
            "peak_hour": _peak(HOURS[peak_hour], by_hour[peak_hour], total),
            "busiest_date": {"date": iso_day(busiest), "messages": dates[busiest]},
        },
        (
            f"{WEEKDAYS[peak_day]} is the liveliest day: {percent(by_day[peak_day] / total)} of the "
            f"{counted(total, 'message')} were written on it.",
            f"Most is written between {peak_hour:02d}:00 and {peak_hour:02d}:59, "
            f"{counted(by_hour[peak_hour], 'message')} in all.",
            f"The busiest date was {spoken_day(busiest)} with {counted(dates[busiest], 'message')}.",
        ),
    )


def _matrix(digest: Digest) -> list[list[int]]:
    matrix = [[0] * 24 for _ in range(7)]
    for index, day in enumerate(digest.days):
        matrix[weekday(day)][digest.hour(index)] += 1
    return matrix


def _peak(label: str, messages: int, total: int) -> dict[str, str | int | float]:
    return {"label": label, "messages": messages, "share": share(messages, total)}


INSIGHT = InsightType("activity_heatmap", make)
