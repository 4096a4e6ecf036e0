"""Turns a stream of messages around without holding all of them in memory."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from chat_service.parsers.model import ParsedMessage
from chat_service.parsers.scratch import Scratch

# Up to here nothing is written to disk: more than the 10,000 messages that Meta writes into a file.
_MEMORY_BYTES = 4 * 1024 * 1024


def newest_last(
    batches: Iterator[list[ParsedMessage]], directory: Path | None
) -> Iterator[list[ParsedMessage]]:
    """Yields the same messages from the last to the first, in batches of the same sizes.

    What does not fit into memory is kept in a file in the directory. Raises ScratchFailed.
    """
    with _Pile(directory) as pile:
        for batch in batches:
            pile.put(pickle.dumps(batch, pickle.HIGHEST_PROTOCOL))
        for pickled in pile.from_the_top():
            # Bytes that were written a moment ago, into a file that nobody else can open.
            batch = pickle.loads(pickled)  # noqa: S301
            batch.reverse()
            yield batch


class _Pile:
    """Byte strings, one on the other; the lower ones are on disk once they are too many for memory."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._disk: Scratch | None = None
        self._sizes_on_disk: list[int] = []
        self._in_memory: list[bytes] = []
        self._bytes_in_memory = 0

    def put(self, data: bytes) -> None:
        """Lays one on the top. Raises ScratchFailed."""
        self._in_memory.append(data)
        self._bytes_in_memory += len(data)
        if self._bytes_in_memory > _MEMORY_BYTES:
            self._to_disk()

    def from_the_top(self) -> Iterator[bytes]:
        """Yields all, the last one first; comes after the last `put`."""
        yield from reversed(self._in_memory)
        end = sum(self._sizes_on_disk)
        for size in reversed(self._sizes_on_disk):
            assert self._disk is not None
            end -= size
            self._disk.file.seek(end)
            yield self._disk.file.read(size)

    def _to_disk(self) -> None:
        if self._disk is None:
            self._disk = Scratch(self._directory)
        for data in self._in_memory:
            self._disk.write(data)
            self._sizes_on_disk.append(len(data))
        self._in_memory.clear()
        self._bytes_in_memory = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._disk is not None:
            self._disk.close()
