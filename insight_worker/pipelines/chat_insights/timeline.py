"""timeline: how the conversation grew or faded."""

from collections import Counter

from ..interface import InsightResult, JsonValue
from .calendar import iso_day, iso_month, month_number, spoken_day, spoken_month
from .definition import InsightType
from .digest import Digest
from .numbers import rounded
from .wording import counted

MAX_DAYS = 730
MAX_WEEKS = 520
MAX_MONTHS = 240
"""The latest that are listed; earlier ones are counted but not listed."""
DAILY_CHART_DAYS = 120
"""Up to this span the chart shows days, above it months."""
MIN_GROWTH_DAYS = 8
"""A shorter span has no quarters worth comparing."""


def make(digest: Digest) -> InsightResult:
    """Messages by day, week (from Monday) and month, with the mean of seven days, and the growth."""
    days = Counter(digest.days)
    first, last = digest.days[0], digest.days[-1]
    months: Counter[int] = Counter()
    for day, count in days.items():
        months[month_number(day)] += count
    daily = _daily(days, first, last)
    monthly = _monthly(months)
    busiest = min(months, key=lambda month: (-months[month], month))
    quarters = _quarters(digest)
    change = _growth(quarters)
    data: dict[str, JsonValue] = {
        "chart": _day_chart(daily) if last - first < DAILY_CHART_DAYS else _month_chart(monthly),
        "days": daily,
        "weeks": _weekly(days, first, last),
        "months": monthly,
        "first_date": iso_day(first),
        "last_date": iso_day(last),
        "span_days": last - first + 1,
        "message_count": len(digest),
        "busiest_month": {"month": iso_month(busiest), "messages": months[busiest]},
        "quarters": quarters,
        "growth_percent": change,
    }
    sentences = (
        f"{counted(len(digest), 'message')} were written between {spoken_day(first)} and {spoken_day(last)}, "
        f"{len(digest) / (last - first + 1):.1f} a day on average.",
        f"The busiest month was {spoken_month(busiest)} with {counted(months[busiest], 'message')}.",
        _growth_sentence(quarters, change),
    )
    return InsightResult(data, sentences)


def _daily(days: Counter[int], first: int, last: int) -> dict[str, JsonValue]:
    listed = range(max(first, last - MAX_DAYS + 1), last + 1)
    means = [rounded(sum(days[near] for near in range(day - 6, day + 1)) / 7) for day in listed]
    return {
        "labels": [iso_day(day) for day in listed],
        "messages": [days[day] for day in listed],
        "mean_7_days": means,
    }


def _weekly(days: Counter[int], first: int, last: int) -> dict[str, JsonValue]:
    # Day 4 of 1970 was a Monday.
    weeks: Counter[int] = Counter()
    for day, count in days.items():
        weeks[(day - 4) // 7] += count
    end = (last - 4) // 7
    listed = range(max((first - 4) // 7, end - MAX_WEEKS + 1), end + 1)
    return {"labels": [_monday(week) for week in listed], "messages": [weeks[week] for week in listed]}


def _monday(week: int) -> str:
    """The week's Monday; the first week of the calendar itself has none."""
    return iso_day(max(week * 7 + 4, -719_162))


def _monthly(months: Counter[int]) -> dict[str, JsonValue]:
    last = max(months)
    listed = range(max(min(months), last - MAX_MONTHS + 1), last + 1)
    return {"labels": [iso_month(month) for month in listed], "messages": [months[month] for month in listed]}


def _quarters(digest: Digest) -> list[int]:
    """Messages in four equal parts of the time from the first to the last day."""
    first, span = digest.days[0], digest.days[-1] - digest.days[0] + 1
    parts = Counter((day - first) * 4 // span for day in digest.days)
    return [parts[part] for part in range(4)] if span >= MIN_GROWTH_DAYS else []


def _growth(quarters: list[int]) -> float | None:
    return rounded(100 * (quarters[3] - quarters[0]) / quarters[0], 1) if quarters else None


def _growth_sentence(quarters: list[int], change: float | None) -> str:
    if change is None:
        return "The time is too short to say whether it grows or fades."
    if abs(change) < 5:
        first, last = quarters[0], quarters[3]
        return f"It kept its pace: {first:,} messages in the first quarter of the time, {last:,} in the last."
    more = "more" if change > 0 else "fewer"
    return (
        f"In the last quarter of the time {counted(quarters[3], 'message was', 'messages were')} written, "
        f"{abs(change):,.0f}% {more} than in the first ({quarters[0]:,})."
    )


def _day_chart(daily: dict[str, JsonValue]) -> JsonValue:
    return _chart(daily, [("messages", "messages"), ("mean of 7 days", "mean_7_days")])


def _month_chart(monthly: dict[str, JsonValue]) -> JsonValue:
    return _chart(monthly, [("messages", "messages")])


def _chart(listed: dict[str, JsonValue], series: list[tuple[str, str]]) -> JsonValue:
    return {
        "type": "line",
        "labels": listed["labels"],
        "series": [{"label": title, "values": listed[key]} for title, key in series],
        "unit": "messages",
    }


INSIGHT = InsightType("timeline", make)
