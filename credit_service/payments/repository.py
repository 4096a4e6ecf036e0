"""Reads and writes orders, their reversals and what they moved, on a connection in a transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from credit_service.payments.facts import About
from credit_service.payments.rules import Order, Reversal
from credit_service.payments.states import OrderState, ReversalKind, ReversalStatus

_COLUMNS = ", ".join(field.name for field in fields(Order))
_STATE = [field.name for field in fields(Order)].index("state")
_SELECT = f"SELECT {_COLUMNS} FROM orders"  # noqa: S608  # our own names

_INSERT = f"""
    INSERT INTO orders (order_id, user_id, request_id, package_id, provider, currency, amount, coins)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (user_id, request_id) DO NOTHING RETURNING {_COLUMNS}
"""  # noqa: S608  # our own names
_OPENED = f"""
    UPDATE orders SET provider_order_id = $2, checkout = CAST($3 AS jsonb), update_time = clock_timestamp()
    WHERE order_id = $1 AND provider_order_id IS NULL RETURNING {_COLUMNS}
"""  # noqa: S608  # our own names
# FOR NO KEY UPDATE: reversals and transactions of the order may be added by whoever holds it.
_LOCK = "SELECT FROM orders WHERE order_id = $1 FOR NO KEY UPDATE"
_UPDATE = """
    UPDATE orders SET state = $2, payment_id = $3, paid_time = $4, refunded_amount = $5, disputed_amount = $6,
        granted_coins = $7, taken_coins = $8, missing_coins = $9, update_time = clock_timestamp()
    WHERE order_id = $1
"""
_REVERSALS = """
    SELECT kind, reversal_id, payment_id, amount, status FROM reversals WHERE order_id = $1 ORDER BY number
"""
_PUT_REVERSAL = """
    INSERT INTO reversals (order_id, kind, reversal_id, payment_id, amount, status)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (order_id, kind, reversal_id) DO UPDATE
    SET amount = excluded.amount, status = excluded.status, update_time = clock_timestamp()
"""
_ADD_TRANSACTION = """
    INSERT INTO order_transactions (business_key, order_id, transaction_id, coins) VALUES ($1, $2, $3, $4)
"""
# Unpaid ones of the last hour: what a user may have a provider open without paying.
_UNPAID = """
    SELECT count(*) FROM orders
    WHERE user_id = $1 AND state = 'CREATED' AND create_time > now() - interval '1 hour'
"""
_HANGING = f"""
    {_SELECT} WHERE state = 'CREATED' AND create_time < now() - $1::interval
    AND (create_time, order_id) > ($2, $3) ORDER BY create_time, order_id LIMIT $4
"""


async def find_by_request(
    connection: "asyncpg.Connection[Any]", user_id: str, request_id: UUID
) -> Order | None:
    """Answer the order that the user made under this request id."""
    row = await connection.fetchrow(f"{_SELECT} WHERE user_id = $1 AND request_id = $2", user_id, request_id)
    return None if row is None else _order(row)


async def insert_unless_there(
    connection: "asyncpg.Connection[Any]", values: Sequence[object]
) -> Order | None:
    """Insert a CREATED order: its id, user, request id, package, provider, currency, amount and coins.

    None when the request id is taken. Of two calls at once the second waits for the first one's commit.
    """
    row = await connection.fetchrow(_INSERT, *values)
    return None if row is None else _order(row)


async def unpaid_lately(connection: "asyncpg.Connection[Any]", user_id: str) -> int:
    """Count the user's unpaid orders of the last hour."""
    count: int = await connection.fetchval(_UNPAID, user_id)
    return count


async def opened(
    connection: "asyncpg.Connection[Any]", order_id: UUID, provider_order_id: str, checkout: Mapping[str, str]
) -> Order | None:
    """Note what the provider opened; None when something was noted before, which stays."""
    row = await connection.fetchrow(_OPENED, order_id, provider_order_id, json.dumps(dict(checkout)))
    return None if row is None else _order(row)


async def get(connection: "asyncpg.Connection[Any]", order_id: UUID) -> Order | None:
    """Answer an order as it is now."""
    row = await connection.fetchrow(f"{_SELECT} WHERE order_id = $1", order_id)
    return None if row is None else _order(row)


async def find(connection: "asyncpg.Connection[Any]", provider: str, about: About) -> UUID | None:
    """Answer the id of the order that a provider means: by our own id, else by one of the provider's."""
    for column, value in (
        ("order_id", about.order_id),
        ("provider_order_id", about.provider_order_id),
        ("payment_id", about.payment_id),
    ):
        if value is None:
            continue
        found: UUID | None = await connection.fetchval(
            f"SELECT order_id FROM orders WHERE provider = $1 AND {column} = $2",  # noqa: S608  # our own names
            provider,
            value,
        )
        if found is not None:
            return found
    return None


async def lock(connection: "asyncpg.Connection[Any]", order_id: UUID) -> Order:
    """Lock an order that is there, and answer it as it is then.

    Closes the race of two facts about one order, such as the two events that both say it is paid, or the same
    event in two copies of the service: the second one sees what the first has left. Orders are locked before
    accounts, never after.
    """
    await connection.execute(_LOCK, order_id)
    order = await get(connection, order_id)
    assert order is not None
    return order


async def reversals(connection: "asyncpg.Connection[Any]", order_id: UUID) -> list[Reversal]:
    """Answer what is known to go back of an order, in the order in which it was heard of."""
    rows = await connection.fetch(_REVERSALS, order_id)
    return [Reversal(ReversalKind(row[0]), row[1], row[2], row[3], ReversalStatus(row[4])) for row in rows]


async def put_reversal(connection: "asyncpg.Connection[Any]", order_id: UUID, reversal: Reversal) -> None:
    """Add a reversal or write its new status; the order is locked."""
    await connection.execute(
        _PUT_REVERSAL,
        order_id,
        reversal.kind,
        reversal.reversal_id,
        reversal.payment_id,
        reversal.amount,
        reversal.status,
    )


async def update(connection: "asyncpg.Connection[Any]", order: Order) -> None:
    """Write a locked order's new state."""
    await connection.execute(
        _UPDATE,
        order.order_id,
        order.state,
        order.payment_id,
        order.paid_time,
        order.refunded_amount,
        order.disputed_amount,
        order.granted_coins,
        order.taken_coins,
        order.missing_coins,
    )


async def add_transaction(
    connection: "asyncpg.Connection[Any]", business_key: str, order_id: UUID, transaction_id: UUID, coins: int
) -> None:
    """Note what an order moved; the key is unique, so that what it stands for moves coins once at most."""
    await connection.execute(_ADD_TRANSACTION, business_key, order_id, transaction_id, coins)


async def clock(connection: "asyncpg.Connection[Any]") -> datetime:
    """Answer the database's time as of now; to be asked after the locks are held."""
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return now


async def hanging(
    connection: "asyncpg.Connection[Any]", age: Any, after: tuple[datetime, UUID], limit: int
) -> list[Order]:
    """Answer unpaid orders that are older than a timedelta, oldest first, after one of them."""
    return [_order(row) for row in await connection.fetch(_HANGING, age, *after, limit)]


def _order(row: Sequence[Any]) -> Order:
    values = list(row)
    values[_STATE] = OrderState(values[_STATE])
    return Order(*values)
