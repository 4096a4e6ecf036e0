"""What goes with a chat, as this service has it: jobs and insights."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.insights import repository as insights
from chat_service.jobs import cancel
from chat_service.jobs.models import Job, JobStep

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
