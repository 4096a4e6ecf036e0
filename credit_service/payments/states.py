"""The words of payments: providers, and the states of orders, reversals and webhook events."""

from enum import StrEnum


class ProviderName(StrEnum):
    """Who takes the money."""

    STRIPE = "STRIPE"
    RAZORPAY = "RAZORPAY"
    TEST = "TEST"


class OrderState(StrEnum):
    """Where an order stands."""

    CREATED = "CREATED"
    PAID = "PAID"
    FAILED = "FAILED"
    REFUNDED = "REFUNDED"
    DISPUTED = "DISPUTED"


class ReversalKind(StrEnum):
    """How money goes back: by a refund with an id, by a sum that a payment names, by a dispute."""

    REFUND = "REFUND"
    REFUND_TOTAL = "REFUND_TOTAL"
    DISPUTE = "DISPUTE"


class ReversalStatus(StrEnum):
    """How far a reversal is. TAKEN is that of a refund, OPEN and LOST those of a dispute that hold money."""

    PENDING = "PENDING"
    TAKEN = "TAKEN"
    FAILED = "FAILED"
    INQUIRY = "INQUIRY"
    OPEN = "OPEN"
    LOST = "LOST"
    WON = "WON"


class EventState(StrEnum):
    """What became of a webhook event. All but PENDING and WAITING are its end."""

    PENDING = "PENDING"
    WAITING = "WAITING"
    HANDLED = "HANDLED"
    IGNORED = "IGNORED"
    REFUSED = "REFUSED"
    UNMATCHED = "UNMATCHED"
    FAILED = "FAILED"


OPEN_STATES = frozenset({EventState.PENDING, EventState.WAITING})
"""Events that are still to be handled."""
