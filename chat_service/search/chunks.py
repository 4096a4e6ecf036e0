"""Cuts a chat into chunks: pieces of one conversation that are small enough to mean one thing.

A chunk begins after a pause, or where the one before it is full. What a chunk holds depends only on the
messages from its first one on, so an indexer that starts again after any whole chunk makes the same ones.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

#: A longer pause ends a conversation (the session gap of chat-analytics).
PAUSE = timedelta(minutes=30)
#: Messages and characters after which a chunk is full. Measured by `make bench ONLY=retrieval`.
MAX_MESSAGES = 8
#: Also the most that is ever embedded at once: a longer message is cut into several chunks. The built-in
#: model takes memory with the length of a text, 16 GB for 3 MB.
MAX_CHARS = 600
#: Fewer letters than these mean nothing alone ("ok", "ha"); they cost as much as a sentence.
MIN_LETTERS = 4


class Line(NamedTuple):
    """What the index needs of a message."""

    position: int
    #: None for a line that the platform wrote.
    author: str | None
    sent_local_time: datetime
    body: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one conversation, or of one long message."""

    first_position: int
    last_position: int
    #: Which piece of a message it is that is longer than a chunk; else 0.
    part: int
    first_local_time: datetime
    last_local_time: datetime
    #: Who wrote in it, each once.
    authors: tuple[str, ...]
    #: What was written, one message a line.
    words: str
    #: What of it has a meaning of its own: one text a message.
    texts: tuple[str, ...]


def cut(lines: Iterable[Line]) -> Iterator[Chunk]:
    """Yield the chunks of a chat, or of its part from the beginning of a chunk on."""
    group: list[Line] = []
    size = 0
    for line in lines:
        if group and (_is_full(len(group), size, line) or _paused(group[-1], line)):
            yield from _chunks(group)
            group, size = [], 0
        group.append(line)
        size += len(line.body)
    if group:
        yield from _chunks(group)


def _is_full(count: int, size: int, following: Line) -> bool:
    return count >= MAX_MESSAGES or size + len(following.body) > MAX_CHARS


def _paused(last: Line, following: Line) -> bool:
    return following.sent_local_time - last.sent_local_time > PAUSE


def _chunks(group: Sequence[Line]) -> Iterator[Chunk]:
    """Yield the group's chunk, or several where its only message is longer than one may be."""
    first = group[0]
    if len(first.body) <= MAX_CHARS:
        yield _chunk(group, 0)
        return
    for part, start in enumerate(range(0, len(first.body), MAX_CHARS)):
        yield _chunk([first._replace(body=first.body[start : start + MAX_CHARS])], part)


def _chunk(group: Sequence[Line], part: int) -> Chunk:
    return Chunk(
        first_position=group[0].position,
        last_position=group[-1].position,
        part=part,
        first_local_time=min(line.sent_local_time for line in group),
        last_local_time=max(line.sent_local_time for line in group),
        authors=tuple(dict.fromkeys(line.author for line in group if line.author is not None)),
        words="\n".join(line.body for line in group if line.body),
        texts=tuple(line.body for line in group if _means_something(line.body)),
    )


def _means_something(body: str) -> bool:
    # Scripts without an alphabet say as much in two characters as others in a word.
    return len(body) >= MIN_LETTERS or any(character > "\u2e80" for character in body)
