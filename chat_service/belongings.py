"""What goes with a chat, as this service has it: jobs and insights, the search index and conversations."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats.belongings import Belongings
from chat_service.chats.models import Chat
from chat_service.insights import repository as insights
from chat_service.jobs import cancel
from chat_service.jobs.models import Job, JobStep
from chat_service.questions import repository as questions
from chat_service.search import pieces
from servicekit.soft_delete import INCLUDE_DELETED

Settle = Callable[[Sequence[uuid.UUID]], Awaitable[None]]


class JobsAndInsights:
    """Implements `chats.belongings.Belongings`."""

    def __init__(self, settle: Settle) -> None:
        """Take what gives the coins of cancelled jobs back."""
        self._settle = settle

    async def delete(
        self, session: AsyncSession, chat_id: uuid.UUID, delete_time: datetime
    ) -> Sequence[uuid.UUID]:
        """Delete the insights, cancel the unfinished jobs, and answer those to settle."""
        await insights.delete_of_chat(session, chat_id, delete_time)
        return await cancel.cancel_of_chat(session, chat_id)

    async def settle(self, job_ids: Sequence[uuid.UUID]) -> None:
        """Give the coins of cancelled jobs back."""
        await self._settle(job_ids)

    async def undelete(self, session: AsyncSession, chat_id: uuid.UUID, delete_time: datetime) -> None:
        """Bring the insights back; cancelled jobs stay cancelled."""
        await insights.undelete_of_chat(session, chat_id, delete_time)

    async def purge(self, session: AsyncSession, chat_id: uuid.UUID) -> None:
        """Remove what the jobs' steps hold of the people; insights go with the chat's row.

        The jobs stay: they say what was ordered and paid, and nothing that was written.
        """
        jobs = select(Job.user_id, Job.job_id).where(Job.subject_id == str(chat_id)).subquery()
        await session.execute(
            delete(JobStep).where(JobStep.user_id == jobs.c.user_id, JobStep.job_id == jobs.c.job_id),
            execution_options={"synchronize_session": False},
        )


class IndexAndConversations:
    """Implements `chats.belongings.Belongings`."""

    async def delete(
        self, session: AsyncSession, chat_id: uuid.UUID, delete_time: datetime
    ) -> Sequence[uuid.UUID]:
        """Delete the conversations; the index is read through the live chat only. There is nothing to settle.

        A question that is being answered finds the chat gone and gives its coins back.
        """
        await questions.delete_of_chat(session, chat_id, delete_time)
        return ()

    async def settle(self, job_ids: Sequence[uuid.UUID]) -> None:
        """Do nothing: a question settles itself."""

    async def undelete(self, session: AsyncSession, chat_id: uuid.UUID, delete_time: datetime) -> None:
        """Bring the conversations back."""
        await questions.undelete_of_chat(session, chat_id, delete_time)

    async def purge(self, session: AsyncSession, chat_id: uuid.UUID) -> None:
        """Remove chunks and vectors; the index and the conversations go with the chat's row."""
        owner = await session.scalar(
            select(Chat.user_id).where(Chat.chat_id == chat_id), execution_options=INCLUDE_DELETED
        )
        if owner is not None:
            await pieces.remove(session, owner, chat_id)


class Together:
    """Several belongings as one. Implements `chats.belongings.Belongings`."""

    def __init__(self, *parts: Belongings) -> None:
        """Take the parts, in the order in which they lock."""
        self._parts = parts

    async def delete(
        self, session: AsyncSession, chat_id: uuid.UUID, delete_time: datetime
    ) -> Sequence[uuid.UUID]:
        """Delete all of it, and answer the jobs to settle."""
        return [job for part in self._parts for job in await part.delete(session, chat_id, delete_time)]

    async def settle(self, job_ids: Sequence[uuid.UUID]) -> None:
        """Give the coins of cancelled jobs back."""
        for part in self._parts:
            await part.settle(job_ids)

    async def undelete(self, session: AsyncSession, chat_id: uuid.UUID, delete_time: datetime) -> None:
        """Bring all of it back."""
        for part in self._parts:
            await part.undelete(session, chat_id, delete_time)

    async def purge(self, session: AsyncSession, chat_id: uuid.UUID) -> None:
        """Remove all of it for good."""
        for part in self._parts:
            await part.purge(session, chat_id)
