"""Reads what was found: the messages of chunks, each always through its live chat."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from chat_service.chats.message_repository import MessageRow
from chat_service.chats.models import Chat, Message
from chat_service.search.chunks import MAX_CHARS
from chat_service.search.retrieval import Search
from servicekit.driver import in_driver_transaction


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A piece of the chat that was found: its messages in order, and its fused score."""

    messages: Sequence[MessageRow]
    score: float
    #: Where it is, so that it can be read again: first and last position, and the piece of a long message.
    place: tuple[int, int, int]


# OFFSET 0 keeps the messages of each chunk a look into their index. Joined freely, they are all of the chat's
# where the planner does not know yet how many a new chat has: 100 ms for 40,000 of them.
_CHUNKS = f"""
    SELECT number, first_position, last_position, part,
        position, author, sent_local_time, substr(body, part * {MAX_CHARS} + 1, {MAX_CHARS}),
        kind, edited, attachment_name
    FROM chats JOIN chat_chunks USING (user_id, chat_id) CROSS JOIN LATERAL (
        SELECT position, author, sent_local_time, body, kind, edited, attachment_name
        FROM messages
        WHERE user_id = $1 AND chat_id = $2 AND position BETWEEN first_position AND last_position
        OFFSET 0
    ) AS of_chunk
    WHERE user_id = $1 AND chat_id = $2 AND delete_time IS NULL AND number = ANY ($3::integer[])
    ORDER BY number, position
"""  # noqa: S608  # made of constants


async def of_chunks(engine: AsyncEngine, wanted: Search, numbers: Sequence[int]) -> dict[int, FoundPassage]:
    """Answer the chunks that are there by their numbers, without a score; raises `DatabaseUnavailable`.

    One statement sees one state of the index and of the chat.
    """
    if not numbers:
        return {}

    async def work(connection: Any) -> list[Any]:
        rows: list[Any] = await connection.fetch(_CHUNKS, wanted.user_id, wanted.chat_id, list(numbers))
        return rows

    rows = await in_driver_transaction(engine, work)
    return {
        place[0]: FoundPassage([MessageRow(*row[4:]) for row in lines], 0.0, place[1:])
        for place, lines in groupby(map(tuple, rows), key=lambda row: row[:4])
    }


async def read_passages(
    session: AsyncSession, user_id: str, chat_id: uuid.UUID, places: Sequence[tuple[int, int, int]]
) -> list[list[MessageRow]]:
    """Answer the messages of each place in a live chat; of a message longer than a chunk only the piece."""
    if not places:
        return []
    columns = [getattr(Message, name) for name in MessageRow._fields if name != "body"]
    ranges = or_(*(Message.position.between(first, last) for first, last, _ in places))
    # Of one message several pieces may have been found.
    last_piece = max(part for _, _, part in places)
    rows = await session.execute(
        select(*columns, func.left(Message.body, MAX_CHARS * (1 + last_piece)).label("body"))
        .join(Chat, and_(Chat.user_id == Message.user_id, Chat.chat_id == Message.chat_id))
        .where(Message.user_id == user_id, Message.chat_id == chat_id, ranges)
    )
    by_position = {row.position: MessageRow(**row._mapping) for row in rows}
    return [
        [
            _piece(by_position[position], part)
            for position in range(first, last + 1)
            if position in by_position
        ]
        for first, last, part in places
    ]


def _piece(row: MessageRow, part: int) -> MessageRow:
    return row._replace(body=row.body[part * MAX_CHARS : (part + 1) * MAX_CHARS])
