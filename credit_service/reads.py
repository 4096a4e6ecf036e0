"""How every read reaches the database: one statement, or the same one again behind an account's lock.

A Charge may have read the clock before an expiry and commit after it. What a read finds due and not yet
written down is therefore read again behind the account's lock, when nobody can still be about to settle it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, Select, and_, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.selectable import LateralFromClause

from credit_service.ledger import Account, ReservationState
from credit_service.models import AccountRow, ReservationRow
from credit_service.turns import Turns
from servicekit.database import Sessions
from servicekit.retry import execute_in_transaction, execute_with_lock_retry

DATABASE_CLOCK: ColumnElement[Any] = func.statement_timestamp()
"""Stable within the statement, so that an index on a time can be asked with it."""

Rows = Sequence[Row[Any]]

# Written out, not bound: only then does a plan that serves every value know the indexes of what is held.
_HELD = ReservationRow.state == literal(ReservationState.RESERVED, literal_execute=True)


def due_at(instant: ColumnElement[datetime] | datetime) -> ColumnElement[bool]:
    """Tell of a reservation that its time had run out at the instant, which nobody has written down yet."""
    return and_(_HELD, ReservationRow.expire_time <= instant)


def coins_due_at(instant: ColumnElement[datetime] | datetime) -> LateralFromClause:
    """Answer one row an account: the coins that were due at the instant, and when the last came due."""
    return (
        select(
            cast(func.coalesce(func.sum(ReservationRow.amount), 0), BigInteger).label("coins"),
            func.max(ReservationRow.expire_time).label("last"),
        )
        .where(ReservationRow.user_id == AccountRow.user_id, due_at(instant))
        .lateral()
    )


def less_due(account: Account, coins: int, last: datetime | None) -> Account:
    """Answer the account as it is once what is due (`coins_due_at`) has been written down."""
    update_time = account.update_time if last is None else max(account.update_time, last)
    return replace(account, reserved=account.reserved - coins, update_time=update_time)


class Reads:
    """Runs the statements of reads, each in a transaction of its own.

    Raises `DatabaseUnavailable`; where something is due also `LockTimeout` and `RateLimited`.
    """

    def __init__(self, sessions: Sessions, turns: Turns) -> None:
        """Take the sessions, and the line before each account."""
        self._sessions = sessions
        self._turns = turns

    async def all(self, statement: Select[Any]) -> Rows:
        """Answer the rows as they are written."""

        async def read(session: AsyncSession) -> Rows:
            rows: Rows = (await session.execute(statement)).all()
            return rows

        return await execute_in_transaction(self._sessions, read)

    async def settled(self, statement: Select[Any], due: Callable[[Rows], Sequence[str]]) -> Rows:
        """Answer rows that no operation in flight is about to change from expired to settled.

        `due` names the accounts (there is at most one) whose expiries in these rows nobody has written down.
        """
        rows = await self.all(statement)
        for user_id in due(rows)[:1]:
            rows = await self._all_locked(statement, user_id)
        return rows

    async def _all_locked(self, statement: Select[Any], user_id: str) -> Rows:
        """Read behind the account's lock, in a statement of its own, which sees what the holder committed.

        Closes the race with a Charge that read the clock before the expiry and is not committed yet: it holds
        the account. Whoever takes the lock afterwards reads the clock afterwards.
        """

        async def read(session: AsyncSession) -> Rows:
            locked = select(AccountRow.user_id).where(AccountRow.user_id == user_id)
            await session.execute(locked.with_for_update(read=True))
            rows: Rows = (await session.execute(statement)).all()
            return rows

        async with self._turns.of(user_id):
            return await execute_with_lock_retry(self._sessions, read)
