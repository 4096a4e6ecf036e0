"""The ledger's rows -> messages on the wire."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from credit_service.errors import to_error
from credit_service.event_reader import EventRecord
from credit_service.ledger import (
    Account,
    Charged,
    Debited,
    EventKind,
    Extended,
    Granted,
    Refusal,
    Released,
    Reservation,
    ReservationState,
    Reserved,
    Result,
    Transaction,
    TransactionType,
)
from credit_service.verification import Verified
from protos.credit.v1 import credit_pb2
from servicekit.errors import to_rpc_status

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATES = {
    state: credit_pb2.ReservationState.Value(f"RESERVATION_STATE_{state}") for state in ReservationState
}
_TYPES = {kind: credit_pb2.TransactionType.Value(f"TRANSACTION_TYPE_{kind}") for kind in TransactionType}


def account(row: Account) -> credit_pb2.Account:
    """Answer the account's message."""
    return credit_pb2.Account(
        user_id=row.user_id,
        balance=row.balance,
        reserved=row.reserved,
        available=row.available,
        create_time=_time(row.create_time),
        update_time=_time(row.update_time),
        close_time=_optional(row.close_time),
    )


def reservation(row: Reservation) -> credit_pb2.Reservation:
    """Answer the reservation's message."""
    return credit_pb2.Reservation(
        reservation_id=str(row.reservation_id),
        user_id=row.user_id,
        amount=row.amount,
        state=_STATES[row.state],
        charged_amount=row.charged_amount,
        expire_time=_time(row.expire_time),
        create_time=_time(row.create_time),
        settle_time=_optional(row.settle_time),
        release_reason=row.release_reason,
        reference_type=row.reference_type,
        reference_id=row.reference_id,
        description=row.description,
        metadata=row.metadata,
        transaction_id=None if row.transaction_id is None else str(row.transaction_id),
    )


def transaction(row: Transaction) -> credit_pb2.Transaction:
    """Answer the transaction's message."""
    return credit_pb2.Transaction(
        transaction_id=str(row.transaction_id),
        user_id=row.user_id,
        type=_TYPES[row.type],
        amount=row.amount,
        balance_after=row.balance_after,
        description=row.description,
        reservation_id=None if row.reservation_id is None else str(row.reservation_id),
        reference_type=row.reference_type,
        reference_id=row.reference_id,
        metadata=row.metadata,
        create_time=_time(row.create_time),
    )


def granted(result: Granted) -> credit_pb2.GrantResponse:
    """Answer the response of a Grant."""
    return credit_pb2.GrantResponse(
        transaction=transaction(result.transaction), account=account(result.account)
    )


def debited(result: Debited) -> credit_pb2.DebitResponse:
    """Answer the response of a Debit."""
    return credit_pb2.DebitResponse(
        transaction=transaction(result.transaction), account=account(result.account)
    )


def reserved(result: Reserved) -> credit_pb2.ReserveResponse:
    """Answer the response of a Reserve."""
    return credit_pb2.ReserveResponse(
        reservation=reservation(result.reservation), account=account(result.account)
    )


def charged(result: Charged) -> credit_pb2.ChargeResponse:
    """Answer the response of a Charge."""
    return credit_pb2.ChargeResponse(
        reservation=reservation(result.reservation),
        transaction=None if result.transaction is None else transaction(result.transaction),
        account=account(result.account),
    )


def released(result: Released) -> credit_pb2.ReleaseResponse:
    """Answer the response of a Release."""
    return credit_pb2.ReleaseResponse(
        reservation=reservation(result.reservation), account=account(result.account)
    )


def extended(result: Extended) -> credit_pb2.ExtendResponse:
    """Answer the response of an Extend."""
    return credit_pb2.ExtendResponse(reservation=reservation(result.reservation))


_RESULTS: Mapping[type, Callable[[Any], credit_pb2.OperationResult]] = {
    Granted: lambda result: credit_pb2.OperationResult(grant=granted(result)),
    Debited: lambda result: credit_pb2.OperationResult(debit=debited(result)),
    Reserved: lambda result: credit_pb2.OperationResult(reserve=reserved(result)),
    Charged: lambda result: credit_pb2.OperationResult(charge=charged(result)),
    Released: lambda result: credit_pb2.OperationResult(release=released(result)),
    Extended: lambda result: credit_pb2.OperationResult(extend=extended(result)),
}


def operation_result(result: Result) -> credit_pb2.OperationResult:
    """Answer what became of one operation of an Execute."""
    if isinstance(result, Refusal):
        status = to_rpc_status(to_error(result))
        error = credit_pb2.Status(code=status.code, message=status.message, details=status.details)
        return credit_pb2.OperationResult(error=error)
    return _RESULTS[type(result)](result)


def verified(result: Verified) -> credit_pb2.VerifyLedgerResponse:
    """Answer the response of a VerifyLedger."""
    return credit_pb2.VerifyLedgerResponse(
        accounts_checked=result.accounts_checked,
        findings=[
            credit_pb2.Finding(user_id=row.user_id, check=row.check, expected=row.expected, found=row.found)
            for row in result.findings
        ],
        findings_total=result.findings_total,
    )


_EVENT_TYPES: "Mapping[str, credit_pb2.EventType.ValueType]" = {
    kind: credit_pb2.EventType.Value(f"EVENT_TYPE_{kind.name}") for kind in EventKind
}
_TRANSACTION_TYPES: "Mapping[str | None, credit_pb2.TransactionType.ValueType]" = {
    None: credit_pb2.TRANSACTION_TYPE_UNSPECIFIED,
    **{str(kind): number for kind, number in _TYPES.items()},
}


def event(row: EventRecord) -> credit_pb2.Event:
    """Answer the event's message."""
    return credit_pb2.Event(
        event_id=str(row.event_id),
        user_id=row.user_id,
        type=_EVENT_TYPES[row.kind],
        event_time=_time(row.event_time),
        amount=row.amount,
        balance=row.balance,
        reserved=row.reserved,
        available=row.balance - row.reserved,
        reservation_id=None if row.reservation_id is None else str(row.reservation_id),
        transaction_id=None if row.transaction_id is None else str(row.transaction_id),
        transaction_type=_TRANSACTION_TYPES[row.transaction_type],
        reference_type=row.reference_type,
        reference_id=row.reference_id,
    )


def _time(value: datetime) -> Timestamp:
    # Timestamp.FromDatetime does the same in five times the time, which a batch of thousands would feel.
    since = value - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)


def _optional(value: datetime | None) -> Timestamp | None:
    return None if value is None else _time(value)
