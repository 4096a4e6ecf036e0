"""What belongs to a chat and shares its fate; chats know it only by this interface."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession


class Belongings(Protocol):
    """Everything that goes and comes back with a chat, within the transaction that changes the chat."""

    async def delete(
        self, session: AsyncSession, chat_id: uuid.UUID, delete_time: datetime
    ) -> Sequence[uuid.UUID]:
        """Delete it as of the chat's delete_time, cancel unfinished jobs, and answer those to `settle`."""

    async def settle(self, job_ids: Sequence[uuid.UUID]) -> None:
        """Give the coins of cancelled jobs back; called after the commit, and lost without harm."""

    async def undelete(self, session: AsyncSession, chat_id: uuid.UUID, delete_time: datetime) -> None:
        """Bring back what was deleted with the chat, and nothing that was deleted before it."""

    async def purge(self, session: AsyncSession, chat_id: uuid.UUID) -> None:
        """Remove for good what says something about the people in the chat."""
