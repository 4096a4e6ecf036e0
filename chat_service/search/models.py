"""The tables of the search index. The user id leads every key, so that they can be distributed by it.

Chunks, vectors and signs have no delete_time and no foreign key, for the reasons that messages have none:
they are read through the live chat, come only while its index is locked, and go in the transaction that
purges it.
"""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIT, TSVECTOR
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from chat_service.base import Base


class HalfVector(UserDefinedType[Any]):
    """pgvector's halfvec: any number of 16-bit floats."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Answer the type's name in SQL."""
        return "halfvec"


# So that the dialect knows the type again where it reads a schema.
ischema_names["halfvec"] = HalfVector


class ChatIndex(Base):
    """The index of one chat: what it is made with, how far it is, and who makes it."""

    __tablename__ = "chat_indexes"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "chat_id"], ["chats.user_id", "chats.chat_id"], ondelete="CASCADE"),
        CheckConstraint("state IN ('PENDING', 'BUILDING', 'READY', 'FAILED')", name="state_known"),
        CheckConstraint("(due_time IS NULL) = (state IN ('READY', 'FAILED'))", name="due_until_made"),
        Index("ix_chat_indexes_due", "due_time", postgresql_where=text("due_time IS NOT NULL")),
    )

    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    chat_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    #: PENDING, BUILDING, READY or FAILED.
    state: Mapped[str] = mapped_column(String(16))
    #: What makes its vectors; with another model or version the index is made anew.
    model: Mapped[str] = mapped_column(String(256))
    version: Mapped[int]
    #: Of its vectors; None before the first one.
    dimension: Mapped[int | None]
    #: The first message that is not in it yet; always the first one of a chunk.
    next_position: Mapped[int]
    chunk_count: Mapped[int]
    vector_count: Mapped[int]
    #: Tries that failed since a piece was last added.
    tries: Mapped[int]
    #: Who makes it: writes of anybody else are refused.
    lease_id: Mapped[uuid.UUID | None]
    #: When it can be claimed: at once, after a failed try's pause, or when the lease has run out.
    due_time: Mapped[datetime | None]
    #: Why the last try failed, for people.
    error_message: Mapped[str] = mapped_column(Text)
    create_time: Mapped[datetime] = mapped_column(server_default=func.now())
    update_time: Mapped[datetime] = mapped_column(server_default=func.now())


class ChatChunk(Base):
    """A piece of one conversation: what a question finds."""

    __tablename__ = "chat_chunks"

    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    chat_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    #: Its place in the chat, from 1.
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_position: Mapped[int]
    last_position: Mapped[int]
    #: Which piece of a message it is that is longer than a chunk; else 0.
    part: Mapped[int]
    first_local_time: Mapped[datetime] = mapped_column(DateTime(timezone=False))
    last_local_time: Mapped[datetime] = mapped_column(DateTime(timezone=False))
    authors: Mapped[list[str]] = mapped_column(ARRAY(Text))
    words: Mapped[str] = mapped_column(TSVECTOR)


class ChatVector(Base):
    """What one message, or a piece of a long one, means."""

    __tablename__ = "chat_vectors"

    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    chat_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    embedding: Mapped[Any] = mapped_column(HalfVector)


class ChatSigns(Base):
    """The signs of a vector's numbers: sixteen times smaller, and enough to find the candidates."""

    __tablename__ = "chat_signs"

    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    chat_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    chunk_number: Mapped[int]
    signs: Mapped[Any] = mapped_column(BIT(varying=True))
