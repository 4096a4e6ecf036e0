"""Reads: one statement each, so each sees one moment. Expiry is a predicate on that statement's instant."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Row, Select, and_, cast, func, not_, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from credit_service.errors import AccountNotFound, ReservationNotFound
from credit_service.ledger import (
    Account,
    Reservation,
    ReservationState,
    Transaction,
    TransactionType,
    effective,
)
from credit_service.models import AccountRow, ReservationRow, TransactionRow
from credit_service.rows import (
    ACCOUNT_COLUMNS,
    RESERVATION_COLUMNS,
    TRANSACTION_COLUMNS,
    account_from,
    reservation_from,
    transaction_from,
)
from servicekit.database import Sessions
from servicekit.retry import execute_in_transaction

# Stable within the statement, so that an index on expire_time can be asked with it.
_DATABASE_CLOCK: ColumnElement[datetime] = func.statement_timestamp()


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Which transactions of a user: of these types (none: all), at or after, before."""

    types: Collection[TransactionType] = ()
    from_time: datetime | None = None
    to_time: datetime | None = None


class Repository:
    """Reads accounts, reservations and transactions as of now. Raises `DatabaseUnavailable`."""

    def __init__(self, sessions: Sessions, now: ColumnElement[datetime] = _DATABASE_CLOCK) -> None:
        """Take the database's sessions, and in a test the instant that every read is about."""
        self._sessions = sessions
        self._now = now
        held = ReservationRow.state == ReservationState.RESERVED
        self._due = and_(held, ReservationRow.expire_time <= now)

    async def account(self, user_id: str) -> Account:
        """Answer an account, coins of expired reservations counted as available; `AccountNotFound`."""
        due = (
            select(
                cast(func.coalesce(func.sum(ReservationRow.amount), 0), BigInteger).label("coins"),
                func.max(ReservationRow.expire_time).label("last"),
            )
            .where(ReservationRow.user_id == AccountRow.user_id, self._due)
            .lateral()
        )
        statement = (
            select(due.c.coins, due.c.last, *ACCOUNT_COLUMNS)
            .join(due, true())
            .where(AccountRow.user_id == user_id, AccountRow.transaction_count > 0)
        )
        rows = await self._all(statement)
        if not rows:
            raise AccountNotFound(user_id)
        account, coins, last = account_from(rows[0][2:]), rows[0].coins, rows[0].last
        update_time = account.update_time if last is None else max(account.update_time, last)
        return replace(account, reserved=account.reserved - coins, update_time=update_time)

    async def reservation(self, reservation_id: UUID) -> Reservation:
        """Answer a reservation, EXPIRED from its expiry on, swept or not; `ReservationNotFound`."""
        found = await self._reservations(ReservationRow.reservation_id == reservation_id, limit=1)
        if not found:
            raise ReservationNotFound(reservation_id)
        return found[0]

    async def reservations(
        self, user_id: str, states: Collection[ReservationState], before: int | None, limit: int
    ) -> list[Reservation]:
        """Answer a user's reservations in these states (none: in any), newest first, of lower numbers."""
        condition = and_(ReservationRow.user_id == user_id, self._in_states(states))
        if before is not None:
            condition = and_(condition, ReservationRow.number < before)
        return await self._reservations(condition, limit)

    async def transactions(
        self, user_id: str, wanted: TransactionFilter, before: int | None, limit: int
    ) -> list[Transaction]:
        """Answer a user's transactions, newest first, of lower numbers than `before`."""
        statement = select(*TRANSACTION_COLUMNS).where(TransactionRow.user_id == user_id)
        if wanted.types:
            statement = statement.where(TransactionRow.type.in_(sorted(wanted.types)))
        if wanted.from_time is not None:
            statement = statement.where(TransactionRow.create_time >= wanted.from_time)
        if wanted.to_time is not None:
            statement = statement.where(TransactionRow.create_time < wanted.to_time)
        if before is not None:
            statement = statement.where(TransactionRow.number < before)
        statement = statement.order_by(TransactionRow.number.desc()).limit(limit)
        return [transaction_from(row) for row in await self._all(statement)]

    async def _reservations(self, condition: ColumnElement[bool], limit: int) -> list[Reservation]:
        statement = select(self._now, *RESERVATION_COLUMNS).where(condition)
        statement = statement.order_by(ReservationRow.number.desc()).limit(limit)
        return [effective(reservation_from(row[1:]), row[0]) for row in await self._all(statement)]

    async def _all(self, statement: Select[Any]) -> list[Row[Any]]:
        async def read(session: AsyncSession) -> list[Row[Any]]:
            return list((await session.execute(statement)).all())

        return await execute_in_transaction(self._sessions, read)

    def _in_states(self, states: Collection[ReservationState]) -> ColumnElement[bool]:
        """Tell whether a reservation is in one of the states as of now, swept or not."""
        return or_(*(self._in_state(state) for state in sorted(states))) if states else true()

    def _in_state(self, state: ReservationState) -> ColumnElement[bool]:
        written = ReservationRow.state == state
        if state is ReservationState.RESERVED:
            return and_(written, not_(self._due))
        return or_(written, self._due) if state is ReservationState.EXPIRED else written
