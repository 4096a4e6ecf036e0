"""Reads and writes rows of users."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.errors import UserNotFound
from chat_service.users.models import User
from servicekit.upsert import upsert_or_create


async def find(session: AsyncSession, user_id: str) -> User:
    """Answer the user; raises `UserNotFound`, also for a deleted one."""
    found = await session.execute(select(User).where(User.user_id == user_id, User.delete_time.is_(None)))
    return _required(found.scalar_one_or_none(), user_id)


async def lock(session: AsyncSession, user_id: str) -> User | None:
    """Answer the user's row, deleted or not, locked; None when there is none.

    Closes the races of a deletion with another one, with a login that makes the user anew, and with a sign-up
    bonus that is being granted: what comes second reads what the first wrote. Foreign keys to the row do not
    wait. Take it before any lock on a chat or a job.
    """
    found = await session.execute(
        select(User).where(User.user_id == user_id).with_for_update(key_share=True),
        execution_options={"populate_existing": True},
    )
    return found.scalar_one_or_none()


async def require_since(session: AsyncSession, user_id: str, create_time: datetime) -> None:
    """Raise `UserNotFound` unless the user is the one of that create_time, and stays so for the transaction.

    Closes the race of an upload with the deletion of its user: either the chat is there when the deletion
    looks for chats, or the user is gone here, also when somebody has logged in again since.
    """
    found = await session.execute(
        select(User)
        .where(User.user_id == user_id, User.create_time == create_time, User.delete_time.is_(None))
        .with_for_update(read=True)
    )
    _required(found.scalar_one_or_none(), user_id)


def _required(user: User | None, user_id: str) -> User:
    if user is None:
        raise UserNotFound(user_id)
    return user


async def store(session: AsyncSession, user_id: str, profile: dict[str, Any]) -> tuple[User, bool]:
    """Make the user, or change what of the profile differs; answer it and whether it is new."""
    defaults = {"display_name": "", "email": "", **profile}
    user, created = await upsert_or_create(session, User, {"user_id": user_id}, defaults)
    # A login that brings nothing new must not write: it happens far more often than a change.
    if all(getattr(user, name) == value for name, value in profile.items()):
        return user, created
    changed = await session.execute(
        update(User)
        .where(User.user_id == user_id)
        .values(**profile, update_time=func.now())
        .returning(User)
        .execution_options(populate_existing=True)
    )
    return changed.scalar_one(), created


def mark_deleted(user: User, now: datetime) -> None:
    """Delete a locked live user as of now, with all that is known of the person but the id."""
    user.display_name = user.email = ""
    user.delete_time = user.update_time = now


def make_anew(user: User, profile: dict[str, Any], now: datetime) -> None:
    """Make a new user of a locked deleted row."""
    for name, value in profile.items():
        setattr(user, name, value)
    user.create_time = user.update_time = now
    user.delete_time = user.signup_bonus_time = None
