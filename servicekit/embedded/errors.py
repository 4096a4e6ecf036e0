"""What can go wrong with an embedded server, in words for the person at the terminal."""

from pathlib import Path


class EmbeddedServerError(Exception):
    """An embedded server cannot be started or used; the message says why and what helps."""


class DataDirectoryInUse(EmbeddedServerError):
    """Another process works with this data directory."""

    def __init__(self, data_dir: Path, pid: int) -> None:
        """Name the directory and the process (0: unknown)."""
        super().__init__(
            f"the data directory {data_dir} is in use by process {pid}: stop that, or set HOLDFAST_DATA_DIR"
        )
        self.data_dir = data_dir
        self.pid = pid
