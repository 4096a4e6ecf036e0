"""A ledger in memory: what the store does around the core, without a database."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid4

from credit_service.ledger import (
    Account,
    Book,
    Charge,
    Event,
    Extend,
    Grant,
    Operation,
    Refusal,
    Release,
    Request,
    Reservation,
    ReservationState,
    Reserve,
    Result,
    Transaction,
    TransactionType,
    apply,
    effective,
)

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_Kind = TypeVar("_Kind")


def is_a(kind: type[_Kind], result: object) -> _Kind:
    """Answer the result as what it has to be."""
    assert isinstance(result, kind), result
    return result


class World:
    """Rows, a clock that stands still until it is moved, and the invariants checked after every batch."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.reservations: dict[UUID, Reservation] = {}
        self.transactions: dict[UUID, Transaction] = {}
        self.requests: dict[tuple[str, UUID], Request] = {}
        self.now = START
        self.events: list[Event] = []

    def wait(self, delay: timedelta) -> None:
        """Let time pass."""
        self.now += delay

    def do(self, *operations: Operation | Refusal, linked: Collection[int] = ()) -> list[Result]:
        """Apply one batch, `linked` are the indexes linked to the next, and keep what it changed."""
        for operation in operations:
            if isinstance(operation, Grant) and operation.user_id not in self.accounts:
                self.accounts[operation.user_id] = Account(operation.user_id, 0, 0, 0, 0, self.now, self.now)
        book = Book(
            self.accounts.values(),
            self.reservations.values(),
            self.transactions.values(),
            self.requests.values(),
        )
        results = apply(book, operations, self.now, [uuid4() for _ in operations], linked)
        self._keep(book)
        self.check()
        return results

    def one(self, operation: Operation) -> Result:
        """Apply a batch of one."""
        return self.do(operation)[0]

    def _keep(self, book: Book) -> None:
        changes = book.changes()
        self.accounts.update({row.user_id: row for row in changes.accounts})
        for row in (*changes.new_reservations, *changes.changed_reservations):
            self.reservations[row.reservation_id] = row
        for made in changes.transactions:
            assert made.transaction_id not in self.transactions, "a transaction is written once"
            self.transactions[made.transaction_id] = made
        for request in changes.requests:
            assert (request.user_id, request.request_id) not in self.requests, "a request is kept once"
            self.requests[request.user_id, request.request_id] = request
        self.events = book.events

    def check(self) -> None:
        """Recompute every balance and reserved sum from the rows."""
        for account in self.accounts.values():
            moved = [row for row in self.transactions.values() if row.user_id == account.user_id]
            assert account.balance == sum(row.amount for row in moved)
            assert sorted(row.number for row in moved) == list(range(1, account.transaction_count + 1))
            held = [row for row in self.reservations.values() if row.user_id == account.user_id]
            assert account.reserved == sum(row.amount for row in held if _holds(row))
            assert sorted(row.number for row in held) == list(range(1, account.reservation_count + 1))
            assert 0 <= account.reserved <= account.balance
        for reservation in self.reservations.values():
            assert 0 <= reservation.charged_amount <= reservation.amount
            assert effective(reservation, self.now) == reservation, "expired ones are written down"

    def granted(self, coins: int, user_id: str = "ana") -> Account:
        """Give a user coins and answer the account."""
        self.one(Grant(user_id, coins, TransactionType.PURCHASE, uuid4()))
        return self.accounts[user_id]

    def reserved(self, amount: int, user_id: str = "ana", ttl: timedelta | None = None) -> Reservation:
        """Make a reservation and answer it."""
        self.one(Reserve(user_id, amount, request_id := uuid4(), ttl))
        reservation_id = self.requests[user_id, request_id].reservation_id
        assert reservation_id is not None
        return self.reservations[reservation_id]

    def in_state(self, state: ReservationState, amount: int = 10) -> Reservation:
        """Answer a reservation in the state, made by the shortest way into it."""
        if state is ReservationState.REFUSED:
            return self.reserved(self.accounts["ana"].available + amount)
        reservation = self.reserved(amount, ttl=timedelta(seconds=1))
        if state is ReservationState.CHARGED:
            self.one(Charge(reservation.reservation_id))
        elif state is ReservationState.RELEASED:
            self.one(Release(reservation.reservation_id, "first"))
        elif state is ReservationState.EXPIRED:
            self.wait(timedelta(seconds=1))
            self.do()
        return self.reservations[reservation.reservation_id]

    def close(self, user_id: str = "ana") -> None:
        """Close an account by hand; unlike after a Close, held coins stay held here."""
        self.accounts[user_id] = replace(self.accounts[user_id], close_time=self.now)


def _holds(reservation: Reservation) -> bool:
    return reservation.state is ReservationState.RESERVED


def contradictions(reservation_id: UUID) -> Sequence[Operation]:
    """Answer every operation on a reservation, each under a fresh request id."""
    return (
        Charge(reservation_id, request_id=uuid4()),
        Release(reservation_id, request_id=uuid4()),
        Extend(reservation_id, timedelta(hours=1), uuid4()),
    )
