"""The TEST provider: nobody takes money. For a developer's machine only; production refuses it.

`python -m credit_service pay-test-order` signs its webhooks with a secret that everybody knows.
"""

import json
from collections.abc import Callable, Mapping, Sequence

from credit_service.payments.facts import About, Closed, Fact, Notice, Paid, Reversed
from credit_service.payments.providers import Event, Opened
from credit_service.payments.readings import (
    Amount,
    Currency,
    Entity,
    ProviderId,
    decoded,
    own_order_id,
)
from credit_service.payments.rules import Order
from credit_service.payments.signatures import hmac_sha256
from credit_service.payments.states import ProviderName, ReversalKind, ReversalStatus

SIGNATURE_HEADER = "x-test-signature"
_SECRET = b"everybody-knows-the-secret-of-test-payments"


class _Event(Entity):
    event_id: ProviderId
    kind: str
    order_id: str
    amount: Amount
    currency: Currency


_FACTS: Mapping[str, Callable[[_Event], Fact]] = {
    "paid": lambda event: Paid(_payment_id(event), event.amount, event.currency),
    "failed": lambda event: Closed(),
    # Under the event's own id: several partial refunds are several.
    "refunded": lambda event: _reversed(event, ReversalKind.REFUND, event.event_id, ReversalStatus.TAKEN),
    "disputed": lambda event: _dispute(event, ReversalStatus.OPEN),
    "dispute-lost": lambda event: _dispute(event, ReversalStatus.LOST),
    "dispute-won": lambda event: _dispute(event, ReversalStatus.WON),
}
EVENT_KINDS: Sequence[str] = tuple(_FACTS)
"""What can be made to happen to a test order."""


class TrialProvider:
    """Opens orders that are paid by a command."""

    name = ProviderName.TEST

    async def open(self, order: Order, *, again: bool) -> Opened:
        """Answer an id made of the order's."""
        return Opened(f"test_{order.order_id}")

    async def ask(self, order: Order) -> Sequence[Notice]:
        """Answer nothing: nobody knows more than the order itself."""
        return ()

    def verdict(self, body: bytes, headers: Mapping[str, str]) -> str:
        """Check the signature; it keeps mistakes out, and nobody else."""
        return "" if headers.get(SIGNATURE_HEADER) == hmac_sha256(_SECRET, body) else "no signature of ours"

    def read(self, body: bytes, headers: Mapping[str, str]) -> Event:
        """Read an event; raises `Unreadable`."""
        event = _Event.of(decoded(body))
        about = About(own_order_id({"order_id": event.order_id}))
        fact = _FACTS.get(event.kind)
        return Event(event.event_id, event.kind, Notice(about, (fact(event),) if fact else ()))


def signed(event: Mapping[str, object]) -> tuple[bytes, dict[str, str]]:
    """Answer the body and the headers of a webhook about a test order."""
    body = json.dumps(event).encode()
    return body, {SIGNATURE_HEADER: hmac_sha256(_SECRET, body)}


def _payment_id(event: _Event) -> str:
    return f"test_payment_{event.order_id}"


def _reversed(event: _Event, kind: ReversalKind, reversal_id: str, status: ReversalStatus) -> Reversed:
    return Reversed(kind, reversal_id, _payment_id(event), event.amount, event.currency, status)


def _dispute(event: _Event, status: ReversalStatus) -> Reversed:
    return _reversed(event, ReversalKind.DISPUTE, f"test_dispute_{event.order_id}", status)
