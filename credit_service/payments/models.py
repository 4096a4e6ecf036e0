"""The tables of payments.

Triggers stand in the migrations: an order keeps its terms and its payment, never goes back to CREATED or from
a payment to FAILED, and is never deleted; what an order moved is only ever added; when an order follows its
account to a pseudonym, what its webhooks said goes.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from credit_service.base import USER_ID, Base
from credit_service.payments.states import OPEN_STATES, EventState, OrderState, ProviderName

_EMPTY = text("CAST('{}' AS jsonb)")
_ZERO = text("0")
_NOW = text("now()")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


_OPEN = _listed(state for state in EventState if state in OPEN_STATES)
_MOST = 10**12


class PackageRow(Base):
    """Coins on sale. A package that is no longer in the file stays, for the orders that name it."""

    __tablename__ = "packages"
    __table_args__ = (CheckConstraint("coins >= 1", name="packages_coins"),)

    package_id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    coins: Mapped[int]
    on_sale: Mapped[bool]
    #: Minor units by currency.
    prices: Mapped[dict[str, int]] = mapped_column(server_default=_EMPTY)


class OrderRow(Base):
    """A package that a user wants to buy, or has bought, on the terms of the moment it was ordered in."""

    __tablename__ = "orders"
    __table_args__ = (
        # A repeated order finds the first one.
        UniqueConstraint("user_id", "request_id", name="orders_user_id_request_id_key"),
        UniqueConstraint("provider", "provider_order_id", name="orders_provider_order_id_key"),
        # One payment pays one order.
        UniqueConstraint("provider", "payment_id", name="orders_payment_id_key"),
        CheckConstraint(f"provider IN ({_listed(ProviderName)})", name="orders_provider"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="orders_currency"),
        CheckConstraint(f"amount BETWEEN 1 AND {_MOST}", name="orders_amount"),
        CheckConstraint(f"coins BETWEEN 1 AND {_MOST}", name="orders_coins"),
        CheckConstraint(f"state IN ({_listed(OrderState)})", name="orders_state"),
        CheckConstraint(
            "(payment_id IS NULL) = (state IN ('CREATED', 'FAILED'))"
            " AND (paid_time IS NULL) = (payment_id IS NULL)",
            name="orders_paid_by_a_payment",
        ),
        CheckConstraint(
            "refunded_amount BETWEEN 0 AND amount AND disputed_amount BETWEEN 0 AND amount",
            name="orders_money_back",
        ),
        CheckConstraint(
            "granted_coins IN (0, CASE WHEN payment_id IS NULL THEN 0 ELSE coins END)",
            name="orders_granted_coins",
        ),
        CheckConstraint(
            "taken_coins >= 0 AND missing_coins >= 0 AND taken_coins + missing_coins <= granted_coins",
            name="orders_coins_back",
        ),
        # What the reconciliation asks the providers about.
        Index("orders_open", "create_time", postgresql_where=text("state = 'CREATED'")),
        Index("orders_of_user", "user_id", "create_time"),
    )

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    #: An account that is erased gets another name, and its orders follow it.
    user_id: Mapped[str] = mapped_column(
        USER_ID, ForeignKey("accounts.user_id", name="orders_user_id_fkey", onupdate="CASCADE")
    )
    request_id: Mapped[UUID]
    package_id: Mapped[str] = mapped_column(ForeignKey("packages.package_id", name="orders_package_id_fkey"))
    provider: Mapped[str]
    currency: Mapped[str]
    amount: Mapped[int]
    coins: Mapped[int]
    state: Mapped[str] = mapped_column(server_default=text("'CREATED'"))
    provider_order_id: Mapped[str | None]
    checkout: Mapped[dict[str, str]] = mapped_column(server_default=_EMPTY)
    payment_id: Mapped[str | None]
    paid_time: Mapped[datetime | None]
    refunded_amount: Mapped[int] = mapped_column(server_default=_ZERO)
    disputed_amount: Mapped[int] = mapped_column(server_default=_ZERO)
    granted_coins: Mapped[int] = mapped_column(server_default=_ZERO)
    taken_coins: Mapped[int] = mapped_column(server_default=_ZERO)
    missing_coins: Mapped[int] = mapped_column(server_default=_ZERO)
    create_time: Mapped[datetime] = mapped_column(server_default=_NOW)
    update_time: Mapped[datetime] = mapped_column(server_default=_NOW)


class ReversalRow(Base):
    """Money that goes back: a refund, the sum of refunds that a payment names, or a dispute."""

    __tablename__ = "reversals"
    __table_args__ = (
        CheckConstraint(
            "CASE kind WHEN 'REFUND' THEN status IN ('PENDING', 'TAKEN', 'FAILED')"
            " WHEN 'REFUND_TOTAL' THEN status = 'TAKEN'"
            " WHEN 'DISPUTE' THEN status IN ('INQUIRY', 'OPEN', 'LOST', 'WON') ELSE false END",
            name="reversals_status",
        ),
        CheckConstraint(f"amount BETWEEN 0 AND {_MOST}", name="reversals_amount"),
    )

    order_id: Mapped[UUID] = mapped_column(
        ForeignKey("orders.order_id", name="reversals_order_id_fkey"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(primary_key=True)
    reversal_id: Mapped[str] = mapped_column(primary_key=True)
    #: Grows in the order in which they were heard of.
    number: Mapped[int] = mapped_column(Identity())
    payment_id: Mapped[str]
    amount: Mapped[int]
    status: Mapped[str]
    update_time: Mapped[datetime] = mapped_column(server_default=_NOW)


class OrderTransactionRow(Base):
    """What an order moved in the ledger, each under the key of the business fact that it stands for."""

    __tablename__ = "order_transactions"
    __table_args__ = (
        UniqueConstraint("transaction_id", name="order_transactions_transaction_id_key"),
        CheckConstraint("coins <> 0", name="order_transactions_coins"),
        Index("order_transactions_order_id", "order_id"),
    )

    business_key: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(
        ForeignKey("orders.order_id", name="order_transactions_order_id_fkey")
    )
    transaction_id: Mapped[UUID] = mapped_column(
        ForeignKey("transactions.transaction_id", name="order_transactions_transaction_id_fkey")
    )
    coins: Mapped[int]
    create_time: Mapped[datetime] = mapped_column(server_default=_NOW)


class WebhookEventRow(Base):
    """A webhook whose signature is good, as it came, and what became of it."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        UniqueConstraint("provider", "event_id", name="webhook_events_event_id_key"),
        # Razorpay does not sign its event id: the same body under another id is the same event.
        UniqueConstraint("provider", "body_digest", name="webhook_events_body_digest_key"),
        CheckConstraint(f"state IN ({_listed(EventState)})", name="webhook_events_state"),
        CheckConstraint(
            f"(due_time IS NOT NULL) = (state IN ({_OPEN})) AND (handle_time IS NULL) = (state IN ({_OPEN}))",
            name="webhook_events_due_until_handled",
        ),
        CheckConstraint(
            "body IS NOT NULL OR handle_time IS NOT NULL", name="webhook_events_kept_until_handled"
        ),
        Index("webhook_events_due", "due_time", postgresql_where=text("due_time IS NOT NULL")),
        Index("webhook_events_kept", "receive_time", postgresql_where=text("body IS NOT NULL")),
        Index("webhook_events_order_id", "order_id"),
        Index(
            "webhook_events_to_look_at",
            "receive_time",
            postgresql_where=text("state IN ('REFUSED', 'UNMATCHED', 'FAILED')"),
        ),
    )

    event_number: Mapped[int] = mapped_column(Identity(), primary_key=True)
    provider: Mapped[str]
    event_id: Mapped[str]
    body_digest: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[str]
    headers: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(server_default=text("'PENDING'"))
    detail: Mapped[str] = mapped_column(server_default=text("''"))
    order_id: Mapped[UUID | None]
    payment_id: Mapped[str | None]
    tries: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    receive_time: Mapped[datetime] = mapped_column(server_default=_NOW)
    due_time: Mapped[datetime | None]
    handle_time: Mapped[datetime | None]


class WebhookRejectionRow(Base):
    """A webhook whose signature is not good. Only the newest stay, and of each only the beginning."""

    __tablename__ = "webhook_rejections"

    rejection_number: Mapped[int] = mapped_column(Identity(), primary_key=True)
    provider: Mapped[str]
    verdict: Mapped[str]
    headers: Mapped[dict[str, str]]
    body_start: Mapped[bytes] = mapped_column(LargeBinary)
    body_bytes: Mapped[int] = mapped_column(Integer)
    receive_time: Mapped[datetime] = mapped_column(server_default=_NOW)
