"""The free statistics of a chat: counts that are made while its messages go by, in constant memory.

They are public to whoever knows the chat's id, so that nothing in them names anybody or quotes
anything. Days and hours are those of the local times.
"""

from collections import Counter
from datetime import date, datetime
from itertools import compress
from operator import attrgetter
from typing import Any

from chat_service.parsers import MessageBatch, MessageKind

_DAYS_A_WEEK = 7
_HOURS_A_DAY = 24
_hour = attrgetter("hour")


class DaySet:
    """A set of days between the years 1 and 9999, one bit each: 456 kB, however many they are."""

    def __init__(self) -> None:
        """Begin empty."""
        self._bits = bytearray(date.max.toordinal() // 8 + 1)

    def add(self, ordinals: set[int]) -> None:
        """Put days in, by their proleptic Gregorian ordinals."""
        for ordinal in ordinals:
            self._bits[ordinal >> 3] |= 1 << (ordinal & 7)

    def runs(self) -> tuple[int, int, int]:
        """Answer how many days there are, the most in a row, and the most in a row missing between two."""
        count = longest = gap = run = missing = 0
        for byte in self._bits.strip(b"\0"):
            for bit in range(8):
                if byte >> bit & 1:
                    count += 1
                    # What is missing before the first day is missing between nothing.
                    gap = max(gap, missing if count > 1 else 0)
                    run, missing = run + 1, 0
                    longest = max(longest, run)
                else:
                    run, missing = 0, missing + 1
        return count, longest, gap


class Stats:
    """Counts messages as they go by, batch by batch."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._kinds: Counter[MessageKind] = Counter()
        self._hours: Counter[int] = Counter()
        self._weekdays: Counter[int] = Counter()
        self._days = DaySet()
        self._authored = self._edited = self._characters = 0

    def add(self, messages: MessageBatch) -> None:
        """Take messages in."""
        self._kinds.update(messages.kinds)
        self._edited += messages.edited.count(True)
        times, bodies = messages.sent_local_times, messages.bodies
        if None in messages.authors:
            authored = [author is not None for author in messages.authors]
            times, bodies = list(compress(times, authored)), list(compress(bodies, authored))
        self._authored += len(bodies)
        self._characters += sum(map(len, bodies))
        self._hours.update(map(_hour, times))
        days = Counter(map(datetime.toordinal, times))
        for day, count in days.items():
            # The first of January of the year 1, day 1, was a Monday.
            self._weekdays[(day - 1) % _DAYS_A_WEEK] += count
        self._days.add(set(days))

    def as_row(self) -> dict[str, Any]:
        """Answer the counts as they are stored: the fields of chat.v1.ChatStats that no column has."""
        days, streak, silence = self._days.runs()
        return {
            "authored_count": self._authored,
            "kind_counts": {str(int(kind)): count for kind, count in self._kinds.items()},
            "edited_count": self._edited,
            "character_count": self._characters,
            "active_day_count": days,
            "longest_streak_day_count": streak,
            "longest_silence_day_count": silence,
            "weekday_counts": [self._weekdays[day] for day in range(_DAYS_A_WEEK)],
            "hour_counts": [self._hours[hour] for hour in range(_HOURS_A_DAY)],
        }
