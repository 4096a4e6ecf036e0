"""Writes a chat and its messages, and finds what an earlier import of the same request made."""

import asyncio
import uuid
from typing import Any

import asyncpg
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats.models import Chat, Message
from chat_service.imports.rows import COLUMNS, ReadAhead
from servicekit.errors import DatabaseUnavailable, DeadlineExceeded
from servicekit.soft_delete import INCLUDE_DELETED

#: SQLSTATEs of "the server is gone, going, or takes no more", by how they begin.
_GONE = ("08", "57P", "53")
_QUERY_CANCELED = "57014"
#: Seconds by which the database's limit on an import's statements comes after the service's own.
_GRACE_S = 5.0


async def find_import(session: AsyncSession, user_id: str, request_id: uuid.UUID) -> Chat | None:
    """Answer the chat that this request made, also when it was deleted since, but not with its user."""
    found = await session.execute(
        select(Chat).where(Chat.user_id == user_id, Chat.request_id == request_id, Chat.erasure_id.is_(None)),
        execution_options=INCLUDE_DELETED,
    )
    return found.scalar_one_or_none()


async def lock_import(session: AsyncSession, user_id: str, request_id: uuid.UUID) -> None:
    """Let one import of a request through at a time, until the transaction ends.

    Closes the race of two uploads of the same request: the second one waits here, and finds the
    chat of the first. The unique key would stop it only after it had stored all messages.
    """
    key = func.hashtextextended(f"{user_id}/{request_id}", 0)
    await session.execute(select(func.pg_advisory_xact_lock(key)))


async def allow_long_statement(session: AsyncSession, limit_s: float) -> None:
    """Raise the limit on statements of this transaction: a big file takes longer than a request may.

    The caller's own limit of `limit_s` comes first and says what took too long; the database's is the last
    defence, against a statement that nobody waits for any more.
    """
    limit_ms = str(int((limit_s + _GRACE_S) * 1000))
    await session.execute(text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": limit_ms})


async def copy_messages(session: AsyncSession, rows: ReadAhead) -> None:
    """Store rows by COPY in the session's transaction.

    Raises `DatabaseUnavailable`, `DeadlineExceeded`, and what making the rows raises.
    """
    connection = await (await session.connection()).get_raw_connection()
    driver: Any = connection.driver_connection
    try:
        await _copy(driver, rows)
    except asyncpg.PostgresError as error:
        # SQLAlchemy translates the errors of its own statements only.
        if error.sqlstate == _QUERY_CANCELED:
            raise DeadlineExceeded("storing the messages took too long") from error
        if (error.sqlstate or "").startswith(_GONE):
            raise DatabaseUnavailable from error
        raise
    except (asyncpg.InterfaceError, OSError) as error:
        raise DatabaseUnavailable from error


async def _copy(driver: Any, rows: ReadAhead) -> None:
    """COPY, given up when the connection is lost.

    asyncpg waits for ever when the server goes while the outgoing buffer is full (seen with 0.32):
    nothing wakes the writer then, so the end of the connection has to cancel it.
    """
    copying = asyncio.ensure_future(
        driver.copy_to_table(Message.__tablename__, source=rows, columns=COLUMNS, format="binary")
    )

    def give_up(_: object) -> None:
        copying.cancel()

    driver.add_termination_listener(give_up)
    try:
        await copying
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if driver.is_closed() and not (task and task.cancelling()):
            raise DatabaseUnavailable from None
        raise
    finally:
        driver.remove_termination_listener(give_up)


async def add_chat(session: AsyncSession, chat: Chat) -> Chat:
    """Insert the chat and answer it with what the database filled in."""
    session.add(chat)
    await session.flush()
    return chat
