"""Write what a batch changed: one statement, however many rows and tables.

Every table's rows go as arrays of columns, so a batch of 8,000 costs one round trip as a batch of one does.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

import asyncpg

from credit_service.ledger import Changes, Event
from credit_service.store.events import EVENT_COLUMNS, event_columns

_Columns = Mapping[str, str]

_ACCOUNTS: _Columns = {
    "user_id": "text",
    "balance": "bigint",
    "reserved": "bigint",
    "transaction_count": "bigint",
    "reservation_count": "bigint",
    "create_time": "timestamptz",
    "update_time": "timestamptz",
    "close_time": "timestamptz",
    "event_key": "bigint",
}
_SETTLED: _Columns = {
    "reservation_id": "uuid",
    "state": "text",
    "charged_amount": "bigint",
    "expire_time": "timestamptz",
    "settle_time": "timestamptz",
    "release_reason": "text",
    "transaction_id": "uuid",
}
_RESERVATIONS: _Columns = {
    "reservation_id": "uuid",
    "user_id": "text",
    "number": "bigint",
    "amount": "bigint",
    "state": "text",
    "expire_time": "timestamptz",
    "create_time": "timestamptz",
    "charged_amount": "bigint",
    "settle_time": "timestamptz",
    "release_reason": "text",
    "reference_type": "text",
    "reference_id": "text",
    "description": "text",
    "metadata": "jsonb",
    "transaction_id": "uuid",
}
_TRANSACTIONS: _Columns = {
    "transaction_id": "uuid",
    "user_id": "text",
    "number": "bigint",
    "type": "text",
    "amount": "bigint",
    "balance_after": "bigint",
    "create_time": "timestamptz",
    "description": "text",
    "reservation_id": "uuid",
    "reference_type": "text",
    "reference_id": "text",
    "metadata": "jsonb",
}
_REQUESTS: _Columns = {
    "user_id": "text",
    "request_id": "uuid",
    "operation": "text",
    "sent": "jsonb",
    "create_time": "timestamptz",
    "reservation_id": "uuid",
    "transaction_id": "uuid",
    "expire_time": "timestamptz",
    "available": "bigint",
}


@dataclass(frozen=True, eq=False)
class _Part:
    """One set-wise INSERT or UPDATE, as a part of the statement. With a `key` rows of it are updated."""

    name: str
    table: str
    columns: _Columns
    key: str = ""

    def sql(self, first: int) -> str:
        """Answer the part with its parameters numbered from `first`."""
        names = ", ".join(self.columns)
        arrays = ", ".join(f"${first + n}::{kind}[]" for n, kind in enumerate(self.columns.values()))
        if not self.key:
            # The rows are numbered so that events get their sequence in the order that they happened in.
            return (
                f"INSERT INTO {self.table} ({names}) SELECT {names} FROM unnest({arrays}) "  # noqa: S608  # our own names
                f"WITH ORDINALITY AS made ({names}, place) ORDER BY place"
            )
        changes = ", ".join(f"{name} = new.{name}" for name in self.columns if name != self.key)
        return (
            f"UPDATE {self.table} SET {changes} FROM unnest({arrays}) AS new ({names}) "  # noqa: S608  # our own names
            f"WHERE {self.table}.{self.key} = new.{self.key}"
        )

    def arrays(self, rows: Sequence[object]) -> list[list[Any]]:
        """Answer one array a column."""
        arrays = [list(map(attrgetter(name), rows)) for name in self.columns]
        for place, kind in enumerate(self.columns.values()):
            if kind == "jsonb":
                arrays[place] = list(map(_json, arrays[place]))
        return arrays


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value) if value else "{}"


_ACCOUNTS_CHANGED = _Part("accounts_changed", "accounts", _ACCOUNTS, key="user_id")
_RESERVATIONS_MADE = _Part("reservations_made", "reservations", _RESERVATIONS)
_RESERVATIONS_CHANGED = _Part("reservations_changed", "reservations", _SETTLED, key="reservation_id")
_TRANSACTIONS_MADE = _Part("transactions_made", "transactions", _TRANSACTIONS)
_REQUESTS_KEPT = _Part("requests_kept", "requests", _REQUESTS)
_EVENTS_ADDED = _Part("events_added", "events", EVENT_COLUMNS)


async def write(connection: "asyncpg.Connection[Any]", changes: Changes, events: Sequence[Event]) -> None:
    """Write every changed and new row and the events; nothing to write is no statement.

    The parts of the statement see none of each other's rows; constraints between tables are checked by
    PostgreSQL at its end, when all of them are there.
    """
    rows: Mapping[_Part, Sequence[object]] = {
        _ACCOUNTS_CHANGED: changes.accounts,
        _RESERVATIONS_MADE: changes.new_reservations,
        _RESERVATIONS_CHANGED: changes.changed_reservations,
        _TRANSACTIONS_MADE: changes.transactions,
        _REQUESTS_KEPT: changes.requests,
    }
    used = [part for part, listed in rows.items() if listed]
    arrays = [array for part in used for array in part.arrays(rows[part])]
    if events:
        used.append(_EVENTS_ADDED)
        arrays += event_columns(events)
    if used:
        await connection.execute(_statement(tuple(used)), *arrays)


@cache
def _statement(parts: tuple[_Part, ...]) -> str:
    """Answer the statement of these parts; there are at most 63 of them."""
    clauses, first = [], 1
    for part in parts:
        clauses.append(f"{part.name} AS ({part.sql(first)})")
        first += len(part.columns)
    return f"WITH {', '.join(clauses)} SELECT 1"
