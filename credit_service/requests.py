"""Requests on the wire -> operations and queries of the ledger. Each raises `InvalidField` for what is wrong.

Fields are checked in the order of the wire; the first that is wrong is named.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from google.protobuf.duration_pb2 import Duration

from credit_service.event_reader import EventId
from credit_service.ledger import (
    MAX_AMOUNT,
    Charge,
    Close,
    Debit,
    Extend,
    Grant,
    Operation,
    Refusal,
    Release,
    ReservationState,
    Reserve,
    TransactionType,
)
from credit_service.ledger.refusals import Malformed
from credit_service.repository import TransactionFilter
from protos.credit.v1 import credit_pb2
from servicekit.errors import InvalidField
from servicekit.pages import page_size
from servicekit.validation import (
    duration_field,
    enum_field,
    int_field,
    metadata_field,
    text_field,
    time_field,
    user_id_field,
    uuid_field,
)

_OnReservation = credit_pb2.ChargeRequest | credit_pb2.ReleaseRequest | credit_pb2.ExtendRequest

MIN_TTL = timedelta(seconds=1)
MAX_TTL = timedelta(hours=24)
MAX_TEXT_CHARS = 1_024
MAX_REFERENCE_TYPE_CHARS = 64
MAX_REFERENCE_ID_CHARS = 128
MAX_FILTER_VALUES = 16

_STATE_PREFIX = "RESERVATION_STATE_"
_TYPE_PREFIX = "TRANSACTION_TYPE_"
_STATES: Mapping[int, str] = {
    credit_pb2.ReservationState.Value(_STATE_PREFIX + state): _STATE_PREFIX + state
    for state in ReservationState
}
_TYPES: Mapping[int, str] = {
    credit_pb2.TransactionType.Value(_TYPE_PREFIX + kind): _TYPE_PREFIX + kind for kind in TransactionType
}
_GRANTED = ("PURCHASE", "REFUND", "BONUS", "ADJUSTMENT")
_DEBITED = ("REFUND", "CHARGEBACK", "ADJUSTMENT")
_DEBIT_TYPES: Mapping[int, str] = {
    number: name for number, name in _TYPES.items() if name.removeprefix(_TYPE_PREFIX) in _DEBITED
}
_GRANT_TYPES: Mapping[int, str] = {
    number: name for number, name in _TYPES.items() if name.removeprefix(_TYPE_PREFIX) in _GRANTED
}


def grant(request: credit_pb2.GrantRequest) -> Grant:
    """Read a Grant."""
    return Grant(
        user_id=user_id_field(request.user_id),
        amount=int_field("amount", request.amount, 1, MAX_AMOUNT),
        type=_type("type", request.type, _GRANT_TYPES),
        description=_text("description", request.description),
        metadata=metadata_field("metadata", request.metadata),
        request_id=uuid_field("request_id", request.request_id),
    )


def reserve(request: credit_pb2.ReserveRequest) -> Reserve:
    """Read a Reserve."""
    return Reserve(
        user_id=user_id_field(request.user_id),
        amount=int_field("amount", request.amount, 1, MAX_AMOUNT),
        ttl=_ttl(request.ttl) if request.HasField("ttl") else None,
        reference_type=text_field(
            "reference_type", request.reference_type, max_chars=MAX_REFERENCE_TYPE_CHARS
        ),
        reference_id=text_field("reference_id", request.reference_id, max_chars=MAX_REFERENCE_ID_CHARS),
        description=_text("description", request.description),
        metadata=metadata_field("metadata", request.metadata),
        request_id=uuid_field("request_id", request.request_id),
        ttl_rest_ns=_rest_ns(request.ttl),
    )


def charge(request: credit_pb2.ChargeRequest) -> Charge:
    """Read a Charge."""
    amount = request.amount if request.HasField("amount") else None
    return Charge(
        reservation_id=_reservation_id(request),
        amount=None if amount is None else int_field("amount", amount, 0, MAX_AMOUNT),
        description=_text("description", request.description),
        metadata=metadata_field("metadata", request.metadata),
        request_id=_optional_id(request.request_id),
        user_id=request.user_id,
        reserve_request_id=_reserve_request_id(request),
    )


def release(request: credit_pb2.ReleaseRequest) -> Release:
    """Read a Release."""
    return Release(
        reservation_id=_reservation_id(request),
        reason=_text("reason", request.reason),
        request_id=_optional_id(request.request_id),
        user_id=request.user_id,
        reserve_request_id=_reserve_request_id(request),
    )


def extend(request: credit_pb2.ExtendRequest) -> Extend:
    """Read an Extend."""
    return Extend(
        reservation_id=_reservation_id(request),
        ttl=_ttl(request.ttl),
        request_id=uuid_field("request_id", request.request_id),
        ttl_rest_ns=_rest_ns(request.ttl),
        user_id=request.user_id,
        reserve_request_id=_reserve_request_id(request),
    )


def close(request: credit_pb2.CloseAccountRequest) -> Close:
    """Read a CloseAccount."""
    return Close(user_id_field(request.user_id), uuid_field("request_id", request.request_id))


def _reservation_id(request: _OnReservation) -> UUID | None:
    """Answer the id that names a reservation, None when it is named by its user and its Reserve."""
    by_reserve = bool(request.user_id or request.reserve_request_id)
    if by_reserve and request.reservation_id:
        raise InvalidField("reserve_request_id", "must not come with reservation_id: one of them names it")
    return None if by_reserve else uuid_field("reservation_id", request.reservation_id)


def _reserve_request_id(request: _OnReservation) -> UUID | None:
    if request.reservation_id:
        return None
    user_id_field(request.user_id)
    return uuid_field("reserve_request_id", request.reserve_request_id)


def debit(request: credit_pb2.DebitRequest) -> Debit:
    """Read a Debit."""
    return Debit(
        user_id=user_id_field(request.user_id),
        amount=int_field("amount", request.amount, 1, MAX_AMOUNT),
        type=_type("type", request.type, _DEBIT_TYPES),
        description=_text("description", request.description),
        metadata=metadata_field("metadata", request.metadata),
        request_id=uuid_field("request_id", request.request_id),
        allow_reserved=request.allow_reserved,
    )


MAX_OPERATIONS = 8_190

_READ: Mapping[str, Callable[[Any], Operation]] = {
    "grant": grant,
    "debit": debit,
    "reserve": reserve,
    "charge": charge,
    "release": release,
    "extend": extend,
}


@dataclass(frozen=True, slots=True)
class Execution:
    """The operations of an Execute; what is malformed stands there as its refusal."""

    operations: Sequence[Operation | Refusal]
    linked: frozenset[int]


def execute(request: credit_pb2.ExecuteRequest) -> Execution:
    """Read an Execute. Raises `InvalidField` for the call as a whole only."""
    given = request.operations
    if not 1 <= len(given) <= MAX_OPERATIONS:
        raise InvalidField("operations", f"must have 1 to {MAX_OPERATIONS} values, got {len(given)}")
    if given[-1].linked:
        raise InvalidField(f"operations[{len(given) - 1}].linked", "must not be set on the last operation")
    linked = frozenset(index for index, operation in enumerate(given) if operation.linked)
    return Execution([_operation(operation) for operation in given], linked)


def _operation(given: credit_pb2.Operation) -> Operation | Refusal:
    kind = given.WhichOneof("operation")
    if kind is None:
        return Malformed("operation", "is required")
    try:
        return _READ[kind](getattr(given, kind))
    except InvalidField as error:
        violation = error.violations[0]
        return Malformed(violation.field, violation.problem)


@dataclass(frozen=True, slots=True)
class ReservationsPage:
    """Which reservations to list, and how many."""

    user_id: str
    states: frozenset[ReservationState]
    size: int

    def query(self) -> dict[str, object]:
        """Answer what a page token belongs to: everything but the size of the page."""
        return {"user_id": self.user_id, "states": sorted(self.states)}


def reservations_page(request: credit_pb2.ListReservationsRequest) -> ReservationsPage:
    """Read a ListReservations."""
    return ReservationsPage(
        user_id=user_id_field(request.user_id),
        states=frozenset(
            ReservationState(name.removeprefix(_STATE_PREFIX))
            for name in _names("states", request.states, _STATES)
        ),
        size=page_size(request.page_size),
    )


@dataclass(frozen=True, slots=True)
class TransactionsPage:
    """Which transactions to list, and how many."""

    user_id: str
    wanted: TransactionFilter
    size: int

    def query(self) -> dict[str, object]:
        """Answer what a page token belongs to: everything but the size of the page."""
        wanted = self.wanted
        return {
            "user_id": self.user_id,
            "types": sorted(wanted.types),
            "from": wanted.from_time,
            "to": wanted.to_time,
        }


def transactions_page(request: credit_pb2.ListTransactionsRequest) -> TransactionsPage:
    """Read a ListTransactions."""
    user_id = user_id_field(request.user_id)
    types = frozenset(
        TransactionType(name.removeprefix(_TYPE_PREFIX)) for name in _names("types", request.types, _TYPES)
    )
    wanted = TransactionFilter(types, _time(request, "from_time"), _time(request, "to_time"))
    return TransactionsPage(user_id, wanted, page_size(request.page_size))


@dataclass(frozen=True, slots=True)
class BalanceAt:
    """Whose account to answer, and as of when."""

    user_id: str
    time: datetime


def balance_at(request: credit_pb2.GetBalanceAtRequest) -> BalanceAt:
    """Read a GetBalanceAt; only the database's clock knows which instants are yet to come."""
    user_id = user_id_field(request.user_id)
    if not request.HasField("time"):
        raise InvalidField("time", "is required")
    return BalanceAt(user_id, time_field("time", request.time))


