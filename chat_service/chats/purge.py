"""Removes deleted chats for good once they can no longer come back."""

import asyncio
import uuid

from sqlalchemy import Delete, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats.belongings import Belongings
from chat_service.chats.models import Chat, Message
from servicekit.database import Sessions
from servicekit.logs import get_logger
from servicekit.retry import execute_with_lock_retry
from servicekit.soft_delete import INCLUDE_DELETED

log = get_logger(__name__)

#: Messages that one statement removes: a chat of a million must not meet the statement timeout.
MESSAGES_A_STATEMENT = 50_000


class Purge:
    """A background task; any number of copies may run at once, and no answer depends on any of them."""

    def __init__(self, sessions: Sessions, belongings: Belongings, interval_s: float) -> None:
        """Take what goes with a chat, and the time between two looks in seconds."""
        self._sessions = sessions
        self._belongings = belongings
        self._interval_s = interval_s

    async def run(self) -> None:
        """Purge what is due, and again after each interval, until cancelled."""
        while True:
            if not await self.purge_one():
                await asyncio.sleep(self._interval_s)

    async def purge_one(self) -> bool:
        """Remove one chat that is due, in one transaction; answer whether there was one."""
        chat_id = await execute_with_lock_retry(self._sessions, self._purge_one)
        if chat_id is not None:
            log.info("chat_purged", chat_id=str(chat_id))
        return chat_id is not None

    async def _purge_one(self, session: AsyncSession) -> uuid.UUID | None:
        chat = await _lock_due(session)
        if chat is None:
            return None
        await self._belongings.purge(session, chat.chat_id)
        for first in range(1, chat.message_count + 1, MESSAGES_A_STATEMENT):
            await session.execute(_messages(chat, first))
        await session.execute(
            delete(Chat).where(Chat.user_id == chat.user_id, Chat.chat_id == chat.chat_id),
            execution_options={**INCLUDE_DELETED, "synchronize_session": False},
        )
        return chat.chat_id


async def _lock_due(session: AsyncSession) -> Chat | None:
    """Answer a chat that is due, locked.

    Closes the race of two copies that purge the same chat: the second one skips it.
    """
    found = await session.execute(
        select(Chat)
        .where(Chat.purge_time <= func.now())
        .order_by(Chat.purge_time)
        .limit(1)
        .with_for_update(skip_locked=True)
        .execution_options(**INCLUDE_DELETED, populate_existing=True)
    )
    return found.scalar_one_or_none()


def _messages(chat: Chat, first: int) -> Delete:
    return (
        delete(Message)
        .where(
            Message.user_id == chat.user_id,
            Message.chat_id == chat.chat_id,
            Message.position.between(first, first + MESSAGES_A_STATEMENT - 1),
        )
        .execution_options(synchronize_session=False)
    )
