"""Reads: one statement each, so each sees one moment. Expiry is a predicate on that statement's instant.

Except that a Charge may have read the clock before an expiry and commit after it. What a read finds due and
not yet written down is therefore read again behind the account's lock, when nobody can still be about to
settle it.
"""

from collections.abc import Callable, Collection, Sequence
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
from credit_service.turns import Turns
from servicekit.database import Sessions
from servicekit.retry import execute_in_transaction, execute_with_lock_retry

# Stable within the statement, so that an index on expire_time can be asked with it.
_DATABASE_CLOCK: ColumnElement[datetime] = func.statement_timestamp()


_Rows = Sequence[Row[Any]]


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Which transactions of a user: of these types (none: all), at or after, before."""

    types: Collection[TransactionType] = ()
    from_time: datetime | None = None
    to_time: datetime | None = None


class Repository:
    """Reads accounts, reservations and transactions as of now.

    Raises `DatabaseUnavailable`; where something is due also `LockTimeout` and `RateLimited`.
    """

    def __init__(
        self, sessions: Sessions, turns: Turns, now: ColumnElement[datetime] = _DATABASE_CLOCK
    ) -> None:
        """Take the sessions, the line before each account, and in a test the instant of all reads."""
        self._sessions = sessions
        self._turns = turns
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
        rows = await self._settled(statement, lambda rows: [user_id for row in rows if row.last is not None])
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

    async def owner(self, reservation_id: UUID) -> str | None:
        """Answer whose a reservation is; None when there is no such reservation."""
        owner = select(ReservationRow.user_id).where(ReservationRow.reservation_id == reservation_id)
        rows = await self._all(owner)
        return rows[0].user_id if rows else None

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
        rows = await self._settled(statement, _owners_of_due)
        return [effective(reservation_from(row[1:]), row[0]) for row in rows]

    async def _settled(self, statement: Select[Any], due: Callable[[_Rows], Sequence[str]]) -> _Rows:
        """Answer rows that no operation in flight is about to change from expired to settled.

        `due` names the accounts (there is at most one) whose expiries in these rows nobody has written down.
        """
        rows = await self._all(statement)
        for user_id in due(rows)[:1]:
            rows = await self._all_locked(statement, user_id)
        return rows

    async def _all_locked(self, statement: Select[Any], user_id: str) -> _Rows:
        """Read behind the account's lock, in a statement of its own, which sees what the holder committed.

        Closes the race with a Charge that read the clock before the expiry and is not committed yet: it holds
        the account. Whoever takes the lock afterwards reads the clock afterwards.
        """

        async def read(session: AsyncSession) -> _Rows:
            locked = select(AccountRow.user_id).where(AccountRow.user_id == user_id)
            await session.execute(locked.with_for_update(read=True))
            rows: _Rows = (await session.execute(statement)).all()
            return rows

        async with self._turns.of(user_id):
            return await execute_with_lock_retry(self._sessions, read)

    async def _all(self, statement: Select[Any]) -> _Rows:
        async def read(session: AsyncSession) -> _Rows:
            rows: _Rows = (await session.execute(statement)).all()
            return rows

        return await execute_in_transaction(self._sessions, read)

    def _in_states(self, states: Collection[ReservationState]) -> ColumnElement[bool]:
        """Tell whether a reservation is in one of the states as of now, swept or not."""
        return or_(*(self._in_state(state) for state in sorted(states))) if states else true()

    def _in_state(self, state: ReservationState) -> ColumnElement[bool]:
        written = ReservationRow.state == state
        if state is ReservationState.RESERVED:
            return and_(written, not_(self._due))
        return or_(written, self._due) if state is ReservationState.EXPIRED else written


def _owners_of_due(rows: _Rows) -> Sequence[str]:
    """Answer the owners of the reservations that are due at the instant in their row, but still RESERVED."""
    return [
        row.user_id for row in rows if row.state == ReservationState.RESERVED and row.expire_time <= row[0]
    ]
