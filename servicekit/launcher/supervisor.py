"""Starts the processes of a Procfile, waits until each is ready, and notices when one ends."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from servicekit.launcher.errors import ProcessFailed, StopRequested
from servicekit.launcher.procfile import Procfile
from servicekit.launcher.signals import Signals
from servicekit.launcher.terminal import Terminal
from servicekit.processes import Child, dying_with_parent
from servicekit.ready import READY_FILE_VARIABLE

_RELEASE_TIMEOUT_S = 300.0
_GREETING_TIMEOUT_S = 60.0
_STOP_DEADLINE_S = 20.0
#: A signal ends every wait at once; these bound it for what makes no signal.
_READY_POLL_S = 0.05
_WATCH_POLL_S = 1.0
#: What a shell answers for a command that a signal ended.
_SIGNAL_EXIT = 128
INTERRUPTED_EXIT = 130


class Supervisor:
    """The processes of one run. Each is pushed on a stack, so they stop in reverse order as it unwinds."""

    def __init__(
        self,
        data_dir: Path,
        env: Mapping[str, str],
        *,
        stack: ExitStack,
        signals: Signals,
        terminal: Terminal,
        check_stores: Callable[[], None],
    ) -> None:
        """Logs go to `data_dir`/logs; those of the run before are kept there with the ending .1.

        `check_stores` raises when a store has ended.
        """
        self._data_dir = data_dir
        self._env = {**env, "PYTHONUNBUFFERED": "1"}
        self._stack = stack
        self._signals = signals
        self._terminal = terminal
        self._check_stores = check_stores
        self._children: list[Child] = []

    def start(self, procfile: Procfile, ready_timeout_s: float) -> None:
        """Run the release commands one after another, start all processes, and wait until each is ready.

        Raises `ProcessFailed` for the first that ends or is late, and `StopRequested`.
        """
        (self._data_dir / "run").mkdir(exist_ok=True)
        for number, command in enumerate(procfile.release, start=1):
            self._release(f"release-{number}", command)
        for name, command in procfile.processes.items():
            self._stop_if_asked()
            self._start(self._child(name, command))
        self._wait_until_ready(ready_timeout_s)

    def greet(self, command: Sequence[str]) -> None:
        """Run the command that tells people what they can do now. The system is up even when that fails."""
        code = self._run_in_front(command, _GREETING_TIMEOUT_S)
        if code != 0:
            self._terminal.error(f"the greeting failed ({code})")

    def keep_up(self) -> None:
        """Wait for a stop signal. Raises `ProcessFailed` when a process ends before."""
        while not self._signals.stop_requested:
            self._check()
            self._signals.wait(_WATCH_POLL_S)

    def run_in_front(self, command: Sequence[str]) -> int:
        """Run the command on this terminal and answer its exit code, 130 when a stop signal came first.

        Raises `ProcessFailed` when one of the processes ends meanwhile.
        """
        return self._run_in_front(command, None)

    def _run_in_front(self, command: Sequence[str], timeout_s: float | None) -> int:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        # It stays in this process group: the terminal is its own, and Ctrl-C reaches it.
        front = subprocess.Popen(dying_with_parent(command), env=self._env)
        try:
            while front.poll() is None and not self._signals.stop_requested and not _passed(deadline):
                self._check()
                self._signals.wait(_WATCH_POLL_S)
        finally:
            code = _end(front)
        if self._signals.stop_requested:
            return INTERRUPTED_EXIT
        return code if code >= 0 else _SIGNAL_EXIT - code

    def _release(self, name: str, command: Sequence[str]) -> None:
        words = " ".join(("python", *command[1:]) if command[0] == sys.executable else command)
        self._terminal.step(f"release: {words}")
        child = self._child(name, command)
        child.start()
        deadline = time.monotonic() + _RELEASE_TIMEOUT_S
        try:
            while child.alive and not _passed(deadline):
                self._stop_if_asked()
                self._signals.wait(_READY_POLL_S)
        finally:
            code = child.terminate(_STOP_DEADLINE_S)
        if code != 0:
            raise ProcessFailed(f"release: {words}: ended with {code}", child.log_path)

    def _child(self, name: str, command: Sequence[str]) -> Child:
        log_path = self._data_dir / "logs" / f"{name}.log"
        _keep_previous(log_path)
        self._ready_file(name).unlink(missing_ok=True)
        return Child(name, command, self._env | {READY_FILE_VARIABLE: str(self._ready_file(name))}, log_path)

    def _start(self, child: Child) -> None:
        child.start()
        self._stack.callback(child.terminate, _STOP_DEADLINE_S)
        self._children.append(child)

    def _ready_file(self, name: str) -> Path:
        return self._data_dir / "run" / f"{name}.ready"

    def _wait_until_ready(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        waiting = list(self._children)
        while waiting:
            self._stop_if_asked()
            self._check()
            for child in [child for child in waiting if self._ready_file(child.name).exists()]:
                waiting.remove(child)
                self._terminal.step(f"{child.name} is ready")
            if waiting and _passed(deadline):
                late = waiting[0]
                raise ProcessFailed(f"{late.name} was not ready within {timeout_s:.0f} s", late.log_path)
            if waiting:
                self._signals.wait(_READY_POLL_S)

    def _check(self) -> None:
        for child in self._children:
            if not child.alive:
                raise ProcessFailed(f"{child.name} ended with {child.exit_code}", child.log_path)
        self._check_stores()

    def _stop_if_asked(self) -> None:
        if self._signals.stop_requested:
            raise StopRequested


def _keep_previous(log_path: Path) -> None:
    """Rename the log of the run before, whose end may say why that run ended. The one before it is lost."""
    with suppress(FileNotFoundError):
        log_path.replace(log_path.with_name(f"{log_path.name}.1"))


def _passed(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline


def _end(process: "subprocess.Popen[bytes]") -> int:
    """Stop a process that runs still, and answer its exit code (minus the signal's number)."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(_STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(_STOP_DEADLINE_S)
