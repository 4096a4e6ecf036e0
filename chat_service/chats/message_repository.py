"""Reads messages, always through their live chat: the messages of a deleted one are not there."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats.models import Chat, Message


class MessageRow(NamedTuple):
    """A message as it is read: a plain tuple, because a worker reads hundreds of thousands."""

    position: int
    author: str | None
    sent_local_time: datetime
    body: str
    kind: int
    edited: bool
    attachment_name: str


class MessageFilter(NamedTuple):
    """Which messages are asked for; empty means all."""

    #: Text that the body holds, case ignored.
    query: str = ""
    #: Exact name of the author.
    author: str = ""


ALL = MessageFilter()

_COLUMNS = [getattr(Message, name) for name in MessageRow._fields]


async def list_after(
    session: AsyncSession,
    user_id: str,
    chat_id: uuid.UUID,
    *,
    position: int,
    limit: int,
    wanted: MessageFilter = ALL,
) -> Sequence[MessageRow]:
    """Answer messages after a position, in the order of the file."""
    statement = (
        select(*_COLUMNS)
        .join(Chat, and_(Chat.user_id == Message.user_id, Chat.chat_id == Message.chat_id))
        .where(Message.user_id == user_id, Message.chat_id == chat_id, Message.position > position)
        .order_by(Message.position)
        .limit(limit)
    )
    if wanted.query:
        statement = statement.where(Message.body.icontains(wanted.query, autoescape=True))
    if wanted.author:
        statement = statement.where(Message.author == wanted.author)
    rows = await session.execute(statement)
    return [MessageRow._make(row) for row in rows]
