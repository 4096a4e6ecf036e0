"""What the launcher says to the person at the terminal; colours only where they are seen."""

import os
import sys
from collections.abc import Sequence
from typing import TextIO

_RED = "31"
_DIM = "2"


class Terminal:
    """It writes to standard error: standard output is left to the greeting, the command and `ready`."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        """Colour when the stream is a terminal and NO_COLOR is unset."""
        self._stream = stream
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR")

    def step(self, text: str) -> None:
        """Tell about something that went as it should."""
        self._say(text, _DIM)

    def error(self, text: str, details: Sequence[str] = ()) -> None:
        """Tell about a failure, with lines that show why."""
        self._say(text, _RED)
        for line in details:
            print(f"    {line}", file=self._stream)
        self._stream.flush()

    def _say(self, text: str, colour: str) -> None:
        print(f"\x1b[{colour}m{text}\x1b[0m" if self._coloured else text, file=self._stream, flush=True)
