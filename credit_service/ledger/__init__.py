"""The ledger's rules as one pure module: rows and operations in, results and changed rows out.

Nothing in here reads a clock, makes an id, talks to a database or knows the wire: the instant and the ids
are given. That is what lets every rule be tested in microseconds, and a batch take the same path as one call.
"""

from credit_service.ledger.book import Book, Changes, Event, EventKind
from credit_service.ledger.moves import DEFAULT_TTL
from credit_service.ledger.operations import (
    Charge,
    Close,
    Debit,
    Extend,
    Grant,
    OnAccount,
    OnReservation,
    Operation,
    OperationKind,
    Release,
    Reserve,
)
from credit_service.ledger.refusals import Refusal
from credit_service.ledger.results import (
    Charged,
    Closed,
    Debited,
    Extended,
    Granted,
    Released,
    Reserved,
    Result,
)
from credit_service.ledger.rows import (
    MAX_AMOUNT,
    MAX_BALANCE,
    Account,
    Request,
    Reservation,
    ReservationState,
    Transaction,
    TransactionType,
    effective,
)
from credit_service.ledger.rules import apply

__all__ = [
    "DEFAULT_TTL",
    "MAX_AMOUNT",
    "MAX_BALANCE",
    "Account",
    "Book",
    "Changes",
    "Charge",
    "Charged",
    "Close",
    "Closed",
    "Debit",
    "Debited",
    "Event",
    "EventKind",
    "Extend",
    "Extended",
    "Grant",
    "Granted",
    "OnAccount",
    "OnReservation",
    "Operation",
    "OperationKind",
    "Refusal",
    "Release",
    "Released",
    "Request",
    "Reservation",
    "ReservationState",
    "Reserve",
    "Reserved",
    "Result",
    "Transaction",
    "TransactionType",
    "apply",
    "effective",
]
