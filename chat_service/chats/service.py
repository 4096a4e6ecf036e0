"""What can be done with chats that are there, and with deleted ones that can come back."""

import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats import message_repository, repository
from chat_service.chats.belongings import Belongings
from chat_service.chats.message_repository import ALL, MessageFilter, MessageRow
from chat_service.chats.models import Chat
from servicekit.database import Sessions
from servicekit.retry import execute_with_lock_retry

#: Rows that a stream reads at once.
STREAM_ROWS = 1_000


class ChatService:
    """Owns the chats. All of it raises `ChatNotFound` for what is not the user's."""

    def __init__(self, sessions: Sessions, belongings: Belongings, retention: timedelta) -> None:
        """Take what goes with a chat, and how long a deleted one can come back."""
        self._sessions = sessions
        self._belongings = belongings
        self._retention = retention

    async def get(self, user_id: str, chat_id: uuid.UUID) -> Chat:
        """Answer the live chat."""
        find = partial(repository.find, user_id=user_id, chat_id=chat_id)
        return await execute_with_lock_retry(self._sessions, find)

    async def get_public(self, chat_id: uuid.UUID) -> Chat:
        """Answer the live chat, whosever it is: only for what everybody may see."""
        return await execute_with_lock_retry(self._sessions, partial(repository.find_public, chat_id=chat_id))

    async def list_page(
        self, user_id: str, after: tuple[datetime, uuid.UUID] | None, limit: int
    ) -> Sequence[Chat]:
        """Answer the user's live chats, newest first, from the one after the given key."""
        page = partial(repository.list_page, user_id=user_id, after=after, limit=limit)
        return await execute_with_lock_retry(self._sessions, page)

    async def list_messages(
        self, user_id: str, chat_id: uuid.UUID, *, position: int, limit: int, wanted: MessageFilter
    ) -> Sequence[MessageRow]:
        """Answer messages after a position, in the order of the file."""

        async def work(session: AsyncSession) -> Sequence[MessageRow]:
            await repository.require(session, user_id, chat_id)
            return await message_repository.list_after(
                session, user_id, chat_id, position=position, limit=limit, wanted=wanted
            )

        # One snapshot for both statements: a chat that is deleted between them is still there for the second.
        return await execute_with_lock_retry(self._sessions, work, "REPEATABLE READ")

    async def stream_messages(
        self, user_id: str, chat_id: uuid.UUID, after_position: int
    ) -> AsyncIterator[Sequence[MessageRow]]:
        """Yield all messages after a position; no transaction is open while the caller has a batch."""
        while True:
            rows = await self.list_messages(
                user_id, chat_id, position=after_position, limit=STREAM_ROWS, wanted=ALL
            )
            if rows:
                yield rows
            if len(rows) < STREAM_ROWS:
                return
            after_position = rows[-1].position

    async def rename(self, user_id: str, chat_id: uuid.UUID, display_name: str) -> Chat:
        """Give the live chat another display name."""
        rename = partial(repository.rename, user_id=user_id, chat_id=chat_id, display_name=display_name)
        return await execute_with_lock_retry(self._sessions, rename)

    async def delete(self, user_id: str, chat_id: uuid.UUID) -> Chat:
        """Delete the chat with all that belongs to it; a deleted one answers as the first time."""
        chat, cancelled = await execute_with_lock_retry(
            self._sessions, partial(self._delete, user_id=user_id, chat_id=chat_id)
        )
        await self._belongings.settle(cancelled)
        return chat

    async def _delete(
        self, session: AsyncSession, user_id: str, chat_id: uuid.UUID
    ) -> tuple[Chat, Sequence[uuid.UUID]]:
        chat = await repository.lock_for_change(session, user_id, chat_id)
        if chat.delete_time is not None:
            return chat, ()
        now = await repository.clock(session)
        repository.mark_deleted(chat, now, self._retention)
        await session.flush()
        return chat, await self._belongings.delete(session, chat_id, now)

    async def undelete(self, user_id: str, chat_id: uuid.UUID) -> Chat:
        """Bring the chat back with what was deleted with it; a live one is answered as it is."""
        return await execute_with_lock_retry(
            self._sessions, partial(self._undelete, user_id=user_id, chat_id=chat_id)
        )

    async def _undelete(self, session: AsyncSession, user_id: str, chat_id: uuid.UUID) -> Chat:
        chat = await repository.lock_for_change(session, user_id, chat_id)
        if chat.delete_time is None:
            return chat
        await self._belongings.undelete(session, chat_id, chat.delete_time)
        repository.mark_live(chat, await repository.clock(session))
        await session.flush()
        return chat
