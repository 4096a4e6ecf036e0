"""What the ledger answers when it says yes. The account is as it stands after the operation."""

from dataclasses import dataclass

from credit_service.ledger.refusals import Refusal
from credit_service.ledger.rows import Account, Reservation, Transaction


@dataclass(frozen=True, slots=True)
class Granted:
    """Coins were added."""

    transaction: Transaction
    account: Account


@dataclass(frozen=True, slots=True)
class Debited:
    """Coins were taken back."""

    transaction: Transaction
    account: Account


@dataclass(frozen=True, slots=True)
class Reserved:
    """Coins were set aside; the reservation is as it was made."""

    reservation: Reservation
    account: Account


@dataclass(frozen=True, slots=True)
class Charged:
    """The reservation was charged; no transaction when 0 was."""

    reservation: Reservation
    transaction: Transaction | None
    account: Account


@dataclass(frozen=True, slots=True)
class Released:
    """The coins were given back."""

    reservation: Reservation
    account: Account


@dataclass(frozen=True, slots=True)
class Extended:
    """The expiry was moved, or was late enough already."""

    reservation: Reservation


@dataclass(frozen=True, slots=True)
class Closed:
    """The account was closed, and nothing is reserved in it."""

    account: Account


Result = Granted | Debited | Reserved | Charged | Released | Extended | Closed | Refusal
