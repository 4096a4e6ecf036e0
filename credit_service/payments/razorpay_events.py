"""Razorpay's events and entities -> facts. Amounts are minor units (paise), as Razorpay gives them.

Granting: whichever of `payment.captured` and `order.paid` comes first; both name the same payment. A payment
that failed leaves the order open: the payer may try again, and a failed one may yet be authorised.

Notes are ours on an order only. Those of a payment can be written by whoever opens the checkout, so a payment
belongs to the order that Razorpay says it is of, whatever its notes name.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from credit_service.payments.facts import NOTHING, About, Notice, Paid, Reversed
from credit_service.payments.readings import (
    Amount,
    Currency,
    Entity,
    EventType,
    OwnData,
    ProviderId,
    Unreadable,
    decoded,
    own_order_id,
)
from credit_service.payments.states import ReversalKind, ReversalStatus

_EVENT_ID = re.compile(r"[!-~]{1,128}")

_REFUNDS: Mapping[str, ReversalStatus] = {
    "created": ReversalStatus.PENDING,
    "pending": ReversalStatus.PENDING,
    "processed": ReversalStatus.TAKEN,
    "failed": ReversalStatus.FAILED,
}
_DISPUTES: Mapping[str, ReversalStatus] = {
    "open": ReversalStatus.OPEN,
    "under_review": ReversalStatus.OPEN,
    "action_required": ReversalStatus.OPEN,
    "lost": ReversalStatus.LOST,
    "won": ReversalStatus.WON,
}
_INQUIRIES = frozenset({"retrieval", "fraud"})
"""Phases of a dispute in which the bank asks and holds no money."""


class _Event(Entity):
    event: EventType
    payload: dict[str, Any]


class _Payment(Entity):
    id: ProviderId
    order_id: ProviderId | None = None
    amount: Amount
    currency: Currency
    status: str = ""
    captured: bool | None = None


class _Order(Entity):
    id: ProviderId
    notes: OwnData = Field(default_factory=dict)


class _Refund(Entity):
    id: ProviderId
    payment_id: ProviderId
    amount: Amount
    currency: Currency
    status: str = "processed"


class _Dispute(Entity):
    id: ProviderId
    payment_id: ProviderId
    amount: Amount
    currency: Currency
    amount_deducted: Amount | None = None
    phase: str | None = None
    status: str


def event_id(headers: Mapping[str, str], body: bytes) -> str:
    """Answer the id of the event: that of the header, the same on every retry, else one made of the body."""
    given = headers.get("x-razorpay-event-id", "")
    return given if _EVENT_ID.fullmatch(given) else f"sha256:{hashlib.sha256(body).hexdigest()}"


def read_event(body: bytes) -> tuple[str, Notice]:
    """Answer an event's type and what it says; raises `Unreadable`."""
    event = _Event.of(decoded(body))
    read = _READERS.get(event.event)
    return event.event, NOTHING if read is None else read(event)


def _entity(event: _Event, name: str) -> dict[str, Any] | None:
    """Answer an entity of the event; None when it is not in it."""
    part = event.payload.get(name)
    entity = part.get("entity") if isinstance(part, dict) else None
    return entity if isinstance(entity, dict) else None


def of_payment(entity: Mapping[str, Any]) -> Notice:
    """Read a payment, of an event or as Razorpay answers it: only one that was captured has brought money."""
    payment = _Payment.of(entity)
    about = About(None, payment.order_id, payment.id)
    if about.provider_order_id is None:
        # Not of an order: another product of the same account.
        return NOTHING
    # A payment that was refunded has been captured before, but for those that are given back by themselves.
    if payment.status != "captured" and not (payment.status == "refunded" and payment.captured):
        return Notice(about)
    return Notice(about, (Paid(payment.id, payment.amount, payment.currency),))


def _captured(event: _Event) -> Notice:
    return of_payment(_required(event, "payment"))


def _order_paid(event: _Event) -> Notice:
    """Read the event that carries both: the order knows what we noted in it, the payment what was paid."""
    order = _Order.of(_required(event, "order"))
    notice = of_payment(_required(event, "payment"))
    return Notice(About(own_order_id(order.notes), order.id, notice.about.payment_id), notice.facts)


def _required(event: _Event, name: str) -> dict[str, Any]:
    entity = _entity(event, name)
    if entity is None:
        raise Unreadable(f"not as documented: payload.{name}.entity")
    return entity


def _refund(event: _Event) -> Notice:
    return _about_payment(event, of_refund(_required(event, "refund")))


def of_refund(entity: Mapping[str, Any]) -> Reversed:
    """Read a refund, of an event or as Razorpay answers it."""
    refund = _Refund.of(entity)
    status = _REFUNDS.get(refund.status)
    if status is None:
        raise Unreadable(f"an unknown status of a refund: {refund.status[:64]}")
    kind = ReversalKind.REFUND
    return Reversed(kind, refund.id, refund.payment_id, refund.amount, refund.currency, status)


def _dispute(event: _Event) -> Notice:
    dispute = _Dispute.of(_required(event, "dispute"))
    fact = Reversed(
        ReversalKind.DISPUTE,
        dispute.id,
        dispute.payment_id,
        dispute.amount,
        dispute.currency,
        _status(dispute),
    )
    return _about_payment(event, fact)


def _status(dispute: _Dispute) -> ReversalStatus:
    if dispute.status == "closed":
        return ReversalStatus.LOST if dispute.amount_deducted else ReversalStatus.WON
    status = _DISPUTES.get(dispute.status)
    if status is None:
        raise Unreadable(f"an unknown status of a dispute: {dispute.status[:64]}")
    inquiry = status is ReversalStatus.OPEN and dispute.phase in _INQUIRIES
    return ReversalStatus.INQUIRY if inquiry else status


def _about_payment(event: _Event, fact: Reversed) -> Notice:
    """Add by what the order is found: the payment that comes along names it."""
    payment = _entity(event, "payment")
    about = About(None, None, fact.payment_id) if payment is None else of_payment(payment).about
    return Notice(About(None, about.provider_order_id, fact.payment_id), (fact,))


_READERS: Mapping[str, Callable[[_Event], Notice]] = {
    "payment.captured": _captured,
    "order.paid": _order_paid,
    "refund.created": _refund,
    "refund.processed": _refund,
    "refund.failed": _refund,
    "refund.speed_changed": _refund,
    "payment.dispute.created": _dispute,
    "payment.dispute.under_review": _dispute,
    "payment.dispute.action_required": _dispute,
    "payment.dispute.won": _dispute,
    "payment.dispute.lost": _dispute,
    "payment.dispute.closed": _dispute,
}
