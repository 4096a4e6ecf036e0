"""How a stream of messages falls into sessions, turns and replies."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SESSION_GAP_S = 6 * 3_600
"""A silence this long or longer ends a session."""


@dataclass(frozen=True, slots=True)
class Run:
    """A half-open range of message indexes."""

    start: int
    end: int

    @property
    def last(self) -> int:
        """The index of its last message."""
        return self.end - 1

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Conversation:
    """Sessions and turns as the indexes of their first messages, in order.

    A session goes on until a silence of 6 h. A turn is a run of messages of one author within a session.
    """

    length: int
    session_starts: "array[int]"
    turn_starts: "array[int]"

    @classmethod
    def of(cls, times: Sequence[int], authors: Sequence[int]) -> "Conversation":
        """Cuts messages, sorted by time, into sessions and turns."""
        sessions, turns = array("I"), array("I")
        last_time, last_author = None, None
        for index, (time, author) in enumerate(zip(times, authors, strict=True)):
            opens = last_time is None or time - last_time >= SESSION_GAP_S
            if opens:
                sessions.append(index)
            if opens or author != last_author:
                turns.append(index)
            last_time, last_author = time, author
        return cls(len(times), sessions, turns)

    def sessions(self) -> Iterator[Run]:
        """All sessions in order."""
        return _runs(self.session_starts, self.length)

    def turns(self) -> Iterator[Run]:
        """All turns in order."""
        return _runs(self.turn_starts, self.length)

    def replies(self) -> Iterator[tuple[int, int]]:
        """(index of the last message of a turn, index of the first of the next), within sessions."""
        opens = set(self.session_starts)
        return ((start - 1, start) for start in self.turn_starts if start not in opens)

    def session_of(self, index: int) -> int:
        """The place of a message's session, from 0."""
        return bisect_right(self.session_starts, index) - 1


def _runs(starts: Sequence[int], length: int) -> Iterator[Run]:
    """The ranges between starts, and from the last start to the end."""
    for place, start in enumerate(starts):
        yield Run(start, starts[place + 1] if place + 1 < len(starts) else length)
