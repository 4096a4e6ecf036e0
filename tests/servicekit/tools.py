"""What the tests of processes share."""

import os
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]


def program(*arguments: str) -> list[str]:
    """Answer the command that runs one of the programs."""
    return [sys.executable, "-m", "tests.servicekit.programs", *arguments]


def program_env(notes: Path, **variables: str) -> dict[str, str]:
    """Answer the environment of a program with its notes in `notes`; the caller's settings stay out."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    return own | {"PYTHONPATH": str(ROOT), "NOTES_DIR": str(notes)} | variables


def notes_of(notes: Path, kind: str) -> list[str]:
    """Answer the names that the programs noted, in order."""
    path = notes / kind
    return path.read_text().split() if path.exists() else []


def gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def network_connections(pid: int) -> list[object]:
    """Answer the TCP and UDP sockets of a process."""
    return list(psutil.Process(pid).net_connections("inet"))


def all_gone(notes: Path) -> bool:
    """Whether every program that noted its process id has ended."""
    return all(gone(int(pid)) for pid in notes_of(notes, "pids"))
