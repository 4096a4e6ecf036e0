"""The rows that a batch works on, and what it changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from credit_service.ledger.operations import OnReservation, OperationKind
from credit_service.ledger.rows import Account, Request, Reservation, ReservationState, Transaction

_MISSING = object()


class EventKind(StrEnum):
    """What happened to coins."""

    GRANTED = "granted"
    DEBITED = "debited"
    RESERVED = "reserved"
    REFUSED = "refused"
    CHARGED = "charged"
    RELEASED = "released"
    EXPIRED = "expired"
    EXTENDED = "extended"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Event:
    """One change of a balance or a reservation, with the account right after it. Replays make none."""

    kind: EventKind
    time: datetime
    account: Account
    reservation: Reservation | None = None
    transaction: Transaction | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be written, each row once, in its last state."""

    accounts: Sequence[Account]
    new_reservations: Sequence[Reservation]
    changed_reservations: Sequence[Reservation]
    transactions: Sequence[Transaction]
    requests: Sequence[Request]


class Book:
    """The locked rows of a batch. Every operation reads what those before it left here.

    The caller gives the accounts that the operations touch, the reservations that they or their remembered
    requests name, every reservation of these accounts that is past its expiry and not yet written down as
    EXPIRED, the remembered requests, and the transactions that these requests and reservations name. For
    every Debit that may take reserved coins it gives the youngest held reservations of the account that
    together hold that many coins, and for a Close all of them.
    """

    def __init__(
        self,
        accounts: Iterable[Account] = (),
        reservations: Iterable[Reservation] = (),
        transactions: Iterable[Transaction] = (),
        requests: Iterable[Request] = (),
    ) -> None:
        self._accounts = {account.user_id: account for account in accounts}
        self._reservations = {reservation.reservation_id: reservation for reservation in reservations}
        self._transactions = {transaction.transaction_id: transaction for transaction in transactions}
        self._requests = {(request.user_id, request.request_id): request for request in requests}
        self._of_account: dict[str, list[UUID]] = {}
        for reservation in self._reservations.values():
            self._of_account.setdefault(reservation.user_id, []).append(reservation.reservation_id)
        self._changed_accounts: dict[str, None] = {}
        self._new_reservations: dict[UUID, None] = {}
        self._changed_reservations: dict[UUID, None] = {}
        self._new_transactions: dict[UUID, Transaction] = {}
        self._new_requests: dict[tuple[str, UUID], Request] = {}
        self._undo: list[tuple[dict[Any, Any], Any, Any]] | None = None
        self._events_before = 0
        self.events: list[Event] = []

    def account(self, user_id: str) -> Account | None:
        """Answer the account, None for a user who was never granted a coin."""
        account = self._accounts.get(user_id)
        return account if account is not None and account.exists else None

    def locked_account(self, user_id: str) -> Account:
        """Answer the account's row, granted a coin or not; the caller made one for a first Grant."""
        return self._accounts[user_id]

    def erased_account(self, pseudonym: str) -> Account | None:
        """Answer the account that an erasure gave this name, granted a coin or not; None before that."""
        return self._accounts.get(pseudonym) if pseudonym else None

    def owner(self, reservation: Reservation) -> Account:
        """Answer the account of a reservation: a reservation without one cannot be."""
        return self._accounts[reservation.user_id]

    def reservation(self, reservation_id: UUID) -> Reservation | None:
        """Answer the reservation as it stands in this batch."""
        return self._reservations.get(reservation_id)

    def named(self, operation: OnReservation) -> Reservation | None:
        """Answer the reservation that the operation names, by its id or by the Reserve that made it."""
        if operation.reservation_id is not None:
            return self.reservation(operation.reservation_id)
        request = self.request(operation.user_id, operation.reserve_request_id)
        if request is None or request.operation is not OperationKind.RESERVE:
            return None
        return None if request.reservation_id is None else self.reservation(request.reservation_id)

    def reservations(self) -> list[Reservation]:
        """Answer every reservation of the book, those made by this batch included."""
        return list(self._reservations.values())

    def held(self, user_id: str) -> list[Reservation]:
        """Answer the reservations of the account that hold coins and are in this book, youngest first."""
        # A run that was undone leaves ids here whose reservations are gone.
        named = (self._reservations.get(key) for key in self._of_account.get(user_id, ()))
        held = [row for row in named if row is not None and row.state is ReservationState.RESERVED]
        return sorted(held, key=lambda row: row.number, reverse=True)

    def transaction(self, transaction_id: UUID) -> Transaction:
        """Answer a transaction that a row of this book names."""
        return self._transactions[transaction_id]

    def request(self, user_id: str, request_id: UUID | None) -> Request | None:
        """Answer what is remembered of a request id; nothing is of a request that carries none."""
        return None if request_id is None else self._requests.get((user_id, request_id))

    def put_account(self, account: Account) -> None:
        """Take the account's new state."""
        self._put(self._accounts, account.user_id, account)
        self._put(self._changed_accounts, account.user_id, None)

    def add_reservation(self, reservation: Reservation) -> None:
        """Take a reservation that this batch makes."""
        self._put(self._reservations, reservation.reservation_id, reservation)
        self._put(self._new_reservations, reservation.reservation_id, None)
        self._of_account.setdefault(reservation.user_id, []).append(reservation.reservation_id)

    def put_reservation(self, reservation: Reservation) -> None:
        """Take a reservation's new state; one made by this batch stays new."""
        self._put(self._reservations, reservation.reservation_id, reservation)
        if reservation.reservation_id not in self._new_reservations:
            self._put(self._changed_reservations, reservation.reservation_id, None)

    def add_transaction(self, transaction: Transaction) -> None:
        """Take a transaction that this batch makes."""
        self._put(self._transactions, transaction.transaction_id, transaction)
        self._put(self._new_transactions, transaction.transaction_id, transaction)

    def remember(self, request: Request) -> None:
        """Keep a request and its answer for every later replay."""
        key = (request.user_id, request.request_id)
        self._put(self._requests, key, request)
        self._put(self._new_requests, key, request)

    def begin_run(self) -> None:
        """From here on keep what `undo_run` needs."""
        self._undo = []
        self._events_before = len(self.events)

    def end_run(self) -> None:
        """Let what was done since `begin_run` stand."""
        self._undo = None

    def undo_run(self) -> None:
        """Take everything back that was done since `begin_run`."""
        assert self._undo is not None
        for rows, key, before in reversed(self._undo):
            if before is _MISSING:
                del rows[key]
            else:
                rows[key] = before
        del self.events[self._events_before :]
        self._undo = None

    def _put(self, rows: dict[Any, Any], key: Any, row: Any) -> None:
        if self._undo is not None:
            self._undo.append((rows, key, rows.get(key, _MISSING)))
        rows[key] = row

    def changes(self) -> Changes:
        """Answer what is to be written, accounts in key order."""
        return Changes(
            accounts=[self._accounts[user_id] for user_id in sorted(self._changed_accounts)],
            new_reservations=[self._reservations[key] for key in self._new_reservations],
            changed_reservations=[self._reservations[key] for key in self._changed_reservations],
            transactions=list(self._new_transactions.values()),
            requests=list(self._new_requests.values()),
        )
