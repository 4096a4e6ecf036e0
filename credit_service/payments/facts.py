"""What a provider states about an order, in our words: read from its events and from its answers alike."""

from dataclasses import dataclass
from uuid import UUID

from credit_service.payments.states import ReversalKind, ReversalStatus


@dataclass(frozen=True, slots=True)
class Paid:
    """The money has come: `amount` in minor units, the currency as ISO 4217 code."""

    payment_id: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Closed:
    """It will not be paid any more: the checkout expired, or the payment failed for good."""


@dataclass(frozen=True, slots=True)
class Reversed:
    """Money of a payment goes back, `amount` in minor units.

    A provider states the same reversal several times, with a status that goes forward and for REFUND_TOTAL
    with an amount that grows.
    """

    kind: ReversalKind
    reversal_id: str
    payment_id: str
    amount: int
    currency: str
    status: ReversalStatus


Fact = Paid | Closed | Reversed


@dataclass(frozen=True, slots=True)
class About:
    """What a provider names an order by; whatever it does not name is None."""

    order_id: UUID | None = None
    provider_order_id: str | None = None
    payment_id: str | None = None

    @property
    def anything(self) -> bool:
        """Whether there is anything to find an order by."""
        return (self.order_id or self.provider_order_id or self.payment_id) is not None


@dataclass(frozen=True, slots=True)
class Notice:
    """What one event says. Without facts it says nothing that an order depends on."""

    about: About
    facts: tuple[Fact, ...] = ()


NOTHING = Notice(About())
"""An event that is nothing to us."""
