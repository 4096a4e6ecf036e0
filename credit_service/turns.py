"""Callers of one account line up in this process before they take a database connection.

Whoever waits for a locked row waits with a connection in hand. Without this line, callers of one account
would take them all, and everybody else would wait for that account. Correctness never depends on it: what is
true about coins is decided under the row locks.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servicekit.errors import RateLimited

AT_ONCE = 3
"""Transactions of one account at once: one that holds the row, others on their way to it and from it."""

MAX_WAITING = 500
"""Callers in the line of one account: half of the RPCs that run at once by default, so others have theirs."""


class _Line:
    """The line of one account, and how many stand in it or have their turn."""

    def __init__(self, at_once: int) -> None:
        self.turns = asyncio.Semaphore(at_once)
        self.callers = 0


class Turns:
    """Gives turns, account by account, first come, first served; an account without callers takes no room."""

    def __init__(self, at_once: int = AT_ONCE, max_waiting: int = MAX_WAITING) -> None:
        """Take how many callers of one account have a turn at once, and how many more may wait for one."""
        self._at_once = at_once
        self._max_waiting = max_waiting
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def of(self, user_id: str) -> AsyncIterator[None]:
        """Wait for a turn, and hold it for the block; raises `RateLimited` when the line is too long.

        A caller whose deadline passes in the line leaves it and never had a turn.
        """
        line = self._lines.setdefault(user_id, _Line(self._at_once))
        if line.callers >= self._at_once + self._max_waiting:
            raise RateLimited(f"{self._max_waiting} callers waiting for one account")
        line.callers += 1
        try:
            async with line.turns:
                yield
        finally:
            line.callers -= 1
            if line.callers == 0:
                del self._lines[user_id]

    def __len__(self) -> int:
        """Count the accounts that have callers now."""
        return len(self._lines)
