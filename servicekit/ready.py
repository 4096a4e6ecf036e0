"""How a process tells the launcher that it serves: it makes the file that the launcher named."""

import os
from pathlib import Path

READY_FILE_VARIABLE = "HOLDFAST_READY_FILE"


def announce() -> None:
    """Make the file named by HOLDFAST_READY_FILE; without that variable nobody waits, nothing happens."""
    path = os.environ.get(READY_FILE_VARIABLE)
    if path:
        Path(path).touch()
