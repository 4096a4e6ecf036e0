"""A worker that was told to stop takes no more jobs."""

import threading
from typing import Any

from dramatiq import Broker
from dramatiq.errors import Retry
from dramatiq.middleware import Middleware

#: By then the threads of a worker that stops have ended, so the message cannot come back to it.
_ELSEWHERE_MS = 500


class Draining(Middleware):
    """Knows that the worker stops, from before its jobs are interrupted.

    It closes this race: a thread of Dramatiq that waits for work takes one more message after the stop
    has begun, often the very job that was just handed over. That job would not be interrupted again and
    would keep the worker from stopping. Stands before ShutdownNotifications: a job that begins either finds
    the flag, or has asked for its interrupt before they are sent.
    """

    def __init__(self) -> None:
        """Not draining."""
        self._begun = threading.Event()

    def before_worker_shutdown(self, broker: Broker, worker: Any) -> None:
        """Take no more jobs."""
        self._begun.set()

    def refuse_when_begun(self) -> None:
        """Raise Retry when the worker stops: the message goes to another one."""
        if self._begun.is_set():
            raise Retry("this worker stops", delay=_ELSEWHERE_MS)
