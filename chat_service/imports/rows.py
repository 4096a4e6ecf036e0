"""Turns a parsed file into rows as COPY takes them, in a thread and one batch ahead of who sends them.

The rows are put together here, in PostgreSQL's binary format, and not by the driver: that would be done
on the event loop, field by field, and takes longer than the parsing.
"""

import asyncio
import struct
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Self

from chat_service.imports.tally import Tally
from chat_service.parsers import MessageBatch, MessageKind, ParsedExport

#: The columns of a row, in its order.
COLUMNS = (
    "user_id",
    "chat_id",
    "position",
    "author",
    "sent_local_time",
    "body",
    "kind",
    "edited",
    "attachment_name",
)
# PostgreSQL's documentation of COPY, "Binary Format": a signature, flags, no extension; then rows of
# a number of fields, each its length and its bytes; then a trailer. Timestamps count microseconds.
_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001  # the column has no zone
_MAX_REMEMBERED = 10_000


def message_rows(export: ParsedExport, user_id: str, chat_id: uuid.UUID, tally: Tally) -> Iterator[bytes]:
    """Yield rows for the table of messages as COPY takes them; raises what the parser raises."""
    encoder = RowEncoder(user_id, chat_id)
    yield _BEGIN
    for messages in export.batches():
        first = tally.message_count + 1
        tally.add(messages)
        yield encoder.rows(messages, first)
    yield _END


class RowEncoder:
    """Writes messages of one chat in the binary format of COPY; the fields are those of `COLUMNS`."""

    def __init__(self, user_id: str, chat_id: uuid.UUID) -> None:
        """Take what all rows have in common."""
        fields = _field(user_id.encode()) + _field(chat_id.bytes)
        # Up to the length of the position.
        self._begin = struct.pack("!h", len(COLUMNS)) + fields + _length(4)
        self._authors: dict[str | None, tuple[Callable[..., bytes], bytes]] = {}
        self._ends: dict[tuple[MessageKind, bool, str], bytes] = {}

    def rows(self, messages: MessageBatch, first_position: int) -> bytes:
        """Answer the rows of messages whose positions count up from the first one's."""
        parts: list[bytes] = []
        begin, authors, ends = self._begin, self._authors, self._ends
        columns = zip(
            messages.authors,
            messages.sent_local_times,
            messages.bodies,
            zip(messages.kinds, messages.edited, messages.attachment_names, strict=True),
            strict=True,
        )
        for position, (author, time, text, end) in enumerate(columns, first_position):
            pack, name = authors.get(author) or self._author(author)
            since = time - _EPOCH
            # Whole seconds, as a parser promises.
            micros = (since.days * 86_400 + since.seconds) * 1_000_000
            body = text.encode()
            parts += pack(begin, position, name, micros, len(body)), body, ends.get(end) or self._end(end)
        return b"".join(parts)

    def _author(self, author: str | None) -> tuple[Callable[..., bytes], bytes]:
        """What packs a row of an author up to the length of its body, and the author's field in it."""
        if len(self._authors) >= _MAX_REMEMBERED:
            self._authors.clear()
        # And the length of the time.
        field = (_NULL if author is None else _field(author.encode())) + _length(8)
        pack = struct.Struct(f"!{len(self._begin)}si{len(field)}sqi").pack
        self._authors[author] = pack, field
        return pack, field

    def _end(self, end: tuple[MessageKind, bool, str]) -> bytes:
        """The fields behind the body."""
        if len(self._ends) >= _MAX_REMEMBERED:
            self._ends.clear()
        kind, edited, attachment_name = end
        field = struct.pack("!ihi?", 2, kind, 1, edited) + _field(attachment_name.encode())
        self._ends[end] = field
        return field


def _length(value: int) -> bytes:
    return struct.pack("!i", value)


def _field(value: bytes) -> bytes:
    return _length(len(value)) + value


class ReadAhead:
    """An async iterator over batches that are made in a thread.

    While one batch is being stored the next one is made, and none after it: two batches is all that
    is ever in memory. Leaving the context waits for the thread, which still has the file in its hands.
    """

    def __init__(self, batches: Iterator[bytes]) -> None:
        """Take what makes the batches; it is used by one thread at a time."""
        self._batches = batches
        self._next: asyncio.Future[bytes | None] | None = None

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._next is None:
            return
        await asyncio.wait([self._next])
        if not self._next.cancelled():
            # Taken, so that nobody is told that it was not: what made us leave is already known.
            self._next.exception()

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._next = loop.run_in_executor(None, next, self._batches, None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._next is not None and (batch := await asyncio.shield(self._next)) is not None:
            self._begin()
            if batch:
                yield batch
        self._next = None
