"""Stripe's events and objects -> facts. Amounts are minor units, as Stripe gives them.

Granting: whichever of `checkout.session.completed` (only when it says `paid`: slow methods complete unpaid),
`checkout.session.async_payment_succeeded` and `payment_intent.succeeded` comes first. Both name the same
payment intent, which is the payment's id here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from credit_service.payments.facts import NOTHING, About, Closed, Notice, Paid, Reversed
from credit_service.payments.readings import (
    Amount,
    Currency,
    Entity,
    Expanded,
    OwnData,
    ProviderId,
    Unreadable,
    decoded,
    own_order_id,
)
from credit_service.payments.states import ReversalKind, ReversalStatus

_REFUNDS: Mapping[str, ReversalStatus] = {
    # The money is on its way back: its coins must not be spent meanwhile.
    "pending": ReversalStatus.TAKEN,
    "requires_action": ReversalStatus.TAKEN,
    "succeeded": ReversalStatus.TAKEN,
    "failed": ReversalStatus.FAILED,
    "canceled": ReversalStatus.FAILED,
}
_DISPUTES: Mapping[str, ReversalStatus] = {
    # An inquiry holds no money.
    "warning_needs_response": ReversalStatus.INQUIRY,
    "warning_under_review": ReversalStatus.INQUIRY,
    "warning_closed": ReversalStatus.INQUIRY,
    "prevented": ReversalStatus.INQUIRY,
    "needs_response": ReversalStatus.OPEN,
    "under_review": ReversalStatus.OPEN,
    "lost": ReversalStatus.LOST,
    "won": ReversalStatus.WON,
}


class _Event(Entity):
    id: ProviderId
    object: str
    type: str
    data: dict[str, Any] = Field(default_factory=dict)


class _Session(Entity):
    id: ProviderId
    payment_status: str = ""
    status: str | None = None
    payment_intent: Expanded = None
    amount_total: Amount | None = None
    currency: Currency | None = None
    metadata: OwnData = Field(default_factory=dict)


class _Intent(Entity):
    id: ProviderId
    amount_received: Amount
    currency: Currency
    metadata: OwnData = Field(default_factory=dict)


class _Charge(Entity):
    id: ProviderId
    payment_intent: Expanded = None
    amount_refunded: Amount
    currency: Currency
    metadata: OwnData = Field(default_factory=dict)


class _Refund(Entity):
    id: ProviderId
    payment_intent: Expanded = None
    amount: Amount
    currency: Currency
    status: str | None = None


class _Dispute(Entity):
    id: ProviderId
    payment_intent: Expanded = None
    amount: Amount
    currency: Currency
    status: str


def read_event(body: bytes) -> tuple[str, str, Notice]:
    """Answer an event's id, its type and what it says; raises `Unreadable`."""
    event = _Event.of(decoded(body))
    if event.object != "event":
        # A thin event: it names things to be asked for and states nothing.
        return event.id, event.type, NOTHING
    read = _READERS.get(event.type)
    return event.id, event.type, NOTHING if read is None else read(_thing(event))


def _thing(event: _Event) -> dict[str, Any]:
    thing = event.data.get("object")
    if not isinstance(thing, dict):
        raise Unreadable("not as documented: data.object")
    return thing


def of_session(thing: Mapping[str, Any]) -> Notice:
    """Read a Checkout Session, of an event or as Stripe answers it."""
    session = _Session.of(thing)
    about = About(own_order_id(session.metadata), session.id, session.payment_intent)
    if about.order_id is None:
        # Another product of the same Stripe account.
        return NOTHING
    if session.status == "expired":
        return Notice(about, (Closed(),))
    intent, amount, currency = session.payment_intent, session.amount_total, session.currency
    if session.payment_status != "paid" or intent is None or amount is None or currency is None:
        return Notice(about)
    return Notice(about, (Paid(intent, amount, currency),))


def _failed_session(thing: Mapping[str, Any]) -> Notice:
    """Read the session of a slow method whose payment failed, or whose time ran out."""
    notice = of_session(thing)
    return Notice(notice.about, (Closed(),)) if notice.about.anything else NOTHING


def _of_intent(thing: Mapping[str, Any]) -> Notice:
    intent = _Intent.of(thing)
    about = About(own_order_id(intent.metadata), None, intent.id)
    if about.order_id is None:
        return NOTHING
    return Notice(about, (Paid(intent.id, intent.amount_received, intent.currency),))


def _of_charge(thing: Mapping[str, Any]) -> Notice:
    """Read a charge that was refunded: it names the sum of all its refunds, not the newest one."""
    charge = _Charge.of(thing)
    if charge.payment_intent is None:
        return NOTHING
    reversed_ = Reversed(
        ReversalKind.REFUND_TOTAL,
        charge.id,
        charge.payment_intent,
        charge.amount_refunded,
        charge.currency,
        ReversalStatus.TAKEN,
    )
    return Notice(About(own_order_id(charge.metadata), None, charge.payment_intent), (reversed_,))


def of_refund(thing: Mapping[str, Any]) -> Notice:
    """Read a refund, of an event or as Stripe answers it."""
    refund = _Refund.of(thing)
    status = _REFUNDS.get(refund.status or "succeeded")
    return _reversal(ReversalKind.REFUND, refund, status)


def of_dispute(thing: Mapping[str, Any]) -> Notice:
    """Read a dispute, of an event or as Stripe answers it."""
    dispute = _Dispute.of(thing)
    return _reversal(ReversalKind.DISPUTE, dispute, _DISPUTES.get(dispute.status))


def _reversal(kind: ReversalKind, thing: _Refund | _Dispute, status: ReversalStatus | None) -> Notice:
    if thing.payment_intent is None:
        return NOTHING
    if status is None:
        raise Unreadable(f"an unknown status of a {kind.lower()}: {(thing.status or '')[:64]}")
    about = About(None, None, thing.payment_intent)
    fact = Reversed(kind, thing.id, thing.payment_intent, thing.amount, thing.currency, status)
    return Notice(about, (fact,))


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Notice]] = {
    "checkout.session.completed": of_session,
    "checkout.session.async_payment_succeeded": of_session,
    "checkout.session.async_payment_failed": _failed_session,
    "checkout.session.expired": _failed_session,
    "payment_intent.succeeded": _of_intent,
    "charge.refunded": _of_charge,
    "refund.created": of_refund,
    "refund.updated": of_refund,
    "refund.failed": of_refund,
    "charge.dispute.created": of_dispute,
    "charge.dispute.updated": of_dispute,
    "charge.dispute.funds_withdrawn": of_dispute,
    "charge.dispute.funds_reinstated": of_dispute,
    "charge.dispute.closed": of_dispute,
}
