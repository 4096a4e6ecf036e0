"""The tables. Their CHECKs and UNIQUEs hold the invariants even against a bug in the ledger.

Triggers stand in the migrations: `transactions` and `events` can only be added to, requests and reservations
leave only for the archive, accounts are never deleted, a transaction that charges names a reservation of its
user, a closed account stays closed, a reservation keeps its terms, expires only when its time has run out,
and never changes once it has left RESERVED. Only an erasure passes them, which changes names and words
(`credit_service.erasure`).

The tables of payments stand in `payments.models`.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from credit_service.base import USER_ID, Base
from credit_service.ledger import EventKind, ReservationState, TransactionType
from credit_service.payments.models import (
    OrderRow,
    OrderTransactionRow,
    PackageRow,
    ReversalRow,
    WebhookEventRow,
    WebhookRejectionRow,
)

__all__ = [
    "ARCHIVED_REQUESTS",
    "ARCHIVED_RESERVATIONS",
    "AccountRow",
    "Base",
    "EventCursorRow",
    "EventRow",
    "OrderRow",
    "OrderTransactionRow",
    "PackageRow",
    "RequestRow",
    "ReservationRow",
    "ReversalRow",
    "TransactionRow",
    "WebhookEventRow",
    "WebhookRejectionRow",
]

_STATES = ", ".join(f"'{state}'" for state in ReservationState)
_KINDS = ", ".join(f"'{kind}'" for kind in EventKind)
_TYPES = ", ".join(f"'{kind}'" for kind in TransactionType)
_HELD = text("state = 'RESERVED'")


class AccountRow(Base):
    """The coins of one user. A row without a transaction is an account that does not exist yet."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("char_length(user_id) BETWEEN 1 AND 128", name="accounts_user_id_length"),
        CheckConstraint("0 <= reserved AND reserved <= balance", name="accounts_reserved_within_balance"),
        CheckConstraint("transaction_count >= 0 AND reservation_count >= 0", name="accounts_counts"),
    )

    user_id: Mapped[str] = mapped_column(USER_ID, primary_key=True)
    balance: Mapped[int] = mapped_column(server_default=text("0"))
    reserved: Mapped[int] = mapped_column(server_default=text("0"))
    transaction_count: Mapped[int] = mapped_column(server_default=text("0"))
    reservation_count: Mapped[int] = mapped_column(server_default=text("0"))
    create_time: Mapped[datetime] = mapped_column(server_default=text("now()"))
    update_time: Mapped[datetime] = mapped_column(server_default=text("now()"))
    close_time: Mapped[datetime | None]
    event_key: Mapped[int] = mapped_column(server_default=text("0"))


class ReservationRow(Base):
    """Coins set aside, or refused to be."""

    __tablename__ = "reservations"
    __table_args__ = (
        UniqueConstraint("user_id", "number", name="reservations_user_id_number_key"),
        CheckConstraint("number >= 1", name="reservations_number"),
        CheckConstraint("amount BETWEEN 1 AND 1000000000000", name="reservations_amount"),
        CheckConstraint(f"state IN ({_STATES})", name="reservations_state"),
        CheckConstraint(
            "charged_amount BETWEEN 0 AND amount AND (state = 'CHARGED' OR charged_amount = 0)",
            name="reservations_charged_amount",
        ),
        CheckConstraint(
            "(transaction_id IS NOT NULL) = (charged_amount > 0)", name="reservations_transaction_id"
        ),
        CheckConstraint(
            "(settle_time IS NULL) = (state IN ('RESERVED', 'REFUSED'))", name="reservations_settle_time"
        ),
        CheckConstraint(
            "state <> 'EXPIRED' OR settle_time = expire_time", name="reservations_expired_when_due"
        ),
        CheckConstraint(
            "state NOT IN ('CHARGED', 'RELEASED') OR settle_time < expire_time",
            name="reservations_settled_in_time",
        ),
        CheckConstraint("state = 'RELEASED' OR release_reason = ''", name="reservations_release_reason"),
        # What the sweeper looks for, and what an operation has to expire before it does anything else.
        Index("reservations_due", "expire_time", postgresql_where=_HELD),
        Index("reservations_held", "user_id", "expire_time", postgresql_where=_HELD),
    )

    reservation_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(
        USER_ID, ForeignKey("accounts.user_id", name="reservations_user_id_fkey")
    )
    number: Mapped[int]
    amount: Mapped[int]
    state: Mapped[str]
    expire_time: Mapped[datetime]
    create_time: Mapped[datetime]
    charged_amount: Mapped[int]
    settle_time: Mapped[datetime | None]
    release_reason: Mapped[str]
    reference_type: Mapped[str]
    reference_id: Mapped[str]
    description: Mapped[str]
    # The declarative base takes the name `metadata` for itself.
    extra: Mapped[dict[str, str]] = mapped_column("metadata")
    # The two tables name each other, so one of the keys is added when both are there.
    transaction_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("transactions.transaction_id", name="reservations_transaction_id_fkey", use_alter=True)
    )


