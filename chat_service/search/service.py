"""The index of a chat as the rest of the service needs it: how far it is, and what is found in it."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats.message_repository import MessageRow
from chat_service.chats.models import Chat, Message
from chat_service.core import Core
from chat_service.errors import ChatNotFound, ChatNotReady
from chat_service.search import repository
from chat_service.search.chunks import MAX_CHARS
from chat_service.search.embedding import Embedder
from chat_service.search.indexer import Indexer
from chat_service.search.models import ChatChunk
from chat_service.search.retrieval import Found, Search, search
from servicekit.retry import execute_with_lock_retry

#: Time between looks at an index that a question waits for.
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class IndexView:
    """How far an index is. `state` is NONE where there is none."""

    chat_id: uuid.UUID
    state: str
    message_count: int
    indexed_message_count: int = 0
    chunk_count: int = 0
    model: str = ""
    error_message: str = ""
    update_time: datetime | None = None

    @property
    def percent(self) -> int:
        """0 to 100; 100 only when READY."""
        if self.state == "READY":
            return 100
        return min(99, 100 * self.indexed_message_count // max(1, self.message_count))


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A piece of the chat that was found: its messages in order, and its fused score."""

    messages: Sequence[MessageRow]
    score: float
    #: Where it is, so that it can be read again: first and last position, and the piece of a long message.
    place: tuple[int, int, int]


Progress = Callable[[IndexView], Awaitable[None]]


class IndexService:
    """Owns the indexes. All of it raises `ChatNotFound` for what is not the user's."""

    def __init__(self, core: Core, embedder: Embedder, indexer: Indexer) -> None:
        """Take what makes vectors and what makes indexes."""
        self._core = core
        self._embedder = embedder
        self._indexer = indexer

    async def status(self, user_id: str, chat_id: uuid.UUID) -> IndexView:
        """Answer how far the index is; one of another model counts as not begun."""
        find = partial(repository.find, user_id=user_id, chat_id=chat_id)
        found = await execute_with_lock_retry(self._core.sessions, find)
        if found is None:
            raise ChatNotFound(chat_id)
        message_count, index = found
        if index is None:
            return IndexView(chat_id, "NONE", message_count)
        view = IndexView(
            chat_id=chat_id,
            state=index.state,
            message_count=message_count,
            indexed_message_count=min(index.next_position - 1, message_count),
            chunk_count=index.chunk_count,
            model=index.model,
            error_message=index.error_message,
            update_time=index.update_time,
        )
        if (index.model, index.version) != (self._embedder.model, repository.VERSION):
            return replace(view, state="PENDING", indexed_message_count=0)
        return view

    async def want(self, session: AsyncSession, user_id: str, chat_id: uuid.UUID) -> None:
        """Let the chat have an index, in a transaction that holds the lock on the live chat."""
        await repository.want(session, user_id, chat_id, self._embedder.model)

    def wake(self) -> None:
        """Begin with what was wanted; to be called after the commit."""
        self._indexer.wake()

    async def wait_until_ready(self, user_id: str, chat_id: uuid.UUID, progress: Progress) -> IndexView:
        """Answer the READY index; tells its progress meanwhile. Raises `ChatNotReady`, `ChatNotFound`."""
        until_s = time.monotonic() + self._core.settings.ask_index_wait_s
        told = None
        while True:
            view = await self.status(user_id, chat_id)
            if view.state == "READY":
                return view
            if view.state == "FAILED" or time.monotonic() >= until_s:
                raise ChatNotReady(chat_id, f"INDEX_{view.state}")
            if told != (view.state, view.indexed_message_count):
                told = (view.state, view.indexed_message_count)
                await progress(view)
            await asyncio.sleep(_POLL_S)

    async def search(self, wanted: Search, *, by_meaning: bool = True) -> list[FoundPassage]:
        """Answer the best passages, best first; without `by_meaning` words alone count.

        Raises `EmbeddingUnavailable`.
        """
        if by_meaning:
            vectors = await self._embedder.embed([wanted.question[:MAX_CHARS]], "question")
            wanted = replace(wanted, vector=vectors[0])
        found = await search(self._core.engine, wanted)
        if not found:
            return []
        read = partial(self._read, wanted=wanted, found=found)
        return await execute_with_lock_retry(self._core.sessions, read, "REPEATABLE READ")

    async def _read(
        self, session: AsyncSession, wanted: Search, found: Sequence[Found]
    ) -> list[FoundPassage]:
        numbers = [one.number for one in found]
        rows = await session.execute(
            select(ChatChunk.number, ChatChunk.first_position, ChatChunk.last_position, ChatChunk.part).where(
                ChatChunk.user_id == wanted.user_id,
                ChatChunk.chat_id == wanted.chat_id,
                ChatChunk.number.in_(numbers),
            )
        )
        places = {row[0]: (row[1], row[2], row[3]) for row in rows}
        # An index that was begun anew in this moment has other chunks.
        there = [one for one in found if one.number in places]
        chosen = [places[one.number] for one in there]
        read = await read_passages(session, wanted.user_id, wanted.chat_id, chosen)
        return [
            FoundPassage(messages, one.score, place)
            for messages, one, place in zip(read, there, chosen, strict=True)
            if messages
        ]


async def read_passages(
    session: AsyncSession, user_id: str, chat_id: uuid.UUID, places: Sequence[tuple[int, int, int]]
) -> list[list[MessageRow]]:
    """Answer the messages of each place in a live chat; of a message longer than a chunk only the piece."""
    if not places:
        return []
    columns = [getattr(Message, name) for name in MessageRow._fields if name != "body"]
    ranges = or_(*(Message.position.between(first, last) for first, last, _ in places))
    cuts = {first: part for first, last, part in places if part and first == last}
    rows = await session.execute(
        select(
            *columns, func.left(Message.body, MAX_CHARS * (1 + max(cuts.values(), default=0))).label("body")
        )
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
