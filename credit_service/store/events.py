"""Events have ids in one order for everybody, and nobody who reads up to one misses an earlier one.

A sequence alone cannot do that: transactions commit in another order than they number their rows in, and a
reader who has passed 8 would never see a 7 that commits later. So an event's id begins with a key: the number
of its transaction (PostgreSQL's, which grows), or that of the account's last event if it is greater. Readers
look only at keys below that of the oldest transaction still running (`pg_snapshot_xmin`). Nothing that
commits later can have such a key: its own number is not smaller than that, and a key is never smaller than
its transaction's number. The second half, a sequence, orders events of one key.

Per account the ids grow: its lock is held from before the key is known until the commit, so each transaction
sees the key of the one before it, and takes its numbers from the sequence after it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from credit_service.ledger import Account, Event, EventKind

EVENT_COLUMNS: Mapping[str, str] = {
    "event_key": "bigint",
    "user_id": "text",
    "kind": "text",
    "event_time": "timestamptz",
    "amount": "bigint",
    "balance": "bigint",
    "reserved": "bigint",
    "reservation_id": "uuid",
    "transaction_id": "uuid",
}
"""The columns of a new event; the database adds the second half of its id."""


def keyed(values: Sequence[Any], transaction_key: int) -> Account:
    """Answer the account of a row, with the key that its events of this transaction get."""
    fields = list(values)
    fields[-1] = max(fields[-1], transaction_key)
    return Account(*fields)


def event_columns(events: Sequence[Event]) -> list[list[Any]]:
    """Answer one array for each of EVENT_COLUMNS."""
    accounts = [event.account for event in events]
    return [
        [account.event_key for account in accounts],
        [account.user_id for account in accounts],
        [event.kind for event in events],
        [event.time for event in events],
        [_amount(event) for event in events],
        [account.balance for account in accounts],
        [account.reserved for account in accounts],
        [None if event.reservation is None else event.reservation.reservation_id for event in events],
        [None if event.transaction is None else event.transaction.transaction_id for event in events],
    ]


def _amount(event: Event) -> int:
    if event.transaction is not None:
        return event.transaction.amount
    if event.reservation is None or event.kind is EventKind.CHARGED:
        return 0
    return event.reservation.amount