class TransactionRow(Base):
    """One change of one balance. Rows are only ever added."""

    __tablename__ = "transactions"
    __table_args__ = (
        UniqueConstraint("user_id", "number", name="transactions_user_id_number_key"),
        # One capture a reservation, even if two could come this far.
        UniqueConstraint("reservation_id", name="transactions_reservation_id_key"),
        CheckConstraint("number >= 1", name="transactions_number"),
        CheckConstraint(f"type IN ({_TYPES})", name="transactions_type"),
        CheckConstraint(
            "amount <> 0 AND amount BETWEEN -1000000000000 AND 1000000000000", name="transactions_amount"
        ),
        # REFUND and ADJUSTMENT go both ways.
        CheckConstraint(
            "CASE WHEN type IN ('PURCHASE', 'BONUS') THEN amount > 0"
            " WHEN type IN ('INSIGHT_UNLOCK', 'CHARGEBACK') THEN amount < 0 ELSE true END",
            name="transactions_sign",
        ),
        CheckConstraint(
            "(type = 'INSIGHT_UNLOCK') = (reservation_id IS NOT NULL)", name="transactions_reservation_id"
        ),
        CheckConstraint("balance_after >= 0", name="transactions_balance_after"),
    )

    transaction_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(
        USER_ID, ForeignKey("accounts.user_id", name="transactions_user_id_fkey")
    )
    number: Mapped[int]
    type: Mapped[str]
    amount: Mapped[int]
    balance_after: Mapped[int]
    create_time: Mapped[datetime]
    description: Mapped[str]
    reservation_id: Mapped[UUID | None]
    reference_type: Mapped[str]
    reference_id: Mapped[str]
    extra: Mapped[dict[str, str]] = mapped_column("metadata")


class RequestRow(Base):
    """A request that was answered for good. No foreign keys: it is written beside what it names."""

    __tablename__ = "requests"
    __table_args__ = (
        # What is old enough for the archive: rows lie in the order of their time.
        Index("requests_create_time", "create_time", postgresql_using="brin"),
        CheckConstraint(
            "operation IN ('GRANT', 'DEBIT', 'RESERVE', 'CHARGE', 'RELEASE', 'EXTEND', 'CLOSE')",
            name="requests_operation",
        ),
    )

    user_id: Mapped[str] = mapped_column(USER_ID, primary_key=True)
    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    operation: Mapped[str]
    sent: Mapped[dict[str, object]]
    create_time: Mapped[datetime]
    reservation_id: Mapped[UUID | None]
    transaction_id: Mapped[UUID | None]
    expire_time: Mapped[datetime | None]
    available: Mapped[int | None]


class EventRow(Base):
    """One change of a balance or a reservation, in the order that consumers see them (`store.events`)."""

    __tablename__ = "events"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_KINDS})", name="events_kind"),
        CheckConstraint("0 <= reserved AND reserved <= balance", name="events_reserved_within_balance"),
        # The account as it was at an instant.
        Index("events_history", "user_id", "event_time", "event_seq"),
    )

    event_key: Mapped[int] = mapped_column(primary_key=True)
    event_seq: Mapped[int] = mapped_column(Identity(), primary_key=True)
    user_id: Mapped[str] = mapped_column(USER_ID)
    kind: Mapped[str]
    event_time: Mapped[datetime]
    amount: Mapped[int]
    balance: Mapped[int]
    reserved: Mapped[int]
    reservation_id: Mapped[UUID | None]
    transaction_id: Mapped[UUID | None]


class ErasedAccountRow(Base):
    """A closed account whose user's id was taken off the books, and the coins that were left in it."""

    __tablename__ = "erased_accounts"
    __table_args__ = (CheckConstraint("forfeited >= 0", name="erased_accounts_forfeited"),)

    # The row comes before the account has its new name: it is what lets the name through the guards.
    pseudonym: Mapped[str] = mapped_column(
        USER_ID,
        ForeignKey(
            "accounts.user_id",
            name="erased_accounts_pseudonym_fkey",
            deferrable=True,
            initially="DEFERRED",
        ),
        primary_key=True,
    )
    erase_time: Mapped[datetime]
    forfeited: Mapped[int]


class EventCursorRow(Base):
    """How far a consumer inside this service has read the events."""

    __tablename__ = "event_cursors"

    consumer: Mapped[str] = mapped_column(primary_key=True)
    event_key: Mapped[int]
    event_seq: Mapped[int]


def _archive(model: type[Base], key: Collection[str]) -> Table:
    """Answer the table that rows of another one go to when they are old (`credit_service.archive`)."""
    columns = (
        Column(column.name, column.type, nullable=column.nullable, primary_key=column.name in key)
        for column in model.__table__.columns
    )
    return Table(f"archived_{model.__tablename__}", Base.metadata, *columns)


ARCHIVED_RESERVATIONS = _archive(ReservationRow, {"reservation_id"})
Index("archived_reservations_of_user", ARCHIVED_RESERVATIONS.c.user_id, ARCHIVED_RESERVATIONS.c.number)
ARCHIVED_REQUESTS = _archive(RequestRow, {"user_id", "request_id"})
