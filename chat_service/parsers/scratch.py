"""Room on a disk for what is kept for a while and does not fit into memory."""

import io
import tempfile
from pathlib import Path
from typing import Any, BinaryIO


class ScratchFailed(Exception):
    """The disk does not take what has to be kept: it is full, or not there."""


class Scratch:
    """A file without a name in a directory (None: the system's for temporary files), to be closed in the end.

    The system removes it even when the process is killed. What is written is on its way to the disk at once:
    a buffer would tell of a full disk only when it is emptied, which is where the file is read or closed.
    """

    def __init__(self, directory: Path | None) -> None:
        """Make the file; raises `ScratchFailed`."""
        try:
            self._file: Any = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115  # see `close`
        except OSError as error:
            raise ScratchFailed(str(error)) from error
        #: The file for readers, who come after the last byte was written.
        self.file: BinaryIO = io.BufferedReader(self._file)

    def write(self, data: bytes) -> None:
        """Append all of the bytes; raises `ScratchFailed`."""
        left = memoryview(data)
        try:
            # A disk that is about to be full takes a part, and says so only of the next one.
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise ScratchFailed(str(error)) from error

    def close(self) -> None:
        """Let the file go; twice does no harm."""
        self.file.close()
