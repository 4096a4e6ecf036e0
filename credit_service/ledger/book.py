"""The rows that a batch works on, and what it changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from credit_service.ledger.rows import Account, Request, Reservation, Transaction


class EventKind(StrEnum):
    """What happened to coins."""

    GRANTED = "granted"
    RESERVED = "reserved"
    REFUSED = "refused"
    CHARGED = "charged"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Event:
    """One movement (or refusal) of coins, with the account right after it. Replays make none."""

    kind: EventKind
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
    EXPIRED, the remembered requests, and the transactions that these requests and reservations name.
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
        self._changed_accounts: set[str] = set()
        self._new_reservations: dict[UUID, None] = {}
        self._changed_reservations: dict[UUID, None] = {}
        self._new_transactions: list[Transaction] = []
        self._new_requests: list[Request] = []
        self.events: list[Event] = []

    def account(self, user_id: str) -> Account | None:
        """Answer the account, None for a user who was never granted a coin."""
        account = self._accounts.get(user_id)
        return account if account is not None and account.exists else None

    def locked_account(self, user_id: str) -> Account:
        """Answer the account's row, granted a coin or not; the caller made one for a first Grant."""
        return self._accounts[user_id]

    def owner(self, reservation: Reservation) -> Account:
        """Answer the account of a reservation: a reservation without one cannot be."""
        return self._accounts[reservation.user_id]

    def reservation(self, reservation_id: UUID) -> Reservation | None:
        """Answer the reservation as it stands in this batch."""
        return self._reservations.get(reservation_id)

    def reservations(self) -> list[Reservation]:
        """Answer every reservation of the book, those made by this batch included."""
        return list(self._reservations.values())

    def transaction(self, transaction_id: UUID) -> Transaction:
        """Answer a transaction that a row of this book names."""
        return self._transactions[transaction_id]

    def request(self, user_id: str, request_id: UUID | None) -> Request | None:
        """Answer what is remembered of a request id; nothing is of a request that carries none."""
        return None if request_id is None else self._requests.get((user_id, request_id))

    def put_account(self, account: Account) -> None:
        """Take the account's new state."""
        self._accounts[account.user_id] = account
        self._changed_accounts.add(account.user_id)

    def add_reservation(self, reservation: Reservation) -> None:
        """Take a reservation that this batch makes."""
        self._reservations[reservation.reservation_id] = reservation
        self._new_reservations[reservation.reservation_id] = None

    def put_reservation(self, reservation: Reservation) -> None:
        """Take a reservation's new state; one made by this batch stays new."""
        self._reservations[reservation.reservation_id] = reservation
        if reservation.reservation_id not in self._new_reservations:
            self._changed_reservations[reservation.reservation_id] = None

    def add_transaction(self, transaction: Transaction) -> None:
        """Take a transaction that this batch makes."""
        self._transactions[transaction.transaction_id] = transaction
        self._new_transactions.append(transaction)

    def remember(self, request: Request) -> None:
        """Keep a request and its answer for every later replay."""
        self._requests[(request.user_id, request.request_id)] = request
        self._new_requests.append(request)

    def changes(self) -> Changes:
        """Answer what is to be written, accounts in key order."""
        return Changes(
            accounts=[self._accounts[user_id] for user_id in sorted(self._changed_accounts)],
            new_reservations=[self._reservations[key] for key in self._new_reservations],
            changed_reservations=[self._reservations[key] for key in self._changed_reservations],
            transactions=self._new_transactions,
            requests=self._new_requests,
        )
