"""The index of a chat as the rest of the service needs it: how far it is, and what is found in it."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.core import Core
from chat_service.errors import ChatNotFound, ChatNotReady
from chat_service.search import passages, repository
from chat_service.search.chunks import MAX_CHARS
from chat_service.search.embedding import Embedder
from chat_service.search.fusion import fuse
from chat_service.search.indexer import Indexer
from chat_service.search.passages import FoundPassage
from chat_service.search.retrieval import Search, by_meaning, by_words
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
    vector_count: int = 0
    model: str = ""
    error_message: str = ""
    update_time: datetime | None = None

    @property
    def percent(self) -> int:
        """0 to 100; 100 only when READY."""
        if self.state == "READY":
            return 100
        return min(99, 100 * self.indexed_message_count // max(1, self.message_count))


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
            vector_count=index.vector_count,
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
            if view.state == "FAILED":
                raise ChatNotReady(chat_id, "INDEX_FAILED")
            if time.monotonic() >= until_s:
                raise ChatNotReady(chat_id, f"INDEX_{view.state}", view.percent)
            if told != (view.state, view.indexed_message_count):
                told = (view.state, view.indexed_message_count)
                await progress(view)
            await asyncio.sleep(_POLL_S)

    async def search(self, wanted: Search) -> list[FoundPassage]:
        """Answer the best passages, best first; raises `EmbeddingUnavailable`."""
        found = fuse(await self._rankings(wanted), wanted.limit)
        read = await passages.of_chunks(self._core.engine, wanted, [number for number, _ in found])
        # An index that was begun anew in this moment has other chunks.
        return [replace(read[number], score=score) for number, score in found if number in read]

    async def _rankings(self, wanted: Search) -> list[list[int]]:
        """Rank by both at once, each on a connection of its own."""
        engine, tasks = self._core.engine, []
        if wanted.by_meaning:
            vectors = await self._embedder.embed([wanted.question[:MAX_CHARS]], "question")
            tasks.append(by_meaning(engine, wanted, vectors[0]))
        if wanted.by_words:
            tasks.append(by_words(engine, wanted))
        return await _all_or_none(tasks)


async def _all_or_none(works: Sequence[Coroutine[Any, Any, list[int]]]) -> list[list[int]]:
    """Answer what each gave. When one fails, no other goes on with a connection that nobody waits for."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        # Once: who is told twice does not wait until its transaction is rolled back.
        for task in tasks:
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
