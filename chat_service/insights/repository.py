"""Reads and writes rows of insights."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.catalogue.models import InsightType
from chat_service.chats.models import Chat
from chat_service.insights.models import Insight
from servicekit.soft_delete import INCLUDE_DELETED

_NO_SYNC = {"synchronize_session": False}


async def save(session: AsyncSession, values: Mapping[str, Any]) -> uuid.UUID:
    """Insert the insight of a chat and type, or make the one that is there anew; answer its id.

    Whether it is unlocked or deleted is not touched: only FinishJob shows it, and only the chat's
    delete hides it.
    """
    made_anew = {name: values[name] for name in ("job_id", "data", "sentences", "update_time")}
    saved = await session.execute(
        insert(Insight)
        .values(**values)
        .on_conflict_do_update(index_elements=["chat_id", "insight_type_id", "user_id"], set_=made_anew)
        .returning(Insight.insight_id)
    )
    insight_id: uuid.UUID = saved.scalar_one()
    return insight_id


async def unlocked_types(session: AsyncSession, chat_id: uuid.UUID, types: Sequence[str]) -> set[str]:
    """Answer which of the types the chat has, paid for."""
    found = await session.execute(
        select(Insight.insight_type_id).where(
            Insight.chat_id == chat_id, Insight.insight_type_id.in_(types), Insight.unlock_time.is_not(None)
        )
    )
    return set(found.scalars())


async def unlock_insights(
    session: AsyncSession, chat_id: uuid.UUID, types: Sequence[str], now: datetime
) -> None:
    """Show the chat's insights of these types, those of a deleted chat too: an undelete brings them back."""
    await session.execute(
        update(Insight)
        .where(Insight.chat_id == chat_id, Insight.insight_type_id.in_(types), Insight.unlock_time.is_(None))
        .values(unlock_time=now)
        .execution_options(**_NO_SYNC, **INCLUDE_DELETED)
    )


async def list_unlocked(
    session: AsyncSession, user_id: str, chat_id: uuid.UUID
) -> Sequence[tuple[Insight, InsightType]]:
    """Answer what the user can see of a live chat, in the catalogue's order."""
    found = await session.execute(
        select(Insight, InsightType)
        .join(InsightType, InsightType.insight_type_id == Insight.insight_type_id)
        .join(Chat, (Chat.user_id == Insight.user_id) & (Chat.chat_id == Insight.chat_id))
        .where(Insight.user_id == user_id, Insight.chat_id == chat_id, Insight.unlock_time.is_not(None))
        .order_by(InsightType.position, InsightType.insight_type_id)
    )
    return [(insight, insight_type) for insight, insight_type in found]


async def delete_of_chat(session: AsyncSession, chat_id: uuid.UUID, delete_time: datetime) -> None:
    """Delete the live insights of a chat as of its delete_time, in the caller's transaction."""
    await session.execute(
        update(Insight)
        .where(Insight.chat_id == chat_id)
        .values(delete_time=delete_time)
        .execution_options(**_NO_SYNC)
    )


async def undelete_of_chat(session: AsyncSession, chat_id: uuid.UUID, delete_time: datetime) -> None:
    """Bring back what was deleted with the chat at that time, in the caller's transaction."""
    await session.execute(
        update(Insight)
        .where(Insight.chat_id == chat_id, Insight.delete_time == delete_time)
        .values(delete_time=None)
        .execution_options(**_NO_SYNC, **INCLUDE_DELETED)
    )


async def purge_of_chat(session: AsyncSession, chat_id: uuid.UUID) -> None:
    """Remove for good the insights of a chat; its jobs stay, as receipts."""
    await session.execute(
        delete(Insight).where(Insight.chat_id == chat_id).execution_options(**_NO_SYNC, **INCLUDE_DELETED)
    )
