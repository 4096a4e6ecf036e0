"""Turns a parsed file into rows, in a thread and one batch ahead of who takes them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from types import TracebackType
from typing import Self

from chat_service.imports.tally import Tally
from chat_service.parsers import ParsedExport

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
Row = tuple[str, uuid.UUID, int, str | None, datetime, str, int, bool, str]


def message_rows(export: ParsedExport, user_id: str, chat_id: uuid.UUID, tally: Tally) -> Iterator[list[Row]]:
    """Yield batches of rows for the table of messages; raises what the parser raises."""
    for messages in export.batches():
        first = tally.message_count + 1
        tally.add(messages)
        yield [
            (
                user_id,
                chat_id,
                position,
                message.author,
                message.sent_local_time,
                message.body,
                message.kind,
                message.edited,
                message.attachment_name,
            )
            for position, message in enumerate(messages, first)
        ]


class ReadAhead:
    """An async iterator over the rows of batches that are made in a thread.

    While one batch is being stored the next one is made, and none after it: two batches is all that
    is ever in memory. Leaving the context waits for the thread, which still has the file in its hands.
    """

    def __init__(self, batches: Iterator[list[Row]]) -> None:
        """Take what makes the batches; it is used by one thread at a time."""
        self._batches = batches
        self._next: asyncio.Future[list[Row] | None] | None = None

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

    async def __aiter__(self) -> AsyncIterator[Row]:
        while self._next is not None and (batch := await asyncio.shield(self._next)) is not None:
            self._begin()
            for row in batch:
                yield row
        self._next = None
