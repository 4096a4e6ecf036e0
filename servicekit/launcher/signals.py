"""Waiting for signals and ended children without missing one and without spinning."""

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Any, Self

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """In its context SIGINT, SIGTERM and SIGHUP do not end the process but are noted. Main thread only.

    Closes the race between looking at the children and going to sleep: a signal that arrives
    in between has left a byte in the pipe, so the sleep ends at once.
    """

    def __init__(self) -> None:
        """Nothing is caught before the context is entered."""
        self.stop_requested = False
        self._old_handlers: dict[signal.Signals, Any] = {}  # what signal.signal answers has no better type
        self._old_wakeup_fd = -1

    def wait(self, timeout_s: float) -> None:
        """Sleep until a signal arrives (a child's end is one) or the time ran out."""
        if select.select([self._read_fd], [], [], timeout_s)[0]:
            os.read(self._read_fd, 4096)

    def __enter__(self) -> Self:
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)
        self._old_wakeup_fd = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in (*_STOP_SIGNALS, signal.SIGCHLD):
            self._old_handlers[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_wakeup_fd)
        os.close(self._read_fd)
        os.close(self._write_fd)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self.stop_requested = True
