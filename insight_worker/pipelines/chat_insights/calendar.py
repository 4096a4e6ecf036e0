"""Dates as day numbers: days since 1970-01-01 on the chat's local clock."""

from datetime import date, datetime, timedelta

from .digest import DAY_S

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS = tuple(f"{hour:02d}" for hour in range(24))
_EPOCH = date(1970, 1, 1)
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def weekday(day: int) -> int:
    """0 for Monday to 6 for Sunday. Day 0 was a Thursday."""
    return (day + 3) % 7


def iso_day(day: int) -> str:
    """Such as 2024-02-14."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def iso_time(time: int) -> str:
    """Such as 2024-02-14T20:15:00."""
    moment = datetime(1970, 1, 1) + timedelta(seconds=time)  # noqa: DTZ001  (local times carry no zone)
    return moment.isoformat()


def spoken_day(day: int) -> str:
    """Such as 14 February 2024."""
    value = _EPOCH + timedelta(days=day)
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def spoken_day_of(time: int) -> str:
    """The date of a time, such as 14 February 2024."""
    return spoken_day(time // DAY_S)


def month_number(day: int) -> int:
    """Months since year 0, so that neighbours differ by 1."""
    value = _EPOCH + timedelta(days=day)
    return value.year * 12 + value.month - 1


def iso_month(number: int) -> str:
    """Such as 2024-02."""
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def spoken_month(number: int) -> str:
    """Such as February 2024."""
    return f"{_MONTHS[number % 12]} {number // 12}"
