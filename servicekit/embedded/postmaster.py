"""`postmaster.pid`: the file in which a running PostgreSQL server tells who and how it is."""

import subprocess
import time
from pathlib import Path

from servicekit.embedded.errors import DataDirectoryInUse

_STATUS_LINE = 7
#: How long a server may take to end whose owner was killed; it has been told to by then.
_ORPHAN_TIMEOUT_S = 20.0
_POLL_S = 0.02
_PS_TIMEOUT_S = 5.0


class PidFile:
    """The file in one cluster's directory."""

    def __init__(self, cluster: Path) -> None:
        """Read nothing yet."""
        self._cluster = cluster
        self._path = cluster / "postmaster.pid"

    def says_ready(self, pid: int) -> bool:
        """Whether the server with this process id accepts connections."""
        lines = self._lines()
        return len(lines) > _STATUS_LINE and lines[0] == str(pid) and lines[_STATUS_LINE] == "ready"

    def wait_until_gone(self, data_dir: Path) -> None:
        """Wait for an orphaned server to end, and remove the file that a kill -9 left.

        Call it under the data directory's lock: then a server that runs here has lost its owner and is
        about to end. The process id alone proves nothing, it may belong to another program by now.
        Raises `DataDirectoryInUse` when the server stays.
        """
        deadline = time.monotonic() + _ORPHAN_TIMEOUT_S
        while (pid := self._pid()) and self._serves_here(pid):
            if time.monotonic() > deadline:
                raise DataDirectoryInUse(data_dir, pid)
            time.sleep(_POLL_S)
        self._path.unlink(missing_ok=True)

    def _lines(self) -> list[str]:
        try:
            return [line.strip() for line in self._path.read_text(errors="replace").splitlines()]
        except FileNotFoundError:
            return []

    def _pid(self) -> int | None:
        lines = self._lines()
        return int(lines[0]) if lines and lines[0].isdigit() else None

    def _serves_here(self, pid: int) -> bool:
        command = _command_of(pid)
        return "postgres" in command and str(self._cluster) in command


def _command_of(pid: int) -> str:
    """Answer a process's command line, or nothing when it is gone."""
    proc = Path("/proc", str(pid), "cmdline")
    try:
        return proc.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self").exists():
            return ""
    ps = ["ps", "-o", "command=", "-p", str(pid)]  # macOS has no /proc
    return subprocess.run(ps, capture_output=True, text=True, timeout=_PS_TIMEOUT_S, check=False).stdout
