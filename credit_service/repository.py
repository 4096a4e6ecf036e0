"""Reads: one statement each, so each sees one moment. Expiry is a predicate on that statement's instant.

Where something is due, the statement is run again behind the account's lock (`reads`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, not_, or_, select, true

from credit_service.errors import AccountNotFound, ReservationNotFound
from credit_service.ledger import (
    Account,
    Reservation,
    ReservationState,
    Transaction,
    TransactionType,
    effective,
)
from credit_service.models import ARCHIVED_RESERVATIONS, AccountRow, ReservationRow, TransactionRow
from credit_service.reads import DATABASE_CLOCK, Reads, Rows, coins_due_at, due_at, less_due
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
        self, sessions: Sessions, turns: Turns, now: ColumnElement[datetime] = DATABASE_CLOCK
    ) -> None:
        """Take the sessions, the line before each account, and in a test the instant of all reads."""
        self._reads = Reads(sessions, turns)
        self._now = now
        self._due = due_at(now)

    async def account(self, user_id: str) -> Account:
        """Answer an account, coins of expired reservations counted as available; `AccountNotFound`."""
        due = coins_due_at(self._now)
        statement = (
            select(due.c.coins, due.c.last, *ACCOUNT_COLUMNS)
            .join(due, true())
            .where(AccountRow.user_id == user_id, AccountRow.transaction_count > 0)
        )
        rows = await self._reads.settled(
            statement, lambda rows: [user_id for row in rows if row.last is not None]
        )
        if not rows:
            raise AccountNotFound(user_id)
        return less_due(account_from(rows[0][2:]), rows[0].coins, rows[0].last)

    async def reservation(self, reservation_id: UUID) -> Reservation:
        """Answer a reservation, EXPIRED from its expiry on, swept or not; `ReservationNotFound`."""
        found = await self._reservations(ReservationRow.reservation_id == reservation_id, limit=1)
        if not found:
            return await self._archived(reservation_id)
        return found[0]

    async def _archived(self, reservation_id: UUID) -> Reservation:
        columns = [ARCHIVED_RESERVATIONS.c[column.name] for column in RESERVATION_COLUMNS]
        statement = select(*columns).where(ARCHIVED_RESERVATIONS.c.reservation_id == reservation_id)
        rows = await self._reads.all(statement)
        if not rows:
            raise ReservationNotFound(reservation_id)
        return reservation_from(rows[0])

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
        return [transaction_from(row) for row in await self._reads.all(statement)]

    async def _reservations(self, condition: ColumnElement[bool], limit: int) -> list[Reservation]:
        statement = select(self._now, *RESERVATION_COLUMNS).where(condition)
        statement = statement.order_by(ReservationRow.number.desc()).limit(limit)
        rows = await self._reads.settled(statement, _owners_of_due)
        return [effective(reservation_from(row[1:]), row[0]) for row in rows]

    def _in_states(self, states: Collection[ReservationState]) -> ColumnElement[bool]:
        """Tell whether a reservation is in one of the states as of now, swept or not."""
        return or_(*(self._in_state(state) for state in sorted(states))) if states else true()

    def _in_state(self, state: ReservationState) -> ColumnElement[bool]:
        written = ReservationRow.state == state
        if state is ReservationState.RESERVED:
            return and_(written, not_(self._due))
        return or_(written, self._due) if state is ReservationState.EXPIRED else written


def _owners_of_due(rows: Rows) -> Sequence[str]:
    """Answer the owners of the reservations that are due at the instant in their row, but still RESERVED."""
    return [
        row.user_id for row in rows if row.state == ReservationState.RESERVED and row.expire_time <= row[0]
    ]
