"""Why the ledger says no. Each carries what its error answers; `credit_service.errors` makes the error."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Refusal:
    """Base of every no."""


@dataclass(frozen=True, slots=True)
class Malformed(Refusal):
    """The operation is no request that could be looked at: what is wrong with which field."""

    field: str
    problem: str


@dataclass(frozen=True, slots=True)
class RequestIdReused(Refusal):
    """The request id stands for another request; `field` is the first that differs."""

    request_id: UUID
    field: str


@dataclass(frozen=True, slots=True)
class AccountNotFound(Refusal):
    """The user was never granted a coin."""

    user_id: str


@dataclass(frozen=True, slots=True)
class ReservationNotFound(Refusal):
    """Nobody made such a reservation: of this id, or else by this Reserve of this user."""

    reservation_id: UUID | None
    user_id: str = ""
    reserve_request_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class TooMuchMetadata(Refusal):
    """The reservation's metadata and the Charge's have more keys together than a transaction carries."""

    keys: int
    limit: int


@dataclass(frozen=True, slots=True)
class ChargeExceedsReservation(Refusal):
    """More coins were asked for than were set aside."""

    requested: int
    reserved: int


@dataclass(frozen=True, slots=True)
class AlreadyCharged(Refusal):
    """The reservation was charged, and not by this request. `transaction_id` is None for a Charge of 0."""

    reservation_id: UUID
    charged_amount: int
    transaction_id: UUID | None
    settle_time: datetime


@dataclass(frozen=True, slots=True)
class AlreadyReleased(Refusal):
    """The reservation's coins were given back."""

    reservation_id: UUID
    settle_time: datetime
    release_reason: str


@dataclass(frozen=True, slots=True)
class ReservationExpired(Refusal):
    """The reservation's time ran out."""

    reservation_id: UUID
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class ReservationRefused(Refusal):
    """The reservation never held a coin."""

    reservation_id: UUID


@dataclass(frozen=True, slots=True)
class AccountClosed(Refusal):
    """The account takes no more orders."""

    user_id: str


@dataclass(frozen=True, slots=True)
class BalanceOverflow(Refusal):
    """The balance would pass what an int64 carries."""

    user_id: str


@dataclass(frozen=True, slots=True)
class LinkedOperationFailed(Refusal):
    """Another operation of the same linked run failed: the one at this index of the batch."""

    index: int


@dataclass(frozen=True, slots=True)
class InsufficientCredits(Refusal):
    """Fewer coins were available than asked for. The only refusal that is remembered."""

    required: int
    available: int
