"""Reading insights."""

import uuid
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.catalogue.models import InsightType
from chat_service.chats.repository import require
from chat_service.insights import repository
from chat_service.insights.models import Insight
from servicekit.database import Sessions
from servicekit.retry import execute_with_lock_retry


class InsightReader:
    """Answers what was made of a chat and paid for."""

    def __init__(self, sessions: Sessions) -> None:
        """Take the database."""
        self._sessions = sessions

    async def list_unlocked(self, user_id: str, chat_id: uuid.UUID) -> Sequence[tuple[Insight, InsightType]]:
        """Answer the unlocked insights in the catalogue's order; raises `ChatNotFound`."""

        async def work(session: AsyncSession) -> Sequence[tuple[Insight, InsightType]]:
            await require(session, user_id, chat_id)
            return await repository.list_unlocked(session, user_id, chat_id)

        # One snapshot for both statements: a chat that is deleted between them would look empty, not gone.
        return await execute_with_lock_retry(self._sessions, work, "REPEATABLE READ")
