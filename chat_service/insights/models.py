"""The table of insights."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chat_service.base import Base
from servicekit.soft_delete import SoftDeleteMixin


class Insight(SoftDeleteMixin, Base):
    """One insight about one chat; seen only once it is unlocked and while its chat lives."""

    __tablename__ = "insights"
    __table_args__ = (
        # One row a chat and type; the user id is in the key so that the table can be distributed by it.
        UniqueConstraint("chat_id", "insight_type_id", "user_id"),
        ForeignKeyConstraint(["user_id", "chat_id"], ["chats.user_id", "chats.chat_id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["user_id", "job_id"], ["jobs.user_id", "jobs.job_id"]),
    )

    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    insight_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    chat_id: Mapped[uuid.UUID]
    insight_type_id: Mapped[str] = mapped_column(String(64))
    #: The job that made it last.
    job_id: Mapped[uuid.UUID]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    sentences: Mapped[list[str]] = mapped_column(JSONB)
    #: When a job that made it was paid; None hides it. Set once, by FinishJob, and never by saving.
    unlock_time: Mapped[datetime | None] = mapped_column(default=None)
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]
