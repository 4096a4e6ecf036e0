"""Reads and writes rows of users."""

from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.errors import UserNotFound
from chat_service.users.models import User
from servicekit.upsert import upsert_or_create


async def find(session: AsyncSession, user_id: str) -> User:
    """Answer the user; raises `UserNotFound`."""
    user = (await session.execute(select(User).where(User.user_id == user_id))).scalar_one_or_none()
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


async def record_signup_bonus(session: AsyncSession, user_id: str) -> None:
    """Note that the bonus was granted, so that later logins need not ask."""
    await session.execute(
        update(User)
        .where(User.user_id == user_id, User.signup_bonus_time.is_(None))
        .values(signup_bonus_time=func.now())
        .execution_options(synchronize_session=False)
    )
