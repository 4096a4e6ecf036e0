"""Write what a batch changed: one statement, however many rows and tables.

Every table's rows go as arrays of columns, so a batch of 8,000 costs one round trip as a batch of one does.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Column, TextClause, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from credit_service.ledger import Changes
from credit_service.rows import (
    ACCOUNT_COLUMNS,
    REQUEST_COLUMNS,
    RESERVATION_COLUMNS,
    TRANSACTION_COLUMNS,
)

_Columns = Sequence["Column[Any]"]
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
_CHANGING = ("state", "charged_amount", "expire_time", "settle_time", "release_reason", "transaction_id")
_SETTLED_COLUMNS = tuple(
    column for column in RESERVATION_COLUMNS if column.name == "reservation_id" or column.name in _CHANGING
)


class _Write:
    """One set-wise INSERT or UPDATE, as a part of the statement."""

    def __init__(self, name: str, columns: _Columns, *, key: str | None = None) -> None:
        """With a `key` rows of that key are updated, otherwise rows are inserted."""
        self.name = name
        self._columns = columns
        table = columns[0].table.name
        names = ", ".join(column.name for column in columns)
        arrays = ", ".join(self._array(column) for column in columns)
        if key is None:
            self.sql = f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays})"  # noqa: S608  # our own names
        else:
            changes = ", ".join(f"{c.name} = new.{c.name}" for c in columns if c.name != key)
            self.sql = (
                f"UPDATE {table} SET {changes} FROM unnest({arrays}) AS new ({names}) "  # noqa: S608  # our own names
                f"WHERE {table}.{key} = new.{key}"
            )

    def _array(self, column: "Column[Any]") -> str:
        sql_type = column.type.compile(dialect=_DIALECT).split(" COLLATE")[0]
        parameter = f":{self.name}_{column.name}"
        if isinstance(column.type, JSONB):
            return f"CAST(CAST({parameter} AS text[]) AS jsonb[])"
        return f"CAST({parameter} AS {sql_type}[])"

    def parameters(self, rows: Iterable[object]) -> dict[str, list[Any]]:
        """Answer one array a column."""
        listed = list(rows)
        return {
            f"{self.name}_{column.name}": _values(column, [getattr(row, column.name) for row in listed])
            for column in self._columns
        }


def _values(column: "Column[Any]", values: list[Any]) -> list[Any]:
    return [json.dumps(dict(value)) for value in values] if isinstance(column.type, JSONB) else values


_ACCOUNTS = _Write("accounts_changed", ACCOUNT_COLUMNS, key="user_id")
_MADE = _Write("reservations_made", RESERVATION_COLUMNS)
_SETTLED = _Write("reservations_changed", _SETTLED_COLUMNS, key="reservation_id")
_TRANSACTIONS = _Write("transactions_made", TRANSACTION_COLUMNS)
_REQUESTS = _Write("requests_kept", REQUEST_COLUMNS)


async def write(session: AsyncSession, changes: Changes) -> None:
    """Write every changed and new row; nothing to write is no statement.

    The parts of the statement see none of each other's rows; constraints between tables are checked by
    PostgreSQL at its end, when all of them are there.
    """
    rows: Mapping[_Write, Sequence[object]] = {
        _ACCOUNTS: changes.accounts,
        _MADE: changes.new_reservations,
        _SETTLED: changes.changed_reservations,
        _TRANSACTIONS: changes.transactions,
        _REQUESTS: changes.requests,
    }
    used = tuple(part for part, listed in rows.items() if listed)
    if not used:
        return
    parameters: dict[str, list[Any]] = {}
    for part in used:
        parameters.update(part.parameters(rows[part]))
    await session.execute(_statement(used), parameters)


@cache
def _statement(parts: tuple[_Write, ...]) -> TextClause:
    """Answer the statement of these parts; there are at most 31 of them."""
    clauses = ", ".join(f"{part.name} AS ({part.sql})" for part in parts)
    return text(f"WITH {clauses} SELECT 1")
