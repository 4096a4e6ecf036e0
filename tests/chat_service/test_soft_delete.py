"""The filter of deleted rows on the models of this service: what it covers and what not (pitfalls, D-13)."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import delete, exists, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from chat_service.chats.models import Chat, Message
from servicekit.soft_delete import INCLUDE_DELETED
from tests.chat_service.clients import ChatClient, export
from tests.served import ServedApp

Query = Callable[[AsyncSession, str], Awaitable[Any]]


async def scalar(session: AsyncSession, statement: Any, **options: Any) -> Any:
    return (await session.execute(statement, execution_options=options)).scalar()


def alias_query(session: AsyncSession, user_id: str) -> Awaitable[Any]:
    other = aliased(Chat)
    return scalar(session, select(func.count(other.chat_id)).where(other.user_id == user_id))


def cte_query(session: AsyncSession, user_id: str) -> Awaitable[Any]:
    mine = select(Chat.chat_id).where(Chat.user_id == user_id).cte()
    return scalar(session, select(func.count()).select_from(mine))


def subquery_query(session: AsyncSession, user_id: str) -> Awaitable[Any]:
    mine = select(Chat.chat_id).where(Chat.user_id == user_id).subquery()
    return scalar(session, select(func.count()).select_from(mine))


def scalar_subquery_query(session: AsyncSession, user_id: str) -> Awaitable[Any]:
    mine = select(func.count(Chat.chat_id)).where(Chat.user_id == user_id).scalar_subquery()
    return scalar(session, select(mine))


def join_query(session: AsyncSession, user_id: str) -> Awaitable[Any]:
    joined = (Chat.user_id == Message.user_id) & (Chat.chat_id == Message.chat_id)
    statement = select(func.count(Message.position)).join(Chat, joined).where(Message.user_id == user_id)
    return scalar(session, statement)


async def exists_query(session: AsyncSession, user_id: str) -> Any:
    return int(await scalar(session, select(exists().where(Chat.user_id == user_id))))


async def bulk_update(session: AsyncSession, user_id: str) -> Any:
    changed = update(Chat).where(Chat.user_id == user_id).values(display_name="changed")
    return (await session.execute(changed.returning(Chat.chat_id))).scalar() or 0


async def bulk_delete(session: AsyncSession, user_id: str) -> Any:
    removed = delete(Chat).where(Chat.user_id == user_id)
    return (await session.execute(removed.returning(Chat.chat_id))).scalar() or 0


FILTERED: dict[str, Query] = {
    "entity": lambda s, u: scalar(s, select(Chat).where(Chat.user_id == u)),
    "column": lambda s, u: scalar(s, select(Chat.chat_id).where(Chat.user_id == u)),
    "count": lambda s, u: scalar(s, select(func.count(Chat.chat_id)).where(Chat.user_id == u)),
    "exists": exists_query,
    "scalar subquery": scalar_subquery_query,
    "cte": cte_query,
    "subquery": subquery_query,
    "alias": alias_query,
    "messages joined with their chat": join_query,
    "bulk update": bulk_update,
    "bulk delete": bulk_delete,
}

#: What nobody in this service may use to read chats without naming delete_time.
UNFILTERED: dict[str, Query] = {
    "core table": lambda s, u: scalar(
        s, select(Chat.__table__.c.chat_id).where(Chat.__table__.c.user_id == u)
    ),
    "text": lambda s, u: scalar(s, text("SELECT chat_id FROM chats WHERE user_id = :u").bindparams(u=u)),
    "messages alone": lambda s, u: scalar(s, select(Message.position).where(Message.user_id == u)),
}


def run(app: ServedApp, work: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
    """Run the work in a session of the service that is rolled back."""

    async def in_session() -> Any:
        async with app.app.core.sessions() as session:
            try:
                return await work(session)
            finally:
                await session.rollback()

    return app.run(in_session)


@pytest.fixture
def chat_id(client: ChatClient, user_id: str) -> str:
    return client.import_file(export(3), user_id=user_id).chat_id


@pytest.mark.parametrize("name", FILTERED)
def test_a_deleted_chat_is_hidden_from_every_kind_of_orm_statement(
    client: ChatClient, chat_app: ServedApp, user_id: str, chat_id: str, name: str
) -> None:
    assert run(chat_app, lambda session: FILTERED[name](session, user_id))

    client.delete(user_id, chat_id)

    assert not run(chat_app, lambda session: FILTERED[name](session, user_id))


@pytest.mark.parametrize("name", UNFILTERED)
def test_statements_beside_the_orm_see_deleted_rows_which_is_why_repositories_do_not_use_them(
    client: ChatClient, chat_app: ServedApp, user_id: str, chat_id: str, name: str
) -> None:
    client.delete(user_id, chat_id)

    assert run(chat_app, lambda session: UNFILTERED[name](session, user_id))


def test_a_fresh_get_hides_a_deleted_chat_and_one_from_the_identity_map_does_not(
    client: ChatClient, chat_app: ServedApp, user_id: str, chat_id: str
) -> None:
    client.delete(user_id, chat_id)
    key = (user_id, uuid.UUID(chat_id))

    async def work(session: AsyncSession) -> tuple[bool, bool, bool]:
        fresh = await session.get(Chat, key)
        statement = select(Chat).where(Chat.user_id == user_id)
        held = (await session.execute(statement, execution_options=INCLUDE_DELETED)).scalar_one()
        known = await session.get(Chat, key)
        again = await session.get(Chat, key, populate_existing=True)
        return fresh is None, known is held, again is None

    assert run(chat_app, work) == (True, True, True)


def test_include_deleted_shows_deleted_chats(
    client: ChatClient, chat_app: ServedApp, user_id: str, chat_id: str
) -> None:
    client.delete(user_id, chat_id)

    statement = select(Chat.chat_id).where(Chat.user_id == user_id)
    assert run(chat_app, lambda session: scalar(session, statement, **INCLUDE_DELETED)) == uuid.UUID(chat_id)
