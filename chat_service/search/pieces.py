"""Reads messages for the index in pieces of bounded size, and stores what was made of them."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.search.chunks import Chunk, Line, cut
from chat_service.search.embedding import Vector
from chat_service.search.models import ChatChunk, ChatSigns, ChatVector
from chat_service.search.repository import Claim

#: Messages of a piece, and the bytes of their texts together, unless one alone is larger.
MESSAGES = 512
_BYTES = 1 << 20
#: Rows that one statement removes: it must not meet the statement timeout.
_ROWS_A_STATEMENT = 50_000

_READ = text(
    """
    SELECT position, author, sent_local_time, body
    FROM (
        SELECT position, author, sent_local_time, body,
            sum(octet_length(body)) OVER (ORDER BY position) AS total
        FROM messages
        WHERE user_id = :user_id AND chat_id = :chat_id AND position >= :first
        ORDER BY position LIMIT :messages
    ) AS following
    WHERE total <= :bytes OR position = :first
    ORDER BY position
    """
)
# What is enough to find candidates, from the vectors that were just stored.
_SIGNS = """
    INSERT INTO chat_signs (user_id, chat_id, number, chunk_number, signs)
    SELECT user_id, chat_id, number, chunk_number, binary_quantize(embedding)::bit varying
    FROM chat_vectors
    JOIN unnest($3::integer[], $4::integer[]) AS of_chunk (number, chunk_number) USING (number)
    WHERE user_id = $1 AND chat_id = $2
"""
_CHUNKS = """
    INSERT INTO chat_chunks (user_id, chat_id, number, first_position, last_position, part,
        first_local_time, last_local_time, authors, words)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, to_tsvector('chat_words', $10))
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """The chunks that begin in a run of messages, and where the next piece begins."""

    chunks: Sequence[Chunk]
    next_position: int

    def texts(self) -> list[str]:
        """Answer what is to be embedded, in the order of the chunks."""
        return [one for chunk in self.chunks for one in chunk.texts]


async def read(session: AsyncSession, claim: Claim) -> Piece:
    """Read the next piece of the chat.

    The last chunk is left to the next piece unless it is the chat's last: the messages after it may belong to
    it. A piece holds more messages than a chunk, so it always has another one.
    """
    rows = await session.execute(
        _READ,
        {
            "user_id": claim.user_id,
            "chat_id": claim.chat_id,
            "first": claim.next_position,
            "messages": MESSAGES,
            "bytes": _BYTES,
        },
    )
    return piece_of([Line._make(row) for row in rows], claim.message_count)


def piece_of(lines: Sequence[Line], message_count: int) -> Piece:
    """Cut lines into the chunks of a piece."""
    if not lines or lines[-1].position >= message_count:
        return Piece(list(cut(lines)), message_count + 1)
    whole = list(cut(lines))
    begin = whole[-1].first_position
    if begin > lines[0].position:
        return Piece([chunk for chunk in whole if chunk.first_position < begin], begin)
    # One message so large that nothing else fit beside it: the next one begins a chunk of its own.
    return Piece(whole, lines[-1].position + 1)


async def store(session: AsyncSession, claim: Claim, piece: Piece, vectors: Sequence[Vector]) -> None:
    """Store a piece whose index is locked by this claim."""
    connection = await (await session.connection()).get_raw_connection()
    driver: Any = connection.driver_connection
    await driver.executemany(_CHUNKS, list(_chunk_rows(claim, piece)))
    if not vectors:
        return
    # COPY wants binary values, and the driver does not know pgvector's types: the bytes go as they are.
    await driver.set_type_codec("halfvec", schema="public", encoder=bytes, decoder=bytes, format="binary")
    first = claim.vector_count + 1
    await driver.copy_records_to_table(
        ChatVector.__tablename__,
        records=[
            (claim.user_id, claim.chat_id, number, vector) for number, vector in enumerate(vectors, first)
        ],
        columns=("user_id", "chat_id", "number", "embedding"),
    )
    numbers = list(range(first, first + len(vectors)))
    await driver.execute(_SIGNS, claim.user_id, claim.chat_id, numbers, _chunk_numbers(claim, piece))


def _chunk_rows(claim: Claim, piece: Piece) -> Iterator[tuple[Any, ...]]:
    for number, chunk in enumerate(piece.chunks, claim.chunk_count + 1):
        yield (
            claim.user_id,
            claim.chat_id,
            number,
            chunk.first_position,
            chunk.last_position,
            chunk.part,
            chunk.first_local_time,
            chunk.last_local_time,
            list(chunk.authors),
            chunk.words,
        )


def _chunk_numbers(claim: Claim, piece: Piece) -> list[int]:
    """Answer the number of the chunk that each vector belongs to."""
    numbered = enumerate(piece.chunks, claim.chunk_count + 1)
    return [number for number, chunk in numbered for _ in chunk.texts]


async def remove(session: AsyncSession, user_id: str, chat_id: uuid.UUID) -> None:
    """Remove all that the index of a chat holds, in the caller's transaction."""
    for model in (ChatSigns, ChatVector, ChatChunk):
        last = await session.scalar(
            text(
                f"SELECT max(number) FROM {model.__tablename__} "  # noqa: S608  # a name of ours
                "WHERE user_id = :user_id AND chat_id = :chat_id"
            ),
            {"user_id": user_id, "chat_id": chat_id},
        )
        for first in range(1, (last or 0) + 1, _ROWS_A_STATEMENT):
            await session.execute(
                delete(model).where(
                    model.user_id == user_id,
                    model.chat_id == chat_id,
                    model.number.between(first, first + _ROWS_A_STATEMENT - 1),
                ),
                execution_options={"synchronize_session": False},
            )


async def count_rows(session: AsyncSession) -> None:
    """Let the planner know how much there is, before the index is READY.

    The first question comes right behind the last piece. Without it the planner takes a large chat for a few
    rows until the database looks by itself; a search planned so was seen to end at the statement timeout.
    """
    await session.execute(text("ANALYZE chat_chunks, chat_signs, chat_vectors"))
