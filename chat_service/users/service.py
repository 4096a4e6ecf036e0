"""What can be done with users."""

from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats.repository import clock
from chat_service.core import Core
from chat_service.erasure import repository as erasures
from chat_service.errors import ErasureInProgress
from chat_service.users import repository
from chat_service.users.models import User
from chat_service.users.signup_bonus import decide_signup_bonus
from servicekit.retry import execute_in_transaction, execute_with_lock_retry


class UserService:
    """Knows the people."""

    def __init__(self, core: Core) -> None:
        """Take the service's shared tools."""
        self._core = core

    async def store(self, user_id: str, profile: dict[str, Any]) -> tuple[User, bool]:
        """Make or change the user and see that the bonus is granted; answer the user and whether it is new.

        The user is committed before the bonus is asked for: when that fails, the error reaches
        the caller, and the next call asks again under the same request id. A deleted user is made anew, once
        the old account is closed; until then it raises `ErasureInProgress`.
        """
        store = partial(_store, user_id=user_id, profile=profile)
        user, created = await execute_with_lock_retry(self._core.sessions, store)
        if user.signup_bonus_time is None and self._core.settings.chat_signup_bonus:
            decide = partial(decide_signup_bonus, core=self._core, user_id=user_id)
            await execute_with_lock_retry(self._core.sessions, decide)
        return user, created

    async def get(self, user_id: str) -> User:
        """Answer the user; raises `UserNotFound`."""
        return await execute_in_transaction(self._core.sessions, partial(repository.find, user_id=user_id))


async def _store(session: AsyncSession, user_id: str, profile: dict[str, Any]) -> tuple[User, bool]:
    user, created = await repository.store(session, user_id, profile)
    return (user, created) if user.delete_time is None else await _make_anew(session, user_id, profile)


async def _make_anew(session: AsyncSession, user_id: str, profile: dict[str, Any]) -> tuple[User, bool]:
    """Make a new user of the row that a deleted one has left, who has nothing of what was.

    As long as the old account is open, its coins would be the new user's, and closing it would take the new
    user's coins.
    """
    user = await repository.lock(session, user_id)
    if user is None:
        return await repository.store(session, user_id, profile)
    if user.delete_time is None:
        return user, False
    if await erasures.account_is_open(session, user_id):
        raise ErasureInProgress(user_id)
    repository.make_anew(user, profile, await clock(session))
    await session.flush()
    return user, True
