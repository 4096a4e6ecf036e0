"""How many long requests, such as uploads and streams, run at once: of one user, and of all."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import Refused


class UserSlots:
    """Counts one kind of request in this process."""

    def __init__(self, name: str, per_user: int, total: int) -> None:
        """Take the kind's name in the plural, and how many there may be."""
        self._name = name
        self._per_user = per_user
        self._total = total
        self._running: Counter[str] = Counter()

    @property
    def running(self) -> int:
        """How many run now."""
        return self._running.total()

    @contextmanager
    def slot(self, user_id: str) -> Iterator[None]:
        """Count one while the context lasts; raises `Refused` with 429, or 503 when all are taken."""
        if self._running[user_id] >= self._per_user:
            limit = f"{self._per_user} {self._name} at once"
            message = f"the limit of {limit} is reached; end one first"
            raise Refused(429, "RATE_LIMITED", message, details={"limit": limit, "by": self._name})
        if self.running >= self._total:
            raise Refused(503, "UNAVAILABLE", f"too many {self._name} are running; try again")
        self._running[user_id] += 1
        try:
            yield
        finally:
            self._running[user_id] -= 1
            # Users who left must not stay in memory.
            if not self._running[user_id]:
                del self._running[user_id]
