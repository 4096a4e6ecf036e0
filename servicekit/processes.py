"""Child processes that write to a log file, stop within a deadline, and die with their parent."""

import atexit
import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from servicekit import die_with_parent, guardian

#: How long a killed group may take to be gone; the kernel needs milliseconds.
_KILL_TIMEOUT_S = 5.0
#: How long children may take to stop after this process was killed.
_ORPHAN_DEADLINE_S = 10.0
_TAIL_BYTES_MAX = 64 * 1024

T = TypeVar("T")


@dataclass(frozen=True)
class Account:
    """The numeric user and group that a process runs as."""

    uid: int
    gid: int


class Child:
    """One process in a process group of its own, so that Ctrl-C in a terminal reaches only its parent.

    Killing the group catches the processes that the child started. Standard output and error
    are appended to the log; standard input is empty.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str],
        log_path: Path,
        *,
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        account: Account | None = None,
    ) -> None:
        """Describe the process; `start` starts it.

        `stop_signal` asks it to stop, and is what it gets when the parent dies. With an `account`
        (only root can give one) it runs as that user, without further groups.
        """
        self.name = name
        self.command = tuple(command)
        self.env = dict(env)
        self.log_path = log_path
        self.cwd = cwd
        self.stop_signal = stop_signal
        self.account = account
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it was started and runs still."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id, which is its group's id too. Raises RuntimeError before `start`."""
        return self._started().pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs, else its exit code; minus the signal's number when a signal ended it."""
        return self._started().poll()

    def start(self) -> None:
        """Start it. Raises OSError when the log cannot be written. A missing command is exit code 127."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        watch = _guardian()
        with self.log_path.open("ab") as log:
            log_fd = log.fileno()
            self._process = _in_lasting_thread(lambda: self._spawn(log_fd))
        watch.add(self._process.pid, self.stop_signal)
        atexit.register(self.terminate)

    def wait(self, timeout_s: float) -> int | None:
        """Wait until it ends and answer its exit code, or None when the time ran out."""
        try:
            return self._started().wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def send(self, number: signal.Signals) -> None:
        """Send the process (not its group) a signal; a process that has ended is left alone."""
        if self._process is not None:
            self._process.send_signal(number)

    def terminate(self, deadline_s: float = 10.0) -> int | None:
        """Ask it to stop, kill its group after the deadline, and answer the exit code (None: never started).

        Only the process itself is asked: one that manages workers tells them, and a worker that hears
        it twice might stop less gently. What it leaves in its group is killed.
        """
        if self._process is None:
            return None
        self.send(self.stop_signal)
        self.wait(deadline_s)
        self.kill()
        return self.exit_code

    def kill(self) -> None:
        """Kill the process and all that is in its group, at once."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # macOS answers EPERM for a group that has only zombies left.
            os.killpg(self.pid, signal.SIGKILL)
        self.wait(_KILL_TIMEOUT_S)
        _guardian().remove(self.pid)
        atexit.unregister(self.terminate)

    def log_tail(self, lines: int = 20) -> list[str]:
        """Answer the last lines of its log."""
        return tail(self.log_path, lines)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    def _spawn(self, log_fd: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            dying_with_parent(self.command, self.stop_signal, self.account),
            env=self.env,
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log_fd,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


def dying_with_parent(
    command: Sequence[str],
    stop_signal: signal.Signals = signal.SIGTERM,
    account: Account | None = None,
) -> list[str]:
    """Answer the command that runs `command` so that it gets the signal when this process dies (Linux)."""
    shim = [sys.executable, "-I", "-S", die_with_parent.__file__]
    runs_as = f"{account.uid}:{account.gid}" if account else "-"
    return [*shim, str(os.getpid()), str(int(stop_signal)), runs_as, *command]


def tail(path: Path, lines: int) -> list[str]:
    """Answer the last lines of a text file, at most 64 KiB of it; nothing when it is missing."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES_MAX))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


class _LastingThread:
    """A thread that lives as long as the process and runs what it is given, one after another.

    The kernel sends the death signal when the THREAD that started a child ends, so a child that was
    started from a pool's thread would die with the pool.
    """

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="child-starter", daemon=True).start()

    def call(self, function: Callable[[], T]) -> T:
        """Run the function in the thread; answer or raise what it does."""
        answer: Future[T] = Future()

        def work() -> None:
            try:
                answer.set_result(function())
            except BaseException as error:  # noqa: BLE001  # it is raised again in the calling thread
                answer.set_exception(error)

        self._work.put(work)
        return answer.result()

    def _run(self) -> None:
        while True:
            self._work.get()()


class _Guardian:
    """The process that outlives this one, to kill what this one could not stop any more."""

    def __init__(self) -> None:
        """Start it in a session of its own, so that nothing that is meant for this process reaches it."""
        command = [sys.executable, "-I", "-S", guardian.__file__, str(_ORPHAN_DEADLINE_S)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            # Its output would keep a reader of this process's output waiting.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        # Registered before the children are, so it runs after they have been stopped.
        atexit.register(self._end)

    def add(self, group: int, number: signal.Signals) -> None:
        """Let no process of the group outlive this one."""
        self._tell(f"+{group} {int(number)}")

    def remove(self, group: int) -> None:
        """Forget the group: it has ended."""
        self._tell(f"-{group}")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # Somebody killed it; the kernel's signal is left.
            # One unbuffered write of a short line stays whole, also beside another thread's.
            os.write(self._process.stdin.fileno(), f"{line}\n".encode())

    def _end(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(timeout=_KILL_TIMEOUT_S)


_guardians: dict[int, _Guardian] = {}
_lasting_threads: dict[int, _LastingThread] = {}
_singletons_lock = threading.Lock()


def _guardian() -> _Guardian:
    """Answer this process's guardian. The lock closes the race of two threads that both start the first."""
    with _singletons_lock:
        guardian_of_this = _guardians.get(os.getpid()) or _Guardian()
        _guardians[os.getpid()] = guardian_of_this
    return guardian_of_this


def _in_lasting_thread(function: Callable[[], T]) -> T:
    """Run it in a thread that will not end before the process. The main thread is one already.

    The lock closes the race of two threads that both make the first starter of this process;
    by process, because a fork does not take threads along.
    """
    if threading.current_thread() is threading.main_thread():
        return function()
    with _singletons_lock:
        thread = _lasting_threads.get(os.getpid()) or _LastingThread()
        _lasting_threads[os.getpid()] = thread
    return thread.call(function)
