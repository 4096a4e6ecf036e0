"""Tiny programs that the tests of processes and of the launcher start, by name."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from servicekit import ready
from servicekit.embedded import EmbeddedPostgres, EmbeddedRedis
from servicekit.processes import Child

#: Longer than any test; nothing waits for it.
_LONG_S = 600.0


def _note(kind: str) -> None:
    """Append this program's name to the file `kind` in NOTES_DIR, and its process id to `pids`."""
    notes = Path(os.environ["NOTES_DIR"])
    with (notes / kind).open("a") as file:
        file.write(f"{sys.argv[2]}\n")
    with (notes / "pids").open("a") as file:
        file.write(f"{os.getpid()}\n")


def serve() -> None:
    """Be ready, and end at SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        _note("started")
        ready.announce()
        time.sleep(_LONG_S)
    finally:
        _note("stopped")


def serve_until_told() -> None:
    """Be ready, and crash as soon as the file `crash` is in NOTES_DIR."""
    _note("started")
    ready.announce()
    while not Path(os.environ["NOTES_DIR"], "crash").exists():
        time.sleep(0.01)
    sys.exit("told to crash")


def never_ready() -> None:
    """Run, but never be ready."""
    _note("started")
    time.sleep(_LONG_S)


def crash() -> None:
    """Print thirty lines and end with 3 before being ready."""
    for number in range(30):
        print(f"line {number}")
    print("port 50051 is in use: set HOLDFAST_CREDIT_PORT")
    sys.exit(3)


def release() -> None:
    """Do the work of a release command."""
    _note("started")


def stubborn() -> None:
    """Ignore SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _note("started")
    ready.announce()
    time.sleep(_LONG_S)


def family() -> None:
    """Start a stubborn program, and wait for it."""
    _note("started")
    subprocess.run([sys.executable, "-m", __spec__.name, "stubborn", "child"], check=False)


def parent() -> None:
    """Start another program as a child that dies with this process, and wait."""
    command = [sys.executable, "-m", __spec__.name, sys.argv[3], "child"]
    Child("child", command, dict(os.environ), Path(os.environ["NOTES_DIR"], "child.log")).start()
    time.sleep(_LONG_S)


def stores() -> None:
    """Keep embedded stores up in DATA_DIR, and tell their process ids."""
    data_dir = Path(os.environ["DATA_DIR"])
    with EmbeddedPostgres(data_dir / "postgres") as postgres, EmbeddedRedis(data_dir / "redis") as redis:
        postgres.create_database("credit")
        print(postgres.pid, redis.pid, flush=True)
        time.sleep(_LONG_S)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
