"""Reads and writes the rows that say how far the indexes of chats are."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats.models import Chat
from chat_service.chats.repository import lock_live
from chat_service.errors import ChatNotFound
from chat_service.search.models import ChatIndex

#: Counts the ways in which chats were cut and stored; an index of another version is made anew.
VERSION = 1

_NO_SYNC = {"synchronize_session": False}
_FRESH: Mapping[str, Any] = {
    "state": "PENDING",
    "dimension": None,
    "next_position": 1,
    "chunk_count": 0,
    "vector_count": 0,
    "tries": 0,
    "lease_id": None,
    "error_message": "",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to add pieces to an index, until its lease runs out."""

    user_id: str
    chat_id: uuid.UUID
    lease_id: uuid.UUID
    next_position: int
    chunk_count: int
    vector_count: int
    message_count: int


class LeaseLost(Exception):
    """Somebody else makes the index now, or its chat is gone."""


async def want(session: AsyncSession, user_id: str, chat_id: uuid.UUID, model: str) -> None:
    """Let the chat have an index of this model: made, begun anew, or left as it is.

    An index of another model or version is begun anew, and so is one that FAILED. Who was making it has lost
    the lease by that. The chat must be there; the caller holds the lock that keeps it.
    """
    fresh = {**_FRESH, "model": model, "version": VERSION, "due_time": func.now(), "update_time": func.now()}
    await session.execute(
        insert(ChatIndex)
        .values(user_id=user_id, chat_id=chat_id, **fresh)
        .on_conflict_do_update(
            index_elements=["user_id", "chat_id"],
            set_=fresh,
            where=or_(ChatIndex.model != model, ChatIndex.version != VERSION, ChatIndex.state == "FAILED"),
        )
    )


async def find(
    session: AsyncSession, user_id: str, chat_id: uuid.UUID
) -> tuple[int, ChatIndex | None] | None:
    """Answer how many messages the live chat has, and its index if there is one; None without the chat."""
    found = await session.execute(
        select(Chat.message_count, ChatIndex)
        .outerjoin(ChatIndex, _of_chat())
        .where(Chat.user_id == user_id, Chat.chat_id == chat_id)
        .execution_options(populate_existing=True)
    )
    row = found.one_or_none()
    return None if row is None else (row[0], row[1])


async def claim(session: AsyncSession, model: str, lease: timedelta) -> Claim | None:
    """Claim an index that is due and that this model makes; None when there is none.

    Closes the race of two copies that claim the same one: the second skips the locked row. Indexes of deleted
    chats wait: an undelete may bring the chat back.
    """
    found = await session.execute(
        select(ChatIndex, Chat.message_count)
        .join(Chat, _of_chat())
        .where(ChatIndex.due_time <= func.now(), ChatIndex.model == model, ChatIndex.version == VERSION)
        .order_by(ChatIndex.due_time)
        .limit(1)
        .with_for_update(of=ChatIndex, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    row = found.one_or_none()
    if row is None:
        return None
    index, message_count = row
    index.state, index.lease_id = "BUILDING", uuid.uuid4()
    index.update_time = now = await _now(session)
    index.due_time = now + lease
    await session.flush()
    return _claim(index, message_count)


def _claim(index: ChatIndex, message_count: int) -> Claim:
    assert index.lease_id is not None
    return Claim(
        user_id=index.user_id,
        chat_id=index.chat_id,
        lease_id=index.lease_id,
        next_position=index.next_position,
        chunk_count=index.chunk_count,
        vector_count=index.vector_count,
        message_count=message_count,
    )


async def lock_claimed(session: AsyncSession, claim: Claim) -> ChatIndex:
    """Answer the index that the claim is about, locked; raises `LeaseLost`.

    Closes the race of a builder that was thought dead with the one that took over: whoever does not hold the
    lease any more writes nothing. The lock on the chat closes the one with its purge, which would not see
    what is being written.
    """
    try:
        await lock_live(session, claim.user_id, claim.chat_id)
    except ChatNotFound:
        raise LeaseLost from None
    found = await session.execute(
        select(ChatIndex)
        .where(
            ChatIndex.user_id == claim.user_id,
            ChatIndex.chat_id == claim.chat_id,
            ChatIndex.lease_id == claim.lease_id,
            ChatIndex.next_position == claim.next_position,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    index = found.scalar_one_or_none()
    if index is None:
        raise LeaseLost
    return index


async def advance(
    session: AsyncSession, index: ChatIndex, added: "Added", message_count: int, lease: timedelta
) -> Claim:
    """Note a piece that was added to a locked index; after the last one it is READY."""
    index.next_position = added.next_position
    index.chunk_count += added.chunks
    index.vector_count += added.vectors
    index.dimension = added.dimension or index.dimension
    index.tries, index.error_message = 0, ""
    now = await _now(session)
    index.update_time, index.due_time = now, now + lease
    claim = _claim(index, message_count)
    if index.next_position > message_count:
        index.state, index.due_time, index.lease_id = "READY", None, None
    await session.flush()
    return claim


@dataclass(frozen=True, slots=True)
class Added:
    """What a piece adds to an index."""

    next_position: int
    chunks: int
    vectors: int
    dimension: int | None


async def give_up(session: AsyncSession, claim: Claim, problem: str, pause: timedelta, max_tries: int) -> str:
    """Note a try that failed: another one after a pause, which doubles, or FAILED. Answer the state."""
    index = await lock_claimed(session, claim)
    index.tries += 1
    index.lease_id, index.error_message = None, problem[:1_000]
    index.update_time = now = await _now(session)
    if index.tries >= max_tries:
        index.state, index.due_time = "FAILED", None
    else:
        index.state, index.due_time = "PENDING", now + pause * 2 ** (index.tries - 1)
    await session.flush()
    return index.state


async def hand_back(session: AsyncSession, claim: Claim) -> None:
    """Let another copy go on with the index at once; nothing when it does so already."""
    await session.execute(
        update(ChatIndex)
        .where(
            ChatIndex.user_id == claim.user_id,
            ChatIndex.chat_id == claim.chat_id,
            ChatIndex.lease_id == claim.lease_id,
        )
        .values(state="PENDING", lease_id=None, due_time=func.now()),
        execution_options=_NO_SYNC,
    )


async def _now(session: AsyncSession) -> datetime:
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now


def _of_chat() -> Any:
    return and_(Chat.user_id == ChatIndex.user_id, Chat.chat_id == ChatIndex.chat_id)
