"""The table of facts about SQLAlchemy's loader criteria, as this project relies on it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import BigInteger, ForeignKey, Text, delete, exists, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
)

from servicekit.database import async_engine, session_factory, transaction
from servicekit.embedded import EmbeddedPostgres
from servicekit.settings import KitSettings
from servicekit.soft_delete import INCLUDE_DELETED, SoftDeleteMixin

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Base(DeclarativeBase):
    pass


class Shelf(SoftDeleteMixin, Base):
    __tablename__ = "shelves"
    shelf_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    books: Mapped[list["Book"]] = relationship(back_populates="shelf", lazy="raise")


class Book(SoftDeleteMixin, Base):
    __tablename__ = "books"
    book_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.shelf_id"))
    title: Mapped[str] = mapped_column(Text)
    shelf: Mapped[Shelf] = relationship(back_populates="books", lazy="raise")


@pytest.fixture
async def session(postgres: EmbeddedPostgres) -> AsyncIterator[AsyncSession]:
    """Shelf 1 holds a live book 1 and a deleted book 2; shelf 2 is deleted and holds a live book 3."""
    postgres.create_database("servicekit_soft_delete")
    engine = async_engine(postgres.url("servicekit_soft_delete"), KitSettings(), "tests")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    sessions = session_factory(engine)
    async with transaction(sessions) as filling:
        filling.add_all([Shelf(shelf_id=1), Shelf(shelf_id=2, delete_time=NOW)])
        await filling.flush()
        filling.add_all(
            [
                Book(book_id=1, shelf_id=1, title="live"),
                Book(book_id=2, shelf_id=1, title="deleted", delete_time=NOW),
                Book(book_id=3, shelf_id=2, title="on a deleted shelf"),
            ]
        )
    async with transaction(sessions) as used:
        yield used
    await engine.dispose()


async def _ids(session: AsyncSession, statement: object) -> list[int]:
    return sorted((await session.scalars(statement)).all())  # type: ignore[call-overload]  # any select of ids


async def test_a_deleted_row_is_gone_from_selects_of_entities_and_columns(session: AsyncSession) -> None:
    assert [book.book_id for book in (await session.scalars(select(Book).order_by(Book.book_id))).all()] == [
        1,
        3,
    ]
    assert await _ids(session, select(Book.book_id)) == [1, 3]
    assert await session.scalar(select(func.count(Book.book_id))) == 2


async def test_aliases_subqueries_and_exists_are_filtered_too(session: AsyncSession) -> None:
    other = aliased(Book)
    cte = select(Book.book_id).cte()
    assert await _ids(session, select(other.book_id)) == [1, 3]
    assert await _ids(session, select(cte.c.book_id)) == [1, 3]
    assert await session.scalar(select(exists().where(Book.book_id == 2))) is False
    assert await _ids(session, select(Shelf.shelf_id).where(Shelf.shelf_id.in_(select(Book.shelf_id)))) == [1]


async def test_a_join_sees_live_rows_of_both_sides(session: AsyncSession) -> None:
    assert await _ids(session, select(Book.book_id).join(Book.shelf)) == [1]


async def test_a_live_child_of_a_deleted_parent_is_seen_without_the_join(session: AsyncSession) -> None:
    # So children are deleted with their parent, or read through it.
    assert 3 in await _ids(session, select(Book.book_id))


async def test_loaded_collections_hold_live_rows_only(session: AsyncSession) -> None:
    shelf = (await session.scalars(select(Shelf).options(selectinload(Shelf.books)))).one()
    assert [book.book_id for book in shelf.books] == [1]


async def test_a_deleted_parent_is_not_loaded_and_does_not_take_the_child_away(session: AsyncSession) -> None:
    statement = select(Book).where(Book.book_id == 3).options(joinedload(Book.shelf))
    book = (await session.scalars(statement)).one()
    assert book.shelf is None


async def test_get_answers_no_deleted_row(session: AsyncSession) -> None:
    assert await session.get(Book, 2) is None


async def test_get_answers_an_object_the_session_holds_unless_told_to_look(session: AsyncSession) -> None:
    book = await session.get(Book, 1)
    assert book is not None
    await session.execute(text("UPDATE books SET delete_time = now() WHERE book_id = 1"))

    assert await session.get(Book, 1) is book
    assert await session.get(Book, 1, populate_existing=True) is None


async def test_bulk_updates_and_deletes_leave_deleted_rows_alone(session: AsyncSession) -> None:
    await session.execute(update(Book).values(title="changed"))
    await session.execute(delete(Book))

    rows = await session.execute(text("SELECT book_id, title FROM books"))
    assert [tuple(row) for row in rows] == [(2, "deleted")]


async def test_include_deleted_shows_all(session: AsyncSession) -> None:
    found = await session.scalars(select(Book.book_id), execution_options=INCLUDE_DELETED)
    assert sorted(found.all()) == [1, 2, 3]
    shelf = (
        await session.scalars(
            select(Shelf).where(Shelf.shelf_id == 1).options(selectinload(Shelf.books)),
            execution_options=INCLUDE_DELETED,
        )
    ).one()
    assert [book.book_id for book in shelf.books] == [1, 2]


async def test_plain_sql_and_core_tables_are_not_filtered(session: AsyncSession) -> None:
    # Known, and the reason why repositories use the models.
    assert await session.scalar(text("SELECT count(*) FROM books")) == 3
    assert await session.scalar(select(func.count()).select_from(Book.__table__)) == 3
