"""Child processes: their logs, their end, and the end of those they started."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servicekit.processes import Child, tail
from tests.eventually import eventually
from tests.servicekit.tools import ROOT, all_gone, notes_of, program, program_env

MakeChild = Callable[[list[str]], Child]


@pytest.fixture
def make_child(tmp_path: Path) -> Iterator[MakeChild]:
    children = []

    def make(command: list[str]) -> Child:
        child = Child("child", command, program_env(tmp_path), tmp_path / "logs" / "child.log")
        children.append(child)
        return child

    yield make
    for child in children:
        child.kill()


def test_a_child_writes_to_its_log_and_answers_its_exit_code(make_child: MakeChild) -> None:
    child = make_child(program("crash", "child"))

    child.start()

    assert child.wait(timeout_s=30) == 3
    assert not child.alive
    assert child.log_tail(2) == ["line 29", "port 50051 is in use: set HOLDFAST_CREDIT_PORT"]


def test_a_command_that_does_not_exist_is_named_in_the_log(make_child: MakeChild) -> None:
    child = make_child(["no-such-command"])

    child.start()

    assert child.wait(timeout_s=30) == 127
    assert "cannot run no-such-command" in child.log_tail()[-1]


def test_a_child_is_asked_to_stop_before_it_is_killed(make_child: MakeChild, tmp_path: Path) -> None:
    child = make_child(program("serve", "child"))
    child.start()
    eventually(lambda: notes_of(tmp_path, "started"))

    assert child.terminate(deadline_s=30) == 0

    assert notes_of(tmp_path, "stopped") == ["child"]


def test_a_child_that_does_not_stop_is_killed_after_the_deadline(
    make_child: MakeChild, tmp_path: Path
) -> None:
    child = make_child(program("stubborn", "child"))
    child.start()
    eventually(lambda: notes_of(tmp_path, "started"))

    assert child.terminate(deadline_s=0.1) == -signal.SIGKILL


def test_stopping_a_child_catches_the_processes_that_it_started(
    make_child: MakeChild, tmp_path: Path
) -> None:
    child = make_child(program("family", "mother"))
    child.start()
    eventually(lambda: notes_of(tmp_path, "started") == ["mother", "child"])

    child.terminate(deadline_s=30)

    eventually(lambda: all_gone(tmp_path))


def test_a_signal_to_the_group_of_the_parent_does_not_reach_the_child(make_child: MakeChild) -> None:
    child = make_child(program("never_ready", "child"))
    child.start()

    assert os.getpgid(child.pid) == child.pid


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process about its parent's death")
def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(program("parent", "parent", "serve"), env=program_env(tmp_path), cwd=ROOT)
    try:
        eventually(lambda: notes_of(tmp_path, "started"))
    finally:
        parent.kill()
        parent.wait(timeout=10)

    eventually(lambda: notes_of(tmp_path, "stopped") == ["child"])
    eventually(lambda: all_gone(tmp_path))


@pytest.mark.parametrize("kind", ["stubborn", "family"])
def test_what_does_not_stop_for_a_dead_parent_is_killed(tmp_path: Path, kind: str) -> None:
    parent = subprocess.Popen(program("parent", "parent", kind), env=program_env(tmp_path), cwd=ROOT)
    try:
        eventually(lambda: "child" in notes_of(tmp_path, "started"))
    finally:
        parent.kill()
        parent.wait(timeout=10)

    eventually(lambda: all_gone(tmp_path), timeout_s=30)


def test_a_child_outlives_the_thread_that_started_it(make_child: MakeChild, tmp_path: Path) -> None:
    child = make_child(program("serve", "child"))
    thread = threading.Thread(target=child.start)
    thread.start()
    thread.join(timeout=30)

    eventually(lambda: notes_of(tmp_path, "started"))

    assert child.alive


def test_a_child_that_was_never_started_stops_without_a_word(make_child: MakeChild) -> None:
    child = make_child(["true"])

    assert child.terminate() is None

    assert not child.alive
    with pytest.raises(RuntimeError, match="child was not started"):
        child.pid  # noqa: B018  # reading it is what raises


def test_the_signals_that_python_ignores_are_not_ignored_in_a_child(make_child: MakeChild) -> None:
    child = make_child(["sh", "-c", "kill -PIPE $$; exit 0"])

    child.start()

    assert child.wait(timeout_s=30) == -signal.SIGPIPE


def test_the_tail_of_a_missing_log_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "missing.log", 20) == []
