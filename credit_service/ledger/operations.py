"""What a client may ask of the ledger, as it was sent, and how two requests are compared.

None means that the client left the field out. Texts are "" then: the wire cannot tell the two apart.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

_LONGEST_KEPT_TEXT = 64
_MICROSECOND = timedelta(microseconds=1)


class TransactionType(StrEnum):
    """Why a balance changed."""

    PURCHASE = "PURCHASE"
    INSIGHT_UNLOCK = "INSIGHT_UNLOCK"
    REFUND = "REFUND"
    BONUS = "BONUS"
    ADJUSTMENT = "ADJUSTMENT"
    CHARGEBACK = "CHARGEBACK"


class OperationKind(StrEnum):
    """Which operation a request id was used for."""

    GRANT = "GRANT"
    DEBIT = "DEBIT"
    RESERVE = "RESERVE"
    CHARGE = "CHARGE"
    RELEASE = "RELEASE"
    EXTEND = "EXTEND"
    CLOSE = "CLOSE"


@dataclass(frozen=True, slots=True)
class Grant:
    """Add coins to an account, and make the account on first use."""

    user_id: str
    amount: int
    type: TransactionType
    request_id: UUID
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Debit:
    """Take coins back from an account; with `allow_reserved` also those that are reserved."""

    user_id: str
    amount: int
    type: TransactionType
    request_id: UUID
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    allow_reserved: bool = False


@dataclass(frozen=True, slots=True)
class Reserve:
    """Set coins aside for `ttl`; without one for the default.

    `ttl_rest_ns` are the nanoseconds that were sent beyond the microseconds of `ttl`. No clock here counts
    them; they tell two requests apart.
    """

    user_id: str
    amount: int
    request_id: UUID
    ttl: timedelta | None = None
    reference_type: str = ""
    reference_id: str = ""
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    ttl_rest_ns: int = 0


@dataclass(frozen=True, slots=True)
class Charge:
    """Take up to the reserved coins; None is all of them, 0 is none of them.

    The reservation is named by its id, or else by its user and the request id of the Reserve that made it.
    """

    reservation_id: UUID | None
    amount: int | None = None
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    request_id: UUID | None = None
    user_id: str = ""
    reserve_request_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """Give the reserved coins back; the reservation is named as in a Charge."""

    reservation_id: UUID | None
    reason: str = ""
    request_id: UUID | None = None
    user_id: str = ""
    reserve_request_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Extend:
    """Move the expiry to `ttl` from now, never to an earlier instant; `ttl_rest_ns` as in a Reserve.

    The reservation is named as in a Charge.
    """

    reservation_id: UUID | None
    ttl: timedelta
    request_id: UUID
    ttl_rest_ns: int = 0
    user_id: str = ""
    reserve_request_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Close an account for good and give back what is reserved in it.

    With a `pseudonym` it is the first half of an erasure, whose second one gives the account that name: where
    an account has it already, all is done, and the one that has the user's id now is another one.
    """

    user_id: str
    request_id: UUID
    pseudonym: str = ""


OnAccount = Grant | Debit | Reserve | Close
OnReservation = Charge | Release | Extend
Operation = Grant | Debit | Reserve | Charge | Release | Extend | Close

_KIND: Mapping[type, OperationKind] = {
    Grant: OperationKind.GRANT,
    Debit: OperationKind.DEBIT,
    Reserve: OperationKind.RESERVE,
    Charge: OperationKind.CHARGE,
    Release: OperationKind.RELEASE,
    Extend: OperationKind.EXTEND,
    Close: OperationKind.CLOSE,
}

# In the order of the fields on the wire, because the first that differs is named. The user is missing: it
# is half of the key that a request is found by.
_COMPARED: Mapping[OperationKind, tuple[str, ...]] = {
    OperationKind.GRANT: ("amount", "type", "description", "metadata"),
    OperationKind.DEBIT: ("amount", "type", "description", "metadata", "allow_reserved"),
    OperationKind.RESERVE: ("amount", "ttl", "reference_type", "reference_id", "description", "metadata"),
    OperationKind.CHARGE: ("reservation_id", "amount", "description", "metadata", "reserve_request_id"),
    OperationKind.RELEASE: ("reservation_id", "reason", "reserve_request_id"),
    OperationKind.EXTEND: ("reservation_id", "ttl", "reserve_request_id"),
    OperationKind.CLOSE: (),
}


def kind_of(operation: Operation) -> OperationKind:
    """Name the operation as it is remembered."""
    return _KIND[type(operation)]


def sent_fields(operation: Operation, *, amount: int | None = None) -> dict[str, object]:
    """Answer the fields that the client set, small and fit for JSON, to compare a later request with.

    `amount` replaces the operation's: an absent Charge amount and the full amount spelled out are the same
    request, so the ledger gives the effective one.
    """
    values = ((name, getattr(operation, name)) for name in _COMPARED[kind_of(operation)])
    fields = {name: _small(value) for name, value in values if value is not None and value not in ("", {})}
    if amount is not None:
        fields["amount"] = amount
    if isinstance(operation, Reserve | Extend) and operation.ttl is not None:
        fields["ttl"] = operation.ttl // _MICROSECOND * 1_000 + operation.ttl_rest_ns
    return fields


def first_difference(
    kind: OperationKind, first: Mapping[str, object], now: Mapping[str, object]
) -> str | None:
    """Name the first field, in the order of the wire, in which two requests differ; None for none."""
    return next((name for name in _COMPARED[kind] if first.get(name) != now.get(name)), None)


def _small(value: object) -> object:
    """Answer a stand-in that is equal exactly when the value is; long texts and maps become digests.

    A text that looks like a digest is longer than what is kept as it is, so it becomes a digest itself.
    """
    if isinstance(value, Mapping):
        return _digest(json.dumps(dict(value), sort_keys=True))
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str) and len(value) > _LONGEST_KEPT_TEXT:
        return _digest(value)
    return value


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
