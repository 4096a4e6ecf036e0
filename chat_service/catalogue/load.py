"""Brings the catalogue's tables to what the file says."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from chat_service.base import Base
from chat_service.catalogue.file import Catalogue, read_catalogue
from chat_service.catalogue.models import Category, CategoryInsightType, InsightType
from servicekit.database import sync_engine


def load_catalogue(url: str, path: Path) -> None:
    """Read the file and store it in one transaction; twice does no harm. Raises `CatalogueError`.

    Categories and types that vanished from the file become inactive: jobs and insights still
    name them. Which type is in which category is nobody else's business, so those rows just go.
    """
    catalogue = read_catalogue(path)
    engine = sync_engine(url, "chat_service migrate")
    with engine.begin() as connection:
        _lock(connection)
        _store(connection, Category, list(_categories(catalogue)))
        _store(connection, InsightType, list(_insight_types(catalogue)))
        _store_links(connection, list(_links(catalogue)))
    engine.dispose()


def _lock(connection: Connection) -> None:
    """Closes the race of two copies that load two files and would leave a mixture of both."""
    table = Category.__table__.name  # type: ignore[attr-defined]  # a FromClause to mypy, a Table in truth
    connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")


def _categories(catalogue: Catalogue) -> Iterable[dict[str, Any]]:
    for position, entry in enumerate(catalogue.category):
        yield {
            "category_id": entry.id,
            "position": position,
            "charge_mode": entry.charge.upper(),
            **entry.model_dump(exclude={"id", "insight_types", "charge"}),
            "price": catalogue.price_of(entry),
        }


def _insight_types(catalogue: Catalogue) -> Iterable[dict[str, Any]]:
    for position, entry in enumerate(catalogue.insight_type):
        yield {"insight_type_id": entry.id, "position": position, **entry.model_dump(exclude={"id"})}


def _links(catalogue: Catalogue) -> Iterable[dict[str, Any]]:
    for entry in catalogue.category:
        for position, name in enumerate(entry.insight_types):
            yield {"category_id": entry.id, "insight_type_id": name, "position": position}


def _store(connection: Connection, model: type[Base], rows: list[dict[str, Any]]) -> None:
    key = model.__mapper__.primary_key[0]
    _upsert(connection, model, [{**row, "active": True} for row in rows])
    gone = key.not_in([row[key.name] for row in rows])
    connection.execute(update(model).where(gone).values(active=False))


def _store_links(connection: Connection, rows: list[dict[str, Any]]) -> None:
    _upsert(connection, CategoryInsightType, rows)
    key = tuple_(CategoryInsightType.category_id, CategoryInsightType.insight_type_id)
    kept = [(row["category_id"], row["insight_type_id"]) for row in rows]
    connection.execute(delete(CategoryInsightType).where(key.not_in(kept)))


def _upsert(connection: Connection, model: type[Base], rows: list[dict[str, Any]]) -> None:
    keys = [column.name for column in model.__mapper__.primary_key]
    statement = insert(model).values(rows)
    new: Mapping[str, Any] = {name: column for name, column in statement.excluded.items() if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=new))
