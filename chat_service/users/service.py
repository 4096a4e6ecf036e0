"""What can be done with users."""

from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.core import Core
from chat_service.users import repository
from chat_service.users.models import User
from chat_service.users.signup_bonus import grant_signup_bonus
from servicekit.retry import execute_in_transaction, execute_with_lock_retry


class UserService:
    """Knows the people."""

    def __init__(self, core: Core) -> None:
        """Take the service's shared tools."""
        self._core = core

    async def store(self, user_id: str, profile: dict[str, Any]) -> tuple[User, bool]:
        """Make or change the user and see that the bonus is granted; answer the user and whether it is new.

        The user is committed before the bonus is asked for: when that fails, the error reaches
        the caller, and the next call asks again under the same request id.
        """

        async def work(session: AsyncSession) -> tuple[User, bool]:
            return await repository.store(session, user_id, profile)

        user, created = await execute_with_lock_retry(self._core.sessions, work)
        if user.signup_bonus_time is None and self._core.settings.chat_signup_bonus:
            await grant_signup_bonus(self._core, user_id)
            record = partial(repository.record_signup_bonus, user_id=user_id)
            await execute_with_lock_retry(self._core.sessions, record)
        return user, created

    async def get(self, user_id: str) -> User:
        """Answer the user; raises `UserNotFound`."""
        return await execute_in_transaction(self._core.sessions, partial(repository.find, user_id=user_id))
