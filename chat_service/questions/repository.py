"""Reads and writes conversations and turns. Every statement names the owner."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats.models import Chat
from chat_service.errors import ConversationNotFound
from chat_service.questions.models import Conversation, ConversationTurn
from servicekit.soft_delete import INCLUDE_DELETED

_NO_SYNC = {"synchronize_session": False}


async def find_turn(session: AsyncSession, user_id: str, request_id: uuid.UUID) -> ConversationTurn | None:
    """Answer the turn of a request, locked until the transaction ends.

    Closes the race of two callers with the same request, who would both take over an attempt that died.
    """
    found = await session.execute(
        select(ConversationTurn)
        .where(ConversationTurn.user_id == user_id, ConversationTurn.request_id == request_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.scalar_one_or_none()


async def lock_turn(session: AsyncSession, user_id: str, turn_id: uuid.UUID) -> ConversationTurn | None:
    """Answer a turn, locked until the transaction ends; None once it was purged.

    Closes the race of an attempt with the one that took over, with its own cancellation, and with settling:
    each decides by the state that it finds here.
    """
    found = await session.execute(
        select(ConversationTurn)
        .where(ConversationTurn.user_id == user_id, ConversationTurn.turn_id == turn_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.scalar_one_or_none()


async def insert_turn(session: AsyncSession, values: dict[str, Any]) -> ConversationTurn | None:
    """Insert the turn of a new request; None when another call was faster."""
    made = await session.execute(
        insert(ConversationTurn)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["user_id", "request_id"])
        .returning(ConversationTurn)
    )
    return made.scalar_one_or_none()


async def take_due(session: AsyncSession, pause: timedelta, limit: int) -> Sequence[ConversationTurn]:
    """Answer turns whose charge is due, and put them off: whoever charges them may die too.

    Closes the race of two copies that settle the same turns: the second one skips them.
    """
    found = await session.execute(
        select(ConversationTurn)
        .where(ConversationTurn.settle_time <= func.now())
        .order_by(ConversationTurn.settle_time)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    turns = found.scalars().all()
    now = await clock(session)
    for turn in turns:
        turn.settle_time = now + pause
    await session.flush()
    return turns


async def find_conversation(
    session: AsyncSession, user_id: str, conversation_id: uuid.UUID, *, deleted: bool = False
) -> Conversation:
    """Answer a conversation of a live chat, with `deleted` also one that was deleted alone.

    Raises `ConversationNotFound`.
    """
    found = await session.execute(
        select(Conversation)
        .join(Chat, and_(Chat.user_id == Conversation.user_id, Chat.chat_id == Conversation.chat_id))
        .where(
            Conversation.user_id == user_id,
            Conversation.conversation_id == conversation_id,
            # Spelled out, because the option below shows deleted chats too.
            Chat.delete_time.is_(None),
        )
        .execution_options(populate_existing=True, **(INCLUDE_DELETED if deleted else {}))
    )
    conversation = found.scalar_one_or_none()
    if conversation is None:
        raise ConversationNotFound(conversation_id)
    return conversation


async def lock_conversation(session: AsyncSession, user_id: str, conversation_id: uuid.UUID) -> Conversation:
    """Answer a conversation, live or deleted, locked; raises `ConversationNotFound`.

    Closes the race of two deletes, the second of which would move the delete_time of the first.
    """
    found = await session.execute(
        select(Conversation)
        .where(Conversation.user_id == user_id, Conversation.conversation_id == conversation_id)
        # Not FOR UPDATE: that would stand in the way of the foreign key of a turn that is being asked.
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True, **INCLUDE_DELETED)
    )
    conversation = found.scalar_one_or_none()
    if conversation is None:
        raise ConversationNotFound(conversation_id)
    return conversation


async def remove_conversation(session: AsyncSession, user_id: str, conversation_id: uuid.UUID) -> None:
    """Remove a conversation that this transaction made and nobody needs."""
    await session.execute(
        delete(Conversation)
        .where(Conversation.user_id == user_id, Conversation.conversation_id == conversation_id)
        .execution_options(**_NO_SYNC)
    )


async def list_conversations(
    session: AsyncSession,
    user_id: str,
    chat_id: uuid.UUID | None,
    after: tuple[datetime, uuid.UUID] | None,
    limit: int,
) -> Sequence[Conversation]:
    """Answer the user's conversations that have an answer, newest first, from the one after the given key."""
    statement = (
        select(Conversation)
        .join(Chat, and_(Chat.user_id == Conversation.user_id, Chat.chat_id == Conversation.chat_id))
        .where(Conversation.user_id == user_id, Conversation.turn_count > 0)
    )
    if chat_id is not None:
        statement = statement.where(Conversation.chat_id == chat_id)
    if after is not None:
        statement = statement.where(tuple_(Conversation.create_time, Conversation.conversation_id) < after)
    found = await session.execute(
        statement.order_by(Conversation.create_time.desc(), Conversation.conversation_id.desc()).limit(limit)
    )
    return found.scalars().all()


