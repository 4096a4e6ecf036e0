"""The ledger's rows -> messages on the wire."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from credit_service.ledger import Account, Reservation, Transaction
from credit_service.models import PackageRow
from protos.credit.v1 import credit_pb2
from protos.payment.v1 import payment_pb2


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
        state=credit_pb2.ReservationState.Value(f"RESERVATION_STATE_{row.state}"),
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
        type=credit_pb2.TransactionType.Value(f"TRANSACTION_TYPE_{row.type}"),
        amount=row.amount,
        balance_after=row.balance_after,
        description=row.description,
        reservation_id=None if row.reservation_id is None else str(row.reservation_id),
        reference_type=row.reference_type,
        reference_id=row.reference_id,
        metadata=row.metadata,
        create_time=_time(row.create_time),
    )


def package(row: PackageRow) -> payment_pb2.Package:
    """Answer the package's message."""
    return payment_pb2.Package(package_id=row.package_id, title=row.title, coins=row.coins)


def _time(value: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(value)
    return message


def _optional(value: datetime | None) -> Timestamp | None:
    return None if value is None else _time(value)
