"""The tables of conversations and their turns."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chat_service.base import Base
from servicekit.soft_delete import SoftDeleteMixin


class Conversation(SoftDeleteMixin, Base):
    """Questions about one chat that belong together; it goes and comes back with its chat."""

    __tablename__ = "conversations"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "chat_id"], ["chats.user_id", "chats.chat_id"], ondelete="CASCADE"),
        Index(
            "ix_conversations_newest_first",
            "user_id",
            text("create_time DESC"),
            text("conversation_id DESC"),
            postgresql_where=text("delete_time IS NULL"),
        ),
        Index("ix_conversations_chat", "user_id", "chat_id"),
    )

    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    conversation_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    chat_id: Mapped[uuid.UUID]
    #: The beginning of its first question.
    title: Mapped[str] = mapped_column(String(200))
    #: Turns that are COMPLETED.
    turn_count: Mapped[int]
    create_time: Mapped[datetime] = mapped_column(server_default=func.now())
    update_time: Mapped[datetime] = mapped_column(server_default=func.now())


class ConversationTurn(Base):
    """A question, its answer, and how its payment stands. Read through its live conversation.

    ASKED: an attempt answers it until its lease runs out. ANSWERED: the answer is stored and its
    reservation is being charged. COMPLETED: paid, where it costs something, and shown. FAILED: nothing was
    charged.
    """

    __tablename__ = "conversation_turns"
    __table_args__ = (
        # A repeated question finds the turn of the first one.
        UniqueConstraint("user_id", "request_id"),
        ForeignKeyConstraint(
            ["user_id", "conversation_id"],
            ["conversations.user_id", "conversations.conversation_id"],
            ondelete="CASCADE",
        ),
        CheckConstraint("state IN ('ASKED', 'ANSWERED', 'COMPLETED', 'FAILED')", name="state_known"),
        CheckConstraint("(settle_time IS NOT NULL) = (state = 'ANSWERED')", name="settled_when_answered"),
        CheckConstraint("state <> 'ANSWERED' OR reservation_id IS NOT NULL", name="answered_is_reserved"),
        CheckConstraint("charge_amount >= 0", name="charge_amount_not_negative"),
        Index("ix_conversation_turns_in_order", "user_id", "conversation_id", "turn_id"),
        Index(
            "ix_conversation_turns_to_settle",
            "settle_time",
            postgresql_where=text("settle_time IS NOT NULL"),
        ),
    )

    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    turn_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[uuid.UUID]
    chat_id: Mapped[uuid.UUID]
    request_id: Mapped[uuid.UUID]
    #: What the client sent, so that another question under the same id is told apart.
    request: Mapped[dict[str, Any]] = mapped_column(JSONB)
    question: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    #: The fencing token: only the latest attempt may write.
    attempt: Mapped[int]
    lease_expire_time: Mapped[datetime]
    #: Where the passages are, and what the search was limited to; None before the answer.
    found: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    answer: Mapped[str] = mapped_column(Text, default="")
    model: Mapped[str] = mapped_column(String(256), default="")
    input_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    output_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    #: What holds the coins of the answer; set with it.
    reservation_id: Mapped[uuid.UUID | None]
    #: Coins that are to be charged, or were.
    charge_amount: Mapped[int] = mapped_column(BigInteger, default=0)
    transaction_id: Mapped[uuid.UUID | None]
    #: When somebody charges it who did not write the answer.
    settle_time: Mapped[datetime | None]
    #: A refusal that is remembered: too few coins.
    error_reason: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    error_metadata: Mapped[dict[str, str] | None] = mapped_column(JSONB)
    create_time: Mapped[datetime] = mapped_column(server_default=func.now())
    update_time: Mapped[datetime] = mapped_column(server_default=func.now())