async def list_turns(
    session: AsyncSession, user_id: str, conversation_id: uuid.UUID, after: uuid.UUID | None, limit: int
) -> Sequence[ConversationTurn]:
    """Answer the answered turns of a conversation in the order they were asked, from the one after a key."""
    statement = select(ConversationTurn).where(*_answered(user_id, conversation_id))
    if after is not None:
        statement = statement.where(ConversationTurn.turn_id > after)
    found = await session.execute(statement.order_by(ConversationTurn.turn_id).limit(limit))
    return found.scalars().all()


async def latest_turns(
    session: AsyncSession, user_id: str, conversation_id: uuid.UUID, limit: int
) -> Sequence[ConversationTurn]:
    """Answer the last answered turns of a conversation, the oldest of them first."""
    found = await session.execute(
        select(ConversationTurn)
        .where(*_answered(user_id, conversation_id))
        .order_by(ConversationTurn.turn_id.desc())
        .limit(limit)
    )
    return found.scalars().all()[::-1]


def _answered(user_id: str, conversation_id: uuid.UUID) -> tuple[Any, ...]:
    return (
        ConversationTurn.user_id == user_id,
        ConversationTurn.conversation_id == conversation_id,
        ConversationTurn.state == "COMPLETED",
    )


async def count_turn(session: AsyncSession, turn: ConversationTurn, now: datetime) -> None:
    """Note that a turn of the conversation is COMPLETED; also when it was deleted meanwhile."""
    await session.execute(
        update(Conversation)
        .where(Conversation.user_id == turn.user_id, Conversation.conversation_id == turn.conversation_id)
        .values(turn_count=Conversation.turn_count + 1, update_time=now)
        .execution_options(**_NO_SYNC, **INCLUDE_DELETED)
    )


async def delete_of_chat(session: AsyncSession, chat_id: uuid.UUID, delete_time: datetime) -> None:
    """Delete the live conversations of a chat as of its delete_time, in the caller's transaction."""
    await session.execute(
        update(Conversation)
        .where(Conversation.chat_id == chat_id)
        .values(delete_time=delete_time)
        .execution_options(**_NO_SYNC)
    )


async def forget_requests(session: AsyncSession, user_id: str, chat_id: uuid.UUID) -> None:
    """Free the request ids of an erased user's turns; nobody can ask for the answers any more."""
    await session.execute(
        update(ConversationTurn)
        .where(ConversationTurn.user_id == user_id, ConversationTurn.chat_id == chat_id)
        .values(request_id=ConversationTurn.turn_id)
        .execution_options(**_NO_SYNC)
    )


async def undelete_of_chat(session: AsyncSession, chat_id: uuid.UUID, delete_time: datetime) -> None:
    """Bring back what was deleted with the chat at that time, in the caller's transaction."""
    await session.execute(
        update(Conversation)
        .where(Conversation.chat_id == chat_id, Conversation.delete_time == delete_time)
        .values(delete_time=None)
        .execution_options(**_NO_SYNC, **INCLUDE_DELETED)
    )


async def clock(session: AsyncSession) -> datetime:
    """Answer the database's time as of now; to be asked after the locks are held."""
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now
