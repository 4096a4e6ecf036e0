"""The tables of chats and messages. The user id leads every key, so that they can be distributed by it."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chat_service.base import Base
from servicekit.soft_delete import SoftDeleteMixin


class Chat(SoftDeleteMixin, Base):
    """An uploaded conversation. A row exists only once all of its messages are stored."""

    __tablename__ = "chats"
    __table_args__ = (
        # A repeated import finds the chat of the first one, deleted or not, but not that of an erased user.
        Index(
            "uq_chats_user_id_request_id",
            "user_id",
            "request_id",
            unique=True,
            postgresql_where=text("erasure_id IS NULL"),
        ),
        Index("ix_chats_erasure_id", "erasure_id", postgresql_where=text("erasure_id IS NOT NULL")),
        CheckConstraint("(delete_time IS NULL) = (purge_time IS NULL)", name="deleted_with_purge_time"),
        CheckConstraint("message_count > 0", name="not_empty"),
        Index(
            "ix_chats_newest_first",
            "user_id",
            text("create_time DESC"),
            text("chat_id DESC"),
            postgresql_where=text("delete_time IS NULL"),
        ),
        # The public statistics are asked for by the chat's id alone.
        Index("ix_chats_chat_id", "chat_id"),
        Index("ix_chats_to_purge", "purge_time", postgresql_where=text("purge_time IS NOT NULL")),
    )

    user_id: Mapped[str] = mapped_column(String(128), ForeignKey("users.user_id"), primary_key=True)
    chat_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    display_name: Mapped[str] = mapped_column(String(256))
    file_name: Mapped[str] = mapped_column(String(255))
    #: Numbers of chat.v1.ChatFormat and chat.v1.ChatState.
    format: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[int] = mapped_column(SmallInteger)
    message_count: Mapped[int] = mapped_column(BigInteger)
    #: [[name, messages], …], most first, at most 1,000.
    participants: Mapped[list[list[Any]]] = mapped_column(JSONB)
    participant_count: Mapped[int]
    first_message_local_time: Mapped[datetime] = mapped_column(DateTime(timezone=False))
    last_message_local_time: Mapped[datetime] = mapped_column(DateTime(timezone=False))
    #: IANA name; empty when neither the uploader nor the file said.
    time_zone: Mapped[str] = mapped_column(String(64), default="")
    request_id: Mapped[uuid.UUID]
    #: The fields of chat.v1.ImportReport that imports.report makes.
    import_report: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    #: The fields of chat.v1.ChatStats that imports.stats makes.
    stats: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    #: What the client sent, so that another request under the same id is told apart.
    import_header: Mapped[dict[str, Any]] = mapped_column(JSONB)
    file_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    create_time: Mapped[datetime] = mapped_column(server_default=func.now())
    update_time: Mapped[datetime] = mapped_column(server_default=func.now())
    #: From this instant on a deleted chat cannot be brought back.
    purge_time: Mapped[datetime | None] = mapped_column(default=None)
    #: The erasure of its user: it never comes back then, for nobody.
    erasure_id: Mapped[uuid.UUID | None] = mapped_column(default=None)


class Message(Base):
    """One message or system line.

    It carries no delete_time, because stamping 400,000 rows would make a delete slow: every read
    joins the live chat. It has no foreign key either, whose check of every row would make an
    import slow: rows come only in the transaction that makes the chat and go only in the one that
    purges it.
    """

    __tablename__ = "messages"

    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    chat_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    #: Its place in the file, from 1, without gaps.
    position: Mapped[int] = mapped_column(primary_key=True)
    #: None for a line that the platform wrote.
    author: Mapped[str | None] = mapped_column(Text)
    sent_local_time: Mapped[datetime] = mapped_column(DateTime(timezone=False))
    body: Mapped[str] = mapped_column(Text)
    #: Number of chat.v1.MessageKind.
    kind: Mapped[int] = mapped_column(SmallInteger)
    edited: Mapped[bool]
    attachment_name: Mapped[str] = mapped_column(Text)
