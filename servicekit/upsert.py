"""Insert-or-find without a race: the unique index decides, not a check before."""

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import Boolean, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase

_Model = TypeVar("_Model", bound=DeclarativeBase)


async def upsert_unique_record(
    session: AsyncSession,
    model: type[_Model],
    unique_keys: Mapping[str, Any],
    update_values: Mapping[str, Any],
    insert_values: Mapping[str, Any] | None = None,
) -> tuple[_Model, bool]:
    """Insert a row, or update the one with the same unique keys; answer it and whether it is new.

    `unique_keys` must be the columns of a unique index that has no condition;
    `insert_values` are set only on a new row. Two callers at once end with one row that
    has the later one's values.
    """
    statement = (
        insert(model)
        .values({**(insert_values or {}), **unique_keys, **update_values})
        .on_conflict_do_update(index_elements=list(unique_keys), set_=dict(update_values or unique_keys))
        .returning(model, literal_column("xmax = 0", Boolean))
    )
    result = await session.execute(statement, execution_options={"populate_existing": True})
    row, inserted = result.one()
    return row, bool(inserted)


async def upsert_or_create(
    session: AsyncSession,
    model: type[_Model],
    filters: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> tuple[_Model, bool]:
    """Find the row with these values or make it; answer it and whether it is new.

    An existing row is left as it is. The loser of a race gets no row back from the insert
    and reads the winner's: safe at READ COMMITTED, where the read sees what the
    conflict waited for; at REPEATABLE READ the conflict is a serialization failure to retry.
    """
    statement = insert(model).values({**defaults, **filters}).on_conflict_do_nothing().returning(model)
    created = (await session.execute(statement)).scalar_one_or_none()
    if created is not None:
        return created, True
    found = await session.execute(
        select(model).filter_by(**filters), execution_options={"populate_existing": True}
    )
    return found.scalar_one(), False
