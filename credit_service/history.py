"""The account as it was: its last event up to an instant says what it held then."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, literal, select, true

from credit_service.errors import AccountNotFound
from credit_service.ledger import Account
from credit_service.models import AccountRow, EventRow
from credit_service.reads import DATABASE_CLOCK, Reads, coins_due_at, less_due
from credit_service.rows import ACCOUNT_COLUMNS, account_from
from credit_service.turns import Turns
from servicekit.database import Sessions
from servicekit.errors import InvalidField

# Written out, not bound: a plan that serves every value must know that it is about a single row.
_ONE = literal(1, literal_execute=True)


class History:
    """Reads accounts as of an instant.

    Raises `DatabaseUnavailable`; where something is due also `LockTimeout` and `RateLimited`.
    """

    def __init__(self, sessions: Sessions, turns: Turns) -> None:
        """Take the sessions, and the line before each account."""
        self._reads = Reads(sessions, turns)

    async def account(self, user_id: str, time: datetime) -> Account:
        """Answer the account right after the last that happened to it up to `time`, that instant included.

        Its `update_time` is that of this last event, a refusal and an extension included. Raises
        `InvalidField` for an instant that the database's clock has not reached, and `AccountNotFound`
        for a user who had no account then.
        """
        rows = await self._reads.settled(
            as_of(user_id, time), lambda rows: [user_id for row in rows if row.last_due is not None]
        )
        [row] = rows
        if time > row.now:
            raise InvalidField("time", f"must not be in the future, got {time.isoformat()}")
        if row.event_time is None:
            raise AccountNotFound(user_id)
        account = account_from(row[6:])
        closed = account.close_time is not None and account.close_time <= time
        then = replace(
            account,
            balance=row.balance_then,
            reserved=row.reserved_then,
            update_time=row.event_time,
            close_time=account.close_time if closed else None,
        )
        return less_due(then, row.coins_due, row.last_due)


def as_of(user_id: str, time: datetime) -> Select[Any]:
    """Answer the statement: one row, of the clock, the last event, what was due then, and the account.

    However long the history, the event is the first entry of the index `events_history` that is looked at.
    Expiries are written down late, so what had run out by then and is still RESERVED in its row is
    looked up beside it; no event after the expiry can be there before it is written down.
    """
    clock = select(DATABASE_CLOCK.label("now")).subquery()
    last = (
        select(EventRow.event_time, EventRow.balance, EventRow.reserved)
        .where(EventRow.user_id == user_id, EventRow.event_time <= time)
        .order_by(EventRow.event_time.desc(), EventRow.event_seq.desc())
        .limit(_ONE)
        .subquery()
    )
    due = coins_due_at(time)
    return select(
        clock.c.now,
        last.c.event_time,
        last.c.balance.label("balance_then"),
        last.c.reserved.label("reserved_then"),
        due.c.coins.label("coins_due"),
        due.c.last.label("last_due"),
        *ACCOUNT_COLUMNS,
    ).select_from(
        clock.outerjoin(last, true())
        .outerjoin(AccountRow, AccountRow.user_id == user_id)
        .outerjoin(due, true())
    )
