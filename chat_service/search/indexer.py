"""Makes the indexes of chats: a background task of every copy of the service, piece by piece.

Each piece is one transaction that also moves the index on, so a copy that dies loses at most the piece it was
at: after the lease another copy goes on behind the last one. While a piece is embedded nothing is locked.
"""

import asyncio
from datetime import timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.search import pieces, repository
from chat_service.search.embedding import Embedder, EmbeddingUnavailable, Vector, dimension
from chat_service.search.repository import Added, Claim, LeaseLost
from chat_service.settings import ChatSettings
from servicekit.database import Sessions
from servicekit.errors import ServiceError
from servicekit.logs import get_logger
from servicekit.retry import execute_with_lock_retry

log = get_logger(__name__)

#: Texts that are embedded at once: questions are answered between two such batches.
BATCH = 64


class Indexer:
    """Makes one index after another."""

    def __init__(self, sessions: Sessions, embedder: Embedder, settings: ChatSettings) -> None:
        """Take what makes vectors; it belongs to the running event loop."""
        self._sessions = sessions
        self._embedder = embedder
        self._settings = settings
        self._lease = timedelta(seconds=settings.index_lease_s)
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """Look for work at once: an index was just wanted."""
        self._wanted.set()

    async def run(self) -> None:
        """Make what is due, for ever."""
        while True:
            self._wanted.clear()
            try:
                found = await self.make_one()
            except ServiceError as error:
                log.warning("index_not_made", reason=error.reason)
                found = False
            if not found:
                await self._rest()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._settings.index_poll_s):
                await self._wanted.wait()
        except TimeoutError:
            return

    async def make_one(self) -> bool:
        """Make one index that is due as far as possible; answer whether there was one."""
        take = partial(repository.claim, model=self._embedder.model, lease=self._lease)
        claim = await execute_with_lock_retry(self._sessions, take)
        if claim is None:
            return False
        try:
            await self._make(claim)
        except LeaseLost:
            log.info("index_taken_over", chat_id=str(claim.chat_id))
        return True

    async def _make(self, claim: Claim) -> None:
        if claim.next_position == 1:
            claim = await execute_with_lock_retry(self._sessions, partial(self._begin, claim=claim))
        try:
            while claim.next_position <= claim.message_count:
                claim = await self._add_piece(claim)
        except EmbeddingUnavailable as error:
            await self._give_up(claim, error.message)
        except asyncio.CancelledError:
            # The service goes down: another copy need not wait for the lease.
            await asyncio.shield(
                execute_with_lock_retry(self._sessions, partial(repository.hand_back, claim=claim))
            )
            raise
        except (LeaseLost, ServiceError):
            # Somebody else makes it, or the database is away: what is there is gone on with.
            raise
        except Exception:
            # One chat that cannot be indexed must neither stop the others nor be tried for ever.
            log.exception("index_crashed", chat_id=str(claim.chat_id))
            await self._give_up(claim, "internal error")
        else:
            log.info("index_made", chat_id=str(claim.chat_id), chunks=claim.chunk_count)

    async def _begin(self, session: AsyncSession, claim: Claim) -> Claim:
        """Remove what an index that is made anew held before."""
        await repository.lock_claimed(session, claim)
        await pieces.remove(session, claim.user_id, claim.chat_id)
        return claim

    async def _add_piece(self, claim: Claim) -> Claim:
        piece = await execute_with_lock_retry(self._sessions, partial(pieces.read, claim=claim))
        texts = piece.texts()
        vectors: list[Vector] = []
        for start in range(0, len(texts), BATCH):
            vectors += await self._embedder.embed(texts[start : start + BATCH], "passage")
        add = partial(self._store, claim=claim, piece=piece, vectors=vectors)
        return await execute_with_lock_retry(self._sessions, add)

    async def _store(
        self, session: AsyncSession, claim: Claim, piece: pieces.Piece, vectors: list[Vector]
    ) -> Claim:
        index = await repository.lock_claimed(session, claim)
        await pieces.store(session, claim, piece, vectors)
        if piece.next_position > claim.message_count:
            await pieces.count_rows(session)
        added = Added(
            next_position=piece.next_position,
            chunks=len(piece.chunks),
            vectors=len(vectors),
            dimension=dimension(vectors[0]) if vectors else None,
        )
        return await repository.advance(session, index, added, claim.message_count, self._lease)

    async def _give_up(self, claim: Claim, problem: str) -> None:
        settings = self._settings
        note = partial(
            repository.give_up,
            claim=claim,
            problem=problem,
            pause=timedelta(seconds=settings.index_retry_s),
            max_tries=settings.index_max_tries,
        )
        state = await execute_with_lock_retry(self._sessions, note)
        log.warning("index_try_failed", chat_id=str(claim.chat_id), problem=problem, state=state)
