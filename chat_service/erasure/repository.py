"""Reads and writes rows of erasures."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats import repository as chats
from chat_service.erasure.models import Erasure
from chat_service.erasure.steps import NEXT, Step
from chat_service.jobs import repository as jobs
from chat_service.users.models import User

_NO_SYNC = {"synchronize_session": False}


async def find_by_request(session: AsyncSession, user_id: str, request_id: uuid.UUID) -> Erasure | None:
    """Answer the erasure that this request began, until it is done."""
    found = await session.execute(
        select(Erasure).where(Erasure.user_id == user_id, Erasure.request_id == request_id)
    )
    return found.scalar_one_or_none()


async def find_latest(session: AsyncSession, user_id: str) -> Erasure | None:
    """Answer the user's last erasure, until it is done."""
    found = await session.execute(
        select(Erasure).where(Erasure.user_id == user_id).order_by(Erasure.create_time.desc()).limit(1)
    )
    return found.scalar_one_or_none()


async def account_is_open(session: AsyncSession, user_id: str) -> bool:
    """Tell whether an account of a deleted user is still to be closed: a login has to wait for that."""
    found = await session.execute(
        select(Erasure.erasure_id).where(Erasure.user_id == user_id, Erasure.step == Step.CLOSE_ACCOUNT)
    )
    return found.scalars().first() is not None


async def get(session: AsyncSession, erasure_id: uuid.UUID) -> tuple[Erasure, datetime]:
    """Answer the erasure and the database's time."""
    found = await session.execute(
        select(Erasure, func.clock_timestamp()).where(Erasure.erasure_id == erasure_id),
        execution_options={"populate_existing": True},
    )
    erasure, now = found.one()
    return erasure, now


async def take_due(session: AsyncSession, pause: timedelta, limit: int) -> Sequence[uuid.UUID]:
    """Answer erasures that are due, earliest first, and move their due time on.

    Spares several copies the same work; that each step may be done twice makes it safe.
    """
    due = (
        select(Erasure.erasure_id)
        .where(Erasure.due_time <= func.now())
        .order_by(Erasure.due_time)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = await session.execute(
        update(Erasure)
        .where(Erasure.erasure_id.in_(due.scalar_subquery()))
        .values(due_time=func.clock_timestamp() + pause)
        .returning(Erasure.erasure_id)
        .execution_options(**_NO_SYNC)
    )
    return taken.scalars().all()


async def wait(session: AsyncSession, erasure_id: uuid.UUID, step: Step, pause: timedelta) -> None:
    """Have the step looked at again after the pause."""
    await session.execute(
        update(Erasure)
        .where(Erasure.erasure_id == erasure_id, Erasure.step == step)
        .values(due_time=func.clock_timestamp() + pause)
        .execution_options(**_NO_SYNC)
    )


async def advance(session: AsyncSession, erasure_id: uuid.UUID, step: Step, values: dict[str, Any]) -> None:
    """Note that a step is done. Whoever did it as well and comes later changes nothing."""
    following = NEXT[step]
    due_time = Erasure.purge_time if following is Step.FORGET_EVENTS else func.clock_timestamp()
    await session.execute(
        update(Erasure)
        .where(Erasure.erasure_id == erasure_id, Erasure.step == step)
        .values(step=following, due_time=due_time, **values)
        .execution_options(**_NO_SYNC)
    )


async def purge(session: AsyncSession, erasure_id: uuid.UUID) -> bool | None:
    """Remove the rows that are left of the user and end the erasure; answer whether this call did.

    None is the answer while a chat is still there. The user's row stays where a later login has made it
    anew, and where another erasure of the same id still has rows that name it.
    """
    erasure, _ = await get(session, erasure_id)
    user_id = erasure.user_id
    if user_id is None:
        return False
    if await chats.any_erased(session, erasure_id):
        return None
    await jobs.purge_of_erasure(session, erasure_id)
    ended = await session.execute(
        update(Erasure)
        .where(Erasure.erasure_id == erasure_id, Erasure.step == Step.PURGE)
        .values(
            step=Step.DONE, finish_time=func.clock_timestamp(), user_id=None, request_id=None, due_time=None
        )
        .returning(Erasure.erasure_id)
        .execution_options(**_NO_SYNC)
    )
    await session.execute(
        delete(User)
        .where(
            User.user_id == user_id,
            User.delete_time.is_not(None),
            ~select(Erasure.erasure_id).where(Erasure.user_id == user_id).exists(),
        )
        .execution_options(**_NO_SYNC)
    )
    return ended.scalar_one_or_none() is not None
