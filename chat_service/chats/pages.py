"""How many rows go into one answer of a stream: no more than a message may hold."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from google.protobuf.message import Message as Proto

_Row = TypeVar("_Row")
_Proto = TypeVar("_Proto", bound=Proto)

#: The row that passes it is the last of its answer. The largest row (a body and a name of 262,144
#: characters each, four bytes a character) still fits below the 4 MiB of a gRPC message.
ANSWER_BYTES = 1 << 20


def answers(rows: Sequence[_Row], convert: Callable[[_Row], _Proto]) -> Iterator[list[_Proto]]:
    """Convert the rows and group them into answers of bounded size; no group is empty."""
    group: list[_Proto] = []
    size = 0
    for row in rows:
        converted = convert(row)
        group.append(converted)
        size += converted.ByteSize()
        if size >= ANSWER_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
