"""Waiting for a service that is away, for a while."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from insight_worker.errors import AttemptAbandoned, is_transient
from servicekit.errors import ServiceError
from servicekit.logs import get_logger

_log = get_logger(__name__)
_Answer = TypeVar("_Answer")

_FIRST_PAUSE_S = 0.1
_MAX_PAUSE_S = 2.0
#: An exception that Dramatiq raises in a thread arrives between two slices of a pause.
_SLICE_S = 0.1


class Patience:
    """Repeats calls that fail because a service is away: the stub's own retries last only a second or two.

    The heartbeat goes on meanwhile. What lasts longer than `limit_s` ends the attempt, not the job.
    """

    def __init__(self, limit_s: float) -> None:
        """Take the longest that one call may be repeated for."""
        self._limit_s = limit_s

    def call(self, work: Callable[[], _Answer]) -> _Answer:
        """Do it until it works. Raises AttemptAbandoned, or the error when it is not a passing one."""
        deadline = self.deadline()
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return work()
            except ServiceError as error:
                if not is_transient(error):
                    raise
                self.wait(error, deadline, pause_s)
                pause_s = min(pause_s * 2, _MAX_PAUSE_S)

    def deadline(self) -> float:
        """Answer until when (monotonic) it waits for what goes wrong from now on."""
        return time.monotonic() + self._limit_s

    def wait(self, error: ServiceError, deadline: float, pause_s: float) -> None:
        """Pause with jitter before the next try. Raises AttemptAbandoned when it would be too late."""
        asked_s = min(error.retry_after_s or 0.0, _MAX_PAUSE_S)
        pause_s = max(pause_s, asked_s) * random.uniform(0.5, 1.0)
        if time.monotonic() + pause_s > deadline:
            raise AttemptAbandoned(f"{error.reason} for more than {self._limit_s} s") from error
        _log.warning("a service is away", reason=error.reason, pause_ms=round(pause_s * 1000))
        _sleep(pause_s)


def _sleep(pause_s: float) -> None:
    end = time.monotonic() + pause_s
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE_S))
