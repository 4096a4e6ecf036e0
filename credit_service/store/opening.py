"""Lock what a batch is about, and read it behind the locks: one call of `ledger_open` (migration 0002).

A statement that waits for a lock reads, beside the locked row, a snapshot from before the wait. So the
function locks in one statement and reads in later ones, each with a snapshot of its own; the clock is read
there too. Every lock is taken in key order, accounts before reservations, so that no two transactions wait
for each other.

The account's lock closes every race about its coins: between two Reserves for the last coin, between a
Charge, a Release and an expiry of one reservation, between two callers with one request id. The
reservation's lock closes the race with a hand that changes a reservation by plain SQL and holds no account:
a Charge waits for it and then sees the state that it left. Rows for accounts that may not exist yet are made
before, which closes the race of two first Grants: the second waits for the first one's commit and finds its
row. A row without a transaction counts as no account, whatever becomes of the Grant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from credit_service.ledger import (
    Book,
    OperationKind,
    Request,
    Reservation,
    ReservationState,
    Transaction,
    TransactionType,
)
from credit_service.store.events import keyed
from credit_service.store.wants import Wants

_OPEN = "SELECT * FROM ledger_open($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
_MAX_INT64 = 2**63 - 1

_STATES = {str(state): state for state in ReservationState}
_TYPES = {str(kind): kind for kind in TransactionType}
_KINDS = {str(kind): kind for kind in OperationKind}


@dataclass(frozen=True, slots=True)
class Opened:
    """A book of locked rows and the instant that it stands for.

    `busy` are accounts that somebody else holds. More may be due, or held by accounts to be closed, than
    one transaction takes.
    """

    book: Book
    now: datetime
    busy: frozenset[str]
    more_due: bool
    more_held: bool


class StaleOwners(Exception):
    """Reservations belong to other accounts than those that were locked: they were erased meanwhile."""

    def __init__(self, reservation_ids: Sequence[UUID]) -> None:
        """Name the reservations."""
        super().__init__(reservation_ids)
        self.reservation_ids = reservation_ids


async def open_book(
    connection: "asyncpg.Connection[Any]", wanted: Wants, *, wait: bool, due_limit: int
) -> Opened:
    """Lock and read. Without `wait` accounts that somebody else holds are left out, and named as busy.

    Raises `StaleOwners`.
    """
    row = await connection.fetchrow(_OPEN, *_arguments(wanted, wait, due_limit))
    assert row is not None
    if stale := [values[0] for values in row["reservations"] or () if values[1] not in wanted.user_ids]:
        raise StaleOwners(stale)
    # A first Grant may have made an account after our lock statement found none: for this batch it is not
    # there, and so neither is what was answered in it meanwhile.
    accounts = [keyed(values, row["transaction_key"]) for values in row["accounts"] or ()]
    held = {account.user_id for account in accounts}
    book = Book(
        accounts,
        [_reservation(values) for values in row["reservations"] or () if values[1] in held],
        [_transaction(values) for values in row["transactions"] or ()],
        [_request(values) for values in row["requests"] or () if values[0] in held],
    )
    return Opened(
        book,
        row["now"],
        frozenset(row["busy"]),
        more_due=row["due_count"] >= due_limit,
        more_held=bool(wanted.closed) and row["covered_count"] >= due_limit,
    )


def _arguments(wanted: Wants, wait: bool, due_limit: int) -> Sequence[object]:
    # A Debit needs the youngest reservations that hold as many coins as it takes. A Charge or Release beside
    # it may use some of these up and leave others to be released, so then it needs all.
    covered = [
        *(
            (user_id, None if user_id in wanted.settled else min(coins, _MAX_INT64), None)
            for user_id, coins in wanted.withdrawn.items()
        ),
        *((user_id, None, due_limit) for user_id in wanted.closed),
    ]
    return (
        list(wanted.user_ids),
        list(wanted.new_user_ids),
        wait,
        list(wanted.reservation_ids),
        [user_id for user_id, _ in wanted.requests],
        [request_id for _, request_id in wanted.requests],
        *([row[index] for row in covered] for index in range(3)),
        due_limit,
    )


def _reservation(values: Any) -> Reservation:
    fields = list(values)
    fields[4] = _STATES[fields[4]]
    return Reservation(*fields)


def _transaction(values: Any) -> Transaction:
    fields = list(values)
    fields[3] = _TYPES[fields[3]]
    return Transaction(*fields)


def _request(values: Any) -> Request:
    fields = list(values)
    fields[2] = _KINDS[fields[2]]
    return Request(*fields)