def verified_user(request: credit_pb2.VerifyLedgerRequest) -> str | None:
    """Read a VerifyLedger: the user whose account to check, None for everybody's."""
    return user_id_field(request.user_id) if request.HasField("user_id") else None


@dataclass(frozen=True, slots=True)
class Watch:
    """Events to stream: those after an event (None: from now on), of one user (None: everybody's)."""

    after: EventId | None
    user_id: str | None


def watch(request: credit_pb2.WatchEventsRequest) -> Watch:
    """Read a WatchEvents."""
    after = _event_id(getattr(request, "from")) if request.HasField("from") else None
    return Watch(after, user_id_field(request.user_id) if request.HasField("user_id") else None)


def _event_id(value: str) -> EventId:
    read = EventId.parse(value)
    if read is None:
        raise InvalidField("from", f"must be an event_id, got {value[:64]!r}")
    return read


def _names(field: str, values: Sequence[int], allowed: Mapping[int, str]) -> set[str]:
    if len(values) > MAX_FILTER_VALUES:
        raise InvalidField(field, f"must have at most {MAX_FILTER_VALUES} values, got {len(values)}")
    return {allowed[enum_field(field, value, allowed)] for value in values}


def _type(field: str, value: int, allowed: Mapping[int, str]) -> TransactionType:
    return TransactionType(allowed[enum_field(field, value, allowed)].removeprefix(_TYPE_PREFIX))


def _text(field: str, value: str) -> str:
    return text_field(field, value, max_chars=MAX_TEXT_CHARS)


def _ttl(value: Duration) -> timedelta:
    return duration_field("ttl", value, MIN_TTL, MAX_TTL)


def _rest_ns(value: Duration) -> int:
    """Answer what a ttl loses when it is cut to the microsecond; an absent one loses nothing."""
    return value.nanos % 1_000


def _optional_id(value: str) -> UUID | None:
    return uuid_field("request_id", value) if value else None


def _time(request: credit_pb2.ListTransactionsRequest, field: str) -> datetime | None:
    return time_field(field, getattr(request, field)) if request.HasField(field) else None  # type: ignore[arg-type]  # the stubs take literals only
