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
MAX_CHARS = 600
#: The most that is ever embedded at once: a longer message becomes several chunks. The built-in model takes
#: memory with the length of a text: 16 GB for 3 MB.
MAX_TEXT_CHARS = 1_200


class Line(NamedTuple):
    """What the index needs of a message."""

    position: int
    #: None for a line that the platform wrote.
    author: str | None
    sent_local_time: datetime
    #: Empty where the message has no words of its own, such as media that was left out of the export.
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one conversation, or of one long message."""

    first_position: int
    last_position: int
    #: Counts the chunks that begin at the same message: 0, 1, … where it is long.
    part: int
    first_local_time: datetime
    last_local_time: datetime
    #: Who wrote in it, each once.
    authors: tuple[str, ...]
    #: What was written, one message a line, without authors: for the words.
    words: str
    #: The same with authors: for the meaning.
    text: str


def cut(lines: Iterable[Line]) -> Iterator[Chunk]:
    """Yield the chunks of a chat, or of its part from the beginning of a chunk on."""
    group: list[Line] = []
    size = 0
    for line in lines:
        if group and (_is_full(len(group), size, line) or _paused(group[-1], line)):
            yield from _chunks(group)
            group, size = [], 0
        group.append(line)
        size += len(line.text)
    if group:
        yield from _chunks(group)


def _is_full(count: int, size: int, following: Line) -> bool:
    return count >= MAX_MESSAGES or size + len(following.text) > MAX_CHARS


def _paused(last: Line, following: Line) -> bool:
    return following.sent_local_time - last.sent_local_time > PAUSE


def _chunks(group: Sequence[Line]) -> Iterator[Chunk]:
    """Yield the group's chunk, or several where its only message is longer than one may be."""
    spoken = [line for line in group if line.text]
    words = "\n".join(line.text for line in spoken)
    if len(words) <= MAX_CHARS:
        yield _chunk(group, 0, words, "\n".join(_spoken(line) for line in spoken))
        return
    for part, start in enumerate(range(0, len(words), MAX_CHARS)):
        piece = words[start : start + MAX_CHARS]
        yield _chunk(group, part, piece, _spoken(group[0]._replace(text=piece)))


def _chunk(group: Sequence[Line], part: int, words: str, text: str) -> Chunk:
    return Chunk(
        first_position=group[0].position,
        last_position=group[-1].position,
        part=part,
        first_local_time=min(line.sent_local_time for line in group),
        last_local_time=max(line.sent_local_time for line in group),
        authors=tuple(dict.fromkeys(line.author for line in group if line.author is not None)),
        words=words,
        text=text[:MAX_TEXT_CHARS],
    )


def _spoken(line: Line) -> str:
    return line.text if line.author is None else f"{line.author}: {line.text}"
