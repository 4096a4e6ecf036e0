"""The launcher, driven from outside with Procfiles of tiny programs."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servicekit.launcher.procfile import Procfile, ProcfileError
from tests.eventually import eventually
from tests.servicekit.tools import all_gone, gone, notes_of, program_env

Launch = Callable[..., "subprocess.Popen[str]"]

_PROGRAM = "python -m tests.servicekit.programs"
_TIMEOUT_S = 60
#: Prints the settings that a command beside the system gets.
_SHOW_ENV = """python -c 'import json, os; print(json.dumps(dict(os.environ)))'"""


@pytest.fixture
def launch(tmp_path: Path, open_dir: Path) -> Iterator[Launch]:
    """Start the launcher in a directory of its own: `launch(procfile text, *options, **variables)`."""
    launchers = []

    def start(procfile: str, *options: str, **variables: str) -> "subprocess.Popen[str]":
        (tmp_path / "Procfile").write_text(procfile)
        env = program_env(tmp_path, **{"HOLDFAST_DATA_DIR": str(open_dir / "data"), **variables})
        launcher = subprocess.Popen(
            [sys.executable, "-m", "servicekit.launcher", *options],
            env=env,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        launchers.append(launcher)
        return launcher

    yield start
    for launcher in launchers:
        launcher.terminate()
        launcher.communicate(timeout=_TIMEOUT_S)


def wait_for_ready(launcher: "subprocess.Popen[str]") -> list[str]:
    """Read its output up to `ready`; answers the lines before."""
    assert launcher.stdout is not None
    lines: list[str] = []
    for line in launcher.stdout:
        if line == "ready\n":
            return lines
        lines.append(line.rstrip("\n"))
    raise AssertionError(f"never ready: {launcher.communicate(timeout=_TIMEOUT_S)[1]}")


def test_releases_run_first_and_processes_stop_in_reverse_order(launch: Launch, tmp_path: Path) -> None:
    procfile = f"""
        release: {_PROGRAM} release first
        # a comment
        release: {_PROGRAM} release second
        one: {_PROGRAM} serve one
        two: {_PROGRAM} serve two
    """
    launcher = launch(procfile, "--greeting", "echo hello there")

    assert wait_for_ready(launcher) == ["hello there"]
    started = notes_of(tmp_path, "started")
    launcher.send_signal(signal.SIGINT)
    launcher.communicate(timeout=_TIMEOUT_S)

    assert launcher.returncode == 0
    assert (started[:2], sorted(started[2:])) == (["first", "second"], ["one", "two"])
    assert notes_of(tmp_path, "stopped") == ["two", "one"]
    assert all_gone(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process about its parent's death")
def test_a_killed_launcher_leaves_nothing_behind(launch: Launch, tmp_path: Path, open_dir: Path) -> None:
    launcher = launch(f"one: {_PROGRAM} serve one\n", "--database", "credit", "--redis")
    wait_for_ready(launcher)
    pid_file = open_dir / "data" / "postgres" / "home" / "cluster" / "postmaster.pid"
    postgres_pid = int(pid_file.resolve().read_text().split()[0])

    launcher.kill()

    eventually(lambda: notes_of(tmp_path, "stopped") == ["one"])
    eventually(lambda: all_gone(tmp_path) and gone(postgres_pid))


def test_stores_that_nobody_named_are_embedded_and_told_to_everyone(
    launch: Launch, tmp_path: Path, open_dir: Path
) -> None:
    procfile = f"one: {_PROGRAM} serve one\n"
    options = ["--database", "credit", "--database", "chat", "--redis", "--free-port", "one"]
    (tmp_path / ".env").write_text(
        "HOLDFAST_CHAT_DATABASE_URL=postgresql://elsewhere/chat\nHOLDFAST_TWO_PORT=5\n"
    )

    launcher = launch(procfile, *options, "--greeting", _SHOW_ENV, HOLDFAST_THREE_PORT="6")
    env = json.loads(wait_for_ready(launcher)[0])
    stores_file = open_dir / "data" / "stores.env"
    told = dict(line.split("=", 1) for line in stores_file.read_text().splitlines())
    mode = stat.S_IMODE(stores_file.stat().st_mode)
    launcher.terminate()
    launcher.communicate(timeout=_TIMEOUT_S)

    assert env["HOLDFAST_CREDIT_DATABASE_URL"].startswith("postgresql://postgres@/credit?host=/")
    assert env["HOLDFAST_REDIS_URL"].startswith("unix:///")
    assert env["HOLDFAST_CHAT_DATABASE_URL"] == "postgresql://elsewhere/chat"
    assert env["HOLDFAST_DATA_DIR"] == str(open_dir / "data")
    assert int(env["HOLDFAST_ONE_PORT"]) > 1023
    names = ("CREDIT_DATABASE_URL", "REDIS_URL", "ONE_PORT", "TWO_PORT", "THREE_PORT")
    assert told == {f"HOLDFAST_{name}": env[f"HOLDFAST_{name}"] for name in names}
    assert mode == 0o600
    assert not stores_file.exists()
    assert launcher.returncode == 0


def test_a_process_that_ends_too_early_is_named_with_the_end_of_its_log(
    launch: Launch, tmp_path: Path, open_dir: Path
) -> None:
    launcher = launch(f"one: {_PROGRAM} serve one\nbroken: {_PROGRAM} crash broken\n")

    output, errors = launcher.communicate(timeout=_TIMEOUT_S)

    assert launcher.returncode == 1
    assert "broken ended with 3" in errors
    assert "port 50051 is in use: set HOLDFAST_CREDIT_PORT" in errors
    assert ("line 11\n" in errors, "line 10\n" in errors) == (True, False)
    assert str(open_dir / "data" / "logs") in errors
    assert "\x1b" not in errors
    assert "ready\n" not in output.splitlines(keepends=True)
    assert all_gone(tmp_path)


def test_a_process_that_ends_later_stops_everything(launch: Launch, tmp_path: Path) -> None:
    launcher = launch(f"one: {_PROGRAM} serve one\nlate: {_PROGRAM} serve_until_told late\n")
    wait_for_ready(launcher)

    (tmp_path / "crash").touch()
    _, errors = launcher.communicate(timeout=_TIMEOUT_S)

    assert launcher.returncode == 1
    assert "late ended with 1" in errors
    assert "told to crash" in errors
    assert notes_of(tmp_path, "stopped") == ["one"]
    assert all_gone(tmp_path)


def test_a_store_that_ends_stops_everything(launch: Launch, tmp_path: Path, open_dir: Path) -> None:
    launcher = launch(f"one: {_PROGRAM} serve one\n", "--database", "credit")
    wait_for_ready(launcher)
    pid_file = open_dir / "data" / "postgres" / "home" / "cluster" / "postmaster.pid"

    os.kill(int(pid_file.resolve().read_text().split()[0]), signal.SIGKILL)
    _, errors = launcher.communicate(timeout=_TIMEOUT_S)

    assert launcher.returncode == 1
    assert "EmbeddedPostgres has ended" in errors
    assert all_gone(tmp_path)


def test_a_process_that_is_never_ready_is_given_up(launch: Launch, tmp_path: Path) -> None:
    launcher = launch(f"slow: {_PROGRAM} never_ready slow\n", "--ready-timeout", "0.5")

    _, errors = launcher.communicate(timeout=_TIMEOUT_S)

    assert launcher.returncode == 1
    assert "slow was not ready" in errors
    assert all_gone(tmp_path)


def test_a_failed_release_starts_no_process(launch: Launch, tmp_path: Path) -> None:
    launcher = launch(f"release: {_PROGRAM} crash migrate\none: {_PROGRAM} serve one\n")

    _, errors = launcher.communicate(timeout=_TIMEOUT_S)

    assert launcher.returncode == 1
    assert f"release: {_PROGRAM} crash migrate: ended with 3" in errors
    assert notes_of(tmp_path, "started") == []


def test_a_stop_while_starting_is_heeded(launch: Launch, tmp_path: Path) -> None:
    launcher = launch(f"slow: {_PROGRAM} never_ready slow\n")
    eventually(lambda: notes_of(tmp_path, "started"))

    launcher.terminate()
    output, _ = launcher.communicate(timeout=_TIMEOUT_S)

    assert (launcher.returncode, output) == (0, "")
    assert all_gone(tmp_path)


@pytest.mark.parametrize("code", [0, 7])
def test_then_runs_in_front_and_gives_the_exit_code(
    launch: Launch, tmp_path: Path, open_dir: Path, code: int
) -> None:
    launcher = launch(f"one: {_PROGRAM} serve one\n", "--then", f"sh -c 'echo working; exit {code}'")

    output, errors = launcher.communicate(timeout=_TIMEOUT_S)

    assert (launcher.returncode, output) == (code, "working\n")
    assert (str(open_dir / "data" / "logs") in errors) == (code != 0)
    assert notes_of(tmp_path, "stopped") == ["one"]


def test_then_ends_when_a_process_ends_or_a_signal_comes(launch: Launch, tmp_path: Path) -> None:
    waits = f"{_PROGRAM} never_ready front"
    launcher = launch(f"late: {_PROGRAM} serve_until_told late\n", "--then", waits)
    eventually(lambda: "front" in notes_of(tmp_path, "started"))
    (tmp_path / "crash").touch()
    launcher.communicate(timeout=_TIMEOUT_S)
    assert launcher.returncode == 1
    assert all_gone(tmp_path)

    (tmp_path / "started").unlink()
    launcher = launch(f"one: {_PROGRAM} serve one\n", "--then", waits)
    eventually(lambda: "front" in notes_of(tmp_path, "started"))
    launcher.terminate()
    launcher.communicate(timeout=_TIMEOUT_S)
    assert launcher.returncode == 130
    assert all_gone(tmp_path)


@pytest.mark.parametrize("code", [0, 1])
def test_a_temporary_run_leaves_its_data_only_when_it_failed(
    launch: Launch, open_dir: Path, code: int
) -> None:
    options = ("--temporary", "--database", "credit", "--redis", "--then", f"sh -c 'exit {code}'")
    launcher = launch(f"one: {_PROGRAM} serve one\n", *options, TMPDIR=str(open_dir))

    _, errors = launcher.communicate(timeout=_TIMEOUT_S)
    left = [path for path in open_dir.iterdir() if path.name.startswith("holdfast-run-")]

    assert launcher.returncode == code
    assert bool(left) == bool(code)
    assert all(str(path / "logs") in errors for path in left)
    assert not (open_dir / "data").exists()


def test_a_second_launcher_on_the_same_data_is_refused(launch: Launch, open_dir: Path) -> None:
    first = launch(f"one: {_PROGRAM} serve one\n")
    wait_for_ready(first)

    second = launch(f"one: {_PROGRAM} serve one\n")
    _, errors = second.communicate(timeout=_TIMEOUT_S)

    assert second.returncode == 1
    assert f"{open_dir / 'data'} is in use by process {first.pid}" in errors
    assert first.poll() is None


def test_a_greeting_that_fails_does_not_stop_the_system(launch: Launch) -> None:
    launcher = launch(f"one: {_PROGRAM} serve one\n", "--greeting", "no-such-command")

    wait_for_ready(launcher)
    launcher.terminate()
    _, errors = launcher.communicate(timeout=_TIMEOUT_S)

    assert launcher.returncode == 0
    assert "the greeting failed (127)" in errors


def test_a_port_that_the_user_set_stays(launch: Launch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        options = ("--free-port", "one", "--free-port", "two", "--then", _SHOW_ENV)
        launcher = launch("", *options, HOLDFAST_ONE_PORT=port, HOLDFAST_TWO_PORT="")
        env = json.loads(launcher.communicate(timeout=_TIMEOUT_S)[0])

    assert env["HOLDFAST_ONE_PORT"] == port
    assert env["HOLDFAST_TWO_PORT"] not in ("", port)


def test_a_port_that_is_0_is_chosen_and_told_to_everyone(
    launch: Launch, tmp_path: Path, open_dir: Path
) -> None:
    (tmp_path / ".env").write_text("HOLDFAST_TWO_PORT=0\n")
    procfile = f"one: {_PROGRAM} serve one\n"

    launcher = launch(procfile, "--greeting", _SHOW_ENV, "--free-port", "one", HOLDFAST_ONE_PORT="0")
    env = json.loads(wait_for_ready(launcher)[0])
    told = (open_dir / "data" / "stores.env").read_text().splitlines()

    ports = {name: env[name] for name in ("HOLDFAST_ONE_PORT", "HOLDFAST_TWO_PORT")}
    assert all(int(port) > 0 for port in ports.values())
    assert len(set(ports.values())) == 2
    assert sorted(told) == sorted(f"{name}={port}" for name, port in ports.items())


def test_the_logs_of_the_run_before_are_kept(launch: Launch, tmp_path: Path, open_dir: Path) -> None:
    logs = open_dir / "data" / "logs"
    procfile = (
        "release: sh -c 'echo released $RUN'\n" + f"one: sh -c 'echo $RUN; exec {_PROGRAM} serve one'\n"
    )
    for run in ("first", "second", "third"):
        launcher = launch(procfile.replace("python", sys.executable), "--then", "true", RUN=run)
        launcher.communicate(timeout=_TIMEOUT_S)
        assert launcher.returncode == 0

    assert {path.name: path.read_text() for path in logs.iterdir()} == {
        "release-1.log": "released third\n",
        "release-1.log.1": "released second\n",
        "one.log": "third\n",
        "one.log.1": "second\n",
    }


@pytest.mark.parametrize("text", ["no process", "one: a\none: b", "one:", "two words: a"])
def test_a_line_that_is_no_process_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "Procfile").write_text(text)

    with pytest.raises(ProcfileError, match="line"):
        Procfile.read(tmp_path / "Procfile")
    with pytest.raises(ProcfileError, match="cannot read"):
        Procfile.read(tmp_path / "missing")


def test_the_repositorys_procfile_names_every_process() -> None:
    procfile = Procfile.read(Path(__file__).parents[2] / "Procfile")

    assert list(procfile.processes) == ["credit_service", "chat_service", "insight_worker", "gateway"]
    assert len(procfile.release) == 2
