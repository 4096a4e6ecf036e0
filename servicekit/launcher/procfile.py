"""`Procfile`: which processes make up the system, in Heroku's convention."""

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from servicekit.launcher.errors import LaunchError

_LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>\S.*)")
_RELEASE = "release"


class ProcfileError(LaunchError):
    """The file is missing or a line of it is no process."""


@dataclass(frozen=True)
class Procfile:
    """The commands, as argument lists, in the file's order."""

    #: Commands that run to their end, one after another, before the processes start.
    release: tuple[tuple[str, ...], ...]
    #: The processes by name.
    processes: dict[str, tuple[str, ...]]

    @classmethod
    def read(cls, path: Path) -> "Procfile":
        """Read `name: command` lines; `#` begins a comment line. Raises `ProcfileError` naming the line."""
        try:
            text = path.read_text()
        except OSError as error:
            raise ProcfileError(f"cannot read {path}: {error.strerror}") from error
        release: list[tuple[str, ...]] = []
        processes: dict[str, tuple[str, ...]] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = _LINE.fullmatch(line.strip())
            if match is None or match["name"] in processes:
                raise ProcfileError(f"{path}, line {number}: expected one `name: command`: {line}")
            if match["name"] == _RELEASE:
                release.append(arguments_of(match["command"]))
            else:
                processes[match["name"]] = arguments_of(match["command"])
        return cls(tuple(release), processes)


def arguments_of(command: str) -> tuple[str, ...]:
    """Split a command as a shell would; `python` is the interpreter that runs this."""
    program, *arguments = shlex.split(command)
    return (sys.executable if program == "python" else program, *arguments)
