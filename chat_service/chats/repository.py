"""Reads and writes rows of chats.

Every statement but the one for the public statistics names the owner: another user's chat is not there.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats.models import Chat
from chat_service.errors import ChatNotFound
from servicekit.soft_delete import INCLUDE_DELETED


async def find(session: AsyncSession, user_id: str, chat_id: uuid.UUID) -> Chat:
    """Answer the live chat; raises `ChatNotFound`."""
    found = await session.execute(select(Chat).where(Chat.user_id == user_id, Chat.chat_id == chat_id))
    return _required(found.scalar_one_or_none(), chat_id)


async def find_public(session: AsyncSession, chat_id: uuid.UUID) -> Chat:
    """Answer a live chat, whosever it is: only for what everybody may see. Raises `ChatNotFound`."""
    found = await session.execute(select(Chat).where(Chat.chat_id == chat_id))
    return _required(found.scalar_one_or_none(), chat_id)


async def require(session: AsyncSession, user_id: str, chat_id: uuid.UUID) -> None:
    """Raise `ChatNotFound` unless the chat is live."""
    found = await session.execute(
        select(Chat.chat_id).where(Chat.user_id == user_id, Chat.chat_id == chat_id)
    )
    if found.scalar_one_or_none() is None:
        raise ChatNotFound(chat_id)


async def lock_live(session: AsyncSession, user_id: str, chat_id: uuid.UUID) -> Chat:
    """Answer the live chat, which stays live until the transaction ends; raises `ChatNotFound`.

    Closes the race of something that is added to a chat (a job, an insight) while the chat is
    being deleted: either it is there when the delete looks for what belongs to the chat, or the chat is
    gone here. Many may hold this lock at once. Take it before any lock on a job's row.
    """
    found = await session.execute(
        select(Chat)
        .where(Chat.user_id == user_id, Chat.chat_id == chat_id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    return _required(found.scalar_one_or_none(), chat_id)


async def lock_for_change(session: AsyncSession, user_id: str, chat_id: uuid.UUID) -> Chat:
    """Answer the chat, live or deleted but not yet due to be purged, locked; raises `ChatNotFound`.

    The chat of an erased user is not there, whoever has the user's id now.

    Closes the race of two deletes, or a delete and an undelete, that both work from what
    they read before the other: the second waits here and reads what the first wrote.
    """
    found = await session.execute(
        select(Chat)
        .where(Chat.user_id == user_id, Chat.chat_id == chat_id, Chat.erasure_id.is_(None))
        # Not FOR UPDATE: that would stand in the way of the foreign key of an insight that is being saved,
        # whose job this delete is about to lock.
        .with_for_update(key_share=True)
        .execution_options(**INCLUDE_DELETED, populate_existing=True)
    )
    chat = _required(found.scalar_one_or_none(), chat_id)
    if chat.purge_time is not None and chat.purge_time <= await clock(session):
        raise ChatNotFound(chat_id)
    return chat


async def clock(session: AsyncSession) -> datetime:
    """Answer the database's time as of now; to be asked after the locks are held."""
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now


async def list_page(
    session: AsyncSession, user_id: str, after: tuple[datetime, uuid.UUID] | None, limit: int
) -> Sequence[Chat]:
    """Answer the user's live chats, newest first, from the one after the given key."""
    statement = select(Chat).where(Chat.user_id == user_id)
    if after is not None:
        statement = statement.where(tuple_(Chat.create_time, Chat.chat_id) < after)
    found = await session.execute(
        statement.order_by(Chat.create_time.desc(), Chat.chat_id.desc()).limit(limit)
    )
    return found.scalars().all()


async def rename(session: AsyncSession, user_id: str, chat_id: uuid.UUID, display_name: str) -> Chat:
    """Give the live chat another name; raises `ChatNotFound`."""
    found = await session.execute(
        update(Chat)
        .where(Chat.user_id == user_id, Chat.chat_id == chat_id)
        .values(display_name=display_name, update_time=func.now())
        .returning(Chat)
        .execution_options(synchronize_session=False)
    )
    return _required(found.scalar_one_or_none(), chat_id)


async def erase_of_user(
    session: AsyncSession, user_id: str, erasure_id: uuid.UUID, now: datetime, purge_time: datetime
) -> int:
    """Delete all chats of a locked user for good, those that could still come back too; answer how many."""
    erased = await session.execute(
        update(Chat)
        .where(Chat.user_id == user_id, Chat.erasure_id.is_(None))
        .values(
            erasure_id=erasure_id,
            update_time=now,
            delete_time=func.coalesce(Chat.delete_time, now),
            purge_time=func.least(Chat.purge_time, purge_time),
        )
        .returning(Chat.chat_id),
        execution_options={**INCLUDE_DELETED, "synchronize_session": False},
    )
    return len(erased.all())


async def lock_erased(
    session: AsyncSession, erasure_id: uuid.UUID, delete_time: datetime, after: uuid.UUID | None
) -> Chat | None:
    """Answer the next chat, by id, that was deleted by the erasure itself, locked."""
    statement = select(Chat).where(Chat.erasure_id == erasure_id, Chat.delete_time == delete_time)
    if after is not None:
        statement = statement.where(Chat.chat_id > after)
    found = await session.execute(
        statement.order_by(Chat.chat_id).limit(1).with_for_update(key_share=True),
        execution_options={**INCLUDE_DELETED, "populate_existing": True},
    )
    return found.scalar_one_or_none()


async def any_erased(session: AsyncSession, erasure_id: uuid.UUID) -> bool:
    """Tell whether a chat of the erasure is still there."""
    found = await session.execute(
        select(Chat.chat_id).where(Chat.erasure_id == erasure_id).limit(1), execution_options=INCLUDE_DELETED
    )
    return found.scalar_one_or_none() is not None


def mark_deleted(chat: Chat, now: datetime, retention: timedelta) -> None:
    """Delete a locked live chat as of now."""
    chat.delete_time = chat.update_time = now
    chat.purge_time = now + retention


def mark_live(chat: Chat, now: datetime) -> None:
    """Bring a locked deleted chat back as of now."""
    chat.delete_time = chat.purge_time = None
    chat.update_time = now


def _required(chat: Chat | None, chat_id: uuid.UUID) -> Chat:
    if chat is None:
        raise ChatNotFound(chat_id)
    return chat
