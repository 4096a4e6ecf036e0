"""The tables. Their CHECKs and UNIQUEs hold the invariants even against a bug in the ledger.

Triggers stand in the first migration: `transactions` and `requests` can only be added to, accounts and
reservations are never deleted, a closed account stays closed, a reservation keeps its terms, expires only
when its time has run out, and never changes once it has left RESERVED.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from credit_service.ledger import ReservationState, TransactionType

_STATES = ", ".join(f"'{state}'" for state in ReservationState)
_TYPES = ", ".join(f"'{kind}'" for kind in TransactionType)
# Compared byte by byte: one order for the row locks of every process, whatever the database's locale.
_UserId = Text(collation="C")
_HELD = text("state = 'RESERVED'")


class Base(DeclarativeBase):
    """The tables of the database `credit`."""

    type_annotation_map = {  # noqa: RUF012  # declared by SQLAlchemy as a plain class attribute
        int: BigInteger,
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, str]: JSONB,
        dict[str, object]: JSONB,
    }


class AccountRow(Base):
    """The coins of one user. A row without a transaction is an account that does not exist yet."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("char_length(user_id) BETWEEN 1 AND 128", name="accounts_user_id_length"),
        CheckConstraint("0 <= reserved AND reserved <= balance", name="accounts_reserved_within_balance"),
        CheckConstraint("transaction_count >= 0 AND reservation_count >= 0", name="accounts_counts"),
    )

    user_id: Mapped[str] = mapped_column(_UserId, primary_key=True)
    balance: Mapped[int] = mapped_column(server_default=text("0"))
    reserved: Mapped[int] = mapped_column(server_default=text("0"))
    transaction_count: Mapped[int] = mapped_column(server_default=text("0"))
    reservation_count: Mapped[int] = mapped_column(server_default=text("0"))
    create_time: Mapped[datetime] = mapped_column(server_default=text("now()"))
    update_time: Mapped[datetime] = mapped_column(server_default=text("now()"))
    close_time: Mapped[datetime | None]


class ReservationRow(Base):
    """Coins set aside, or refused to be."""

    __tablename__ = "reservations"
    __table_args__ = (
        UniqueConstraint("user_id", "number", name="reservations_user_id_number_key"),
        # What a transaction's foreign key names: a reservation of the same user.
        UniqueConstraint("reservation_id", "user_id", name="reservations_reservation_id_user_id_key"),
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
        _UserId, ForeignKey("accounts.user_id", name="reservations_user_id_fkey")
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
        ForeignKeyConstraint(
            ["reservation_id", "user_id"],
            ["reservations.reservation_id", "reservations.user_id"],
            name="transactions_reservation_id_fkey",
        ),
        CheckConstraint("balance_after >= 0", name="transactions_balance_after"),
    )

    transaction_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(
        _UserId, ForeignKey("accounts.user_id", name="transactions_user_id_fkey")
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
        CheckConstraint(
            "operation IN ('GRANT', 'RESERVE', 'CHARGE', 'RELEASE', 'EXTEND')", name="requests_operation"
        ),
    )

    user_id: Mapped[str] = mapped_column(_UserId, primary_key=True)
    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    operation: Mapped[str]
    sent: Mapped[dict[str, object]]
    create_time: Mapped[datetime]
    reservation_id: Mapped[UUID | None]
    transaction_id: Mapped[UUID | None]
    expire_time: Mapped[datetime | None]
    available: Mapped[int | None]


class PackageRow(Base):
    """Coins on sale. A package that is no longer in the file stays, for the orders that name it."""

    __tablename__ = "packages"
    __table_args__ = (CheckConstraint("coins >= 1", name="packages_coins"),)

    package_id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    coins: Mapped[int]
    on_sale: Mapped[bool]
