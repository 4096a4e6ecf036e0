"""Read what is locked: each statement runs after the locks, so it sees the world that they hold still."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, text
from sqlalchemy.ext.asyncio import AsyncSession

from credit_service.ledger import Account, Book, Grant, Operation, Request, Reservation, Reserve, Transaction
from credit_service.rows import (
    ACCOUNT_COLUMNS,
    REQUEST_COLUMNS,
    RESERVATION_COLUMNS,
    TRANSACTION_COLUMNS,
    account_from,
    request_from,
    reservation_from,
    transaction_from,
)
from credit_service.store.locks import Locked


def _names(columns: Iterable["Column[object]"]) -> str:
    return ", ".join(str(column) for column in columns)


# The subquery makes the clock one value for all rows, read when this statement runs: after the locks.
_ACCOUNTS = text(f"""
    SELECT clock.now, {_names(ACCOUNT_COLUMNS)}
    FROM (SELECT clock_timestamp() AS now) AS clock
    LEFT JOIN accounts ON accounts.user_id = ANY (CAST(:user_ids AS text[]))
""")  # noqa: S608  # the names of our own columns

_REQUESTS = text(f"""
    SELECT {_names(REQUEST_COLUMNS)}
    FROM unnest(CAST(:user_ids AS text[]), CAST(:request_ids AS uuid[])) AS wanted (user_id, request_id)
    JOIN requests ON requests.user_id = wanted.user_id AND requests.request_id = wanted.request_id
""").columns(*REQUEST_COLUMNS)  # noqa: S608  # the names of our own columns

_RESERVATIONS = text(f"""
    SELECT {_names(RESERVATION_COLUMNS)} FROM reservations
    WHERE reservation_id = ANY (CAST(:reservation_ids AS uuid[]))
    UNION ALL
    (
        SELECT {_names(RESERVATION_COLUMNS)} FROM reservations
        WHERE user_id = ANY (CAST(:user_ids AS text[]))
            AND state = 'RESERVED' AND expire_time <= CAST(:now AS timestamptz)
        LIMIT :due_limit
    )
""").columns(*RESERVATION_COLUMNS)  # noqa: S608  # the names of our own columns

_TRANSACTIONS = text(f"""
    SELECT {_names(TRANSACTION_COLUMNS)} FROM transactions
    WHERE transaction_id = ANY (CAST(:transaction_ids AS uuid[]))
""").columns(*TRANSACTION_COLUMNS)  # noqa: S608  # the names of our own columns


@dataclass(frozen=True, slots=True)
class Opened:
    """A book of locked rows, the instant it stands for, and whether more is due than it could take."""

    book: Book
    now: datetime
    more_due: bool


async def open_book(
    session: AsyncSession, locked: Locked, operations: Sequence[Operation], due_limit: int
) -> Opened:
    """Read everything that the rules look at, at most `due_limit` due reservations among it."""
    now, accounts = await _accounts(session, locked.user_ids)
    requests = await _requests(session, _request_keys(operations, locked))
    remembered = (request.reservation_id for request in requests if request.reservation_id is not None)
    named = {*locked.owners, *remembered}
    reservations = await _reservations(session, locked.user_ids, named, now, due_limit)
    made = {*(row.transaction_id for row in requests), *(row.transaction_id for row in reservations)}
    transactions = await _transactions(session, made)
    return Opened(
        Book(accounts, reservations, transactions, requests),
        now,
        more_due=len(reservations) >= len(named) + due_limit,
    )


def _request_keys(operations: Sequence[Operation], locked: Locked) -> list[tuple[str, UUID]]:
    """Answer the account and id of every request that may be remembered; a lost reservation has neither.

    Only of accounts that are locked. One that a first Grant makes after our lock statement found none does
    not exist for this batch, and so neither do the requests that were answered in it meanwhile.
    """
    held = set(locked.user_ids)
    keys = []
    for operation in operations:
        user_id = (
            operation.user_id
            if isinstance(operation, Grant | Reserve)
            else locked.owners.get(operation.reservation_id)
        )
        if user_id in held and operation.request_id is not None:
            keys.append((user_id, operation.request_id))
    return keys


async def _accounts(session: AsyncSession, user_ids: Sequence[str]) -> tuple[datetime, list[Account]]:
    rows = (await session.execute(_ACCOUNTS, {"user_ids": user_ids})).all()
    return rows[0][0], [account_from(row[1:]) for row in rows if row[1] is not None]


async def _requests(session: AsyncSession, keys: Sequence[tuple[str, UUID]]) -> list[Request]:
    if not keys:
        return []
    user_ids, request_ids = zip(*set(keys), strict=True)
    parameters = {"user_ids": list(user_ids), "request_ids": list(request_ids)}
    return [request_from(row) for row in (await session.execute(_REQUESTS, parameters)).all()]


async def _reservations(
    session: AsyncSession, user_ids: Sequence[str], named: Iterable[UUID], now: datetime, due_limit: int
) -> list[Reservation]:
    parameters = {
        "reservation_ids": list(named),
        "user_ids": user_ids,
        "now": now,
        "due_limit": due_limit,
    }
    return [reservation_from(row) for row in (await session.execute(_RESERVATIONS, parameters)).all()]


async def _transactions(session: AsyncSession, wanted: Iterable[UUID | None]) -> list[Transaction]:
    transaction_ids = [transaction_id for transaction_id in wanted if transaction_id is not None]
    if not transaction_ids:
        return []
    rows = (await session.execute(_TRANSACTIONS, {"transaction_ids": transaction_ids})).all()
    return [transaction_from(row) for row in rows]
