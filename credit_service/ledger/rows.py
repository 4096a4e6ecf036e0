"""What the ledger keeps: one frozen class a table, and the limits of coins."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from credit_service.ledger.operations import OperationKind, TransactionType

__all__ = [
    "MAX_AMOUNT",
    "MAX_BALANCE",
    "MAX_METADATA_KEYS",
    "Account",
    "Request",
    "Reservation",
    "ReservationState",
    "Transaction",
    "TransactionType",
    "effective",
    "expired",
]

MAX_AMOUNT = 10**12
"""Coins that one operation moves at most."""

MAX_BALANCE = 2**63 - 1
"""Coins that one account holds at most: what int64 carries, on the wire and in the database."""

MAX_METADATA_KEYS = 32
"""Keys that a reservation or a transaction carries at most."""


class ReservationState(StrEnum):
    """The life of a reservation. All but RESERVED are terminal: they never change."""

    RESERVED = "RESERVED"
    CHARGED = "CHARGED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Account:
    """The coins of one user, with the numbers that the next transaction and reservation follow on.

    An account without a transaction was never granted a coin: it is a row that a first Grant is about to
    fill (or failed to), and for everybody else it does not exist.
    """

    user_id: str
    balance: int
    reserved: int
    transaction_count: int
    reservation_count: int
    create_time: datetime
    update_time: datetime
    close_time: datetime | None = None
    event_key: int = field(default=0, compare=False)
    """The first half of the id of its last event, which no later one falls below (see `store.events`)."""

    @property
    def available(self) -> int:
        """Coins that may be reserved now."""
        return self.balance - self.reserved

    @property
    def exists(self) -> bool:
        """Whether it was ever granted a coin."""
        return self.transaction_count > 0


@dataclass(frozen=True, slots=True)
class Reservation:
    """Coins set aside. `number` counts the account's reservations from 1, in the order they were made."""

    reservation_id: UUID
    user_id: str
    number: int
    amount: int
    state: ReservationState
    expire_time: datetime
    create_time: datetime
    charged_amount: int = 0
    settle_time: datetime | None = None
    release_reason: str = ""
    reference_type: str = ""
    reference_id: str = ""
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    transaction_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """One change of one balance. `number` counts the account's transactions from 1, without gaps."""

    transaction_id: UUID
    user_id: str
    number: int
    type: TransactionType
    amount: int
    balance_after: int
    create_time: datetime
    description: str = ""
    reservation_id: UUID | None = None
    reference_type: str = ""
    reference_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was answered for good: what the client sent, and what its answer cannot be read from.

    Terminal states never change, so the answer of a Charge or Release is the reservation itself. That of a
    Reserve or Extend is the reservation as it was: RESERVED with the `expire_time` kept here. `available` is
    set when the answer was INSUFFICIENT_CREDITS: the coins that there were.
    """

    user_id: str
    request_id: UUID
    operation: OperationKind
    sent: Mapping[str, object]
    create_time: datetime
    reservation_id: UUID | None = None
    transaction_id: UUID | None = None
    expire_time: datetime | None = None
    available: int | None = None


def expired(reservation: Reservation, now: datetime) -> bool:
    """Tell whether its time ran out while it was RESERVED. The instant of expiry itself counts as out."""
    return reservation.state is ReservationState.RESERVED and now >= reservation.expire_time


def effective(reservation: Reservation, now: datetime) -> Reservation:
    """Answer the reservation as it stands at `now`, whether or not anybody has written the expiry down."""
    if not expired(reservation, now):
        return reservation
    return replace(reservation, state=ReservationState.EXPIRED, settle_time=reservation.expire_time)
