"""Stripe: Checkout Sessions through Stripe's own SDK."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar

import stripe

from credit_service.payments.errors import OrderRefused, ProviderUnavailable
from credit_service.payments.facts import Notice
from credit_service.payments.providers import Event, Opened
from credit_service.payments.rules import Order
from credit_service.payments.signatures import stripe_verdict
from credit_service.payments.states import ProviderName
from credit_service.payments.stripe_events import of_dispute, of_refund, of_session, read_event
from credit_service.payments.vendor_calls import VendorCalls
from servicekit.logs import get_logger

log = get_logger(__name__)

_Answer = TypeVar("_Answer")
_MOST_REVERSALS = 100
"""Refunds and disputes of one payment that are asked for: what one page of Stripe's answers has."""


@dataclass(frozen=True, slots=True)
class StripeAccount:
    """Keys, and where a payer is sent afterwards. `{ORDER_ID}` in a URL becomes the order's id."""

    secret_key: str
    webhook_secrets: Sequence[str]
    success_url: str
    cancel_url: str
    base_url: str
    tolerance_s: int


class StripeProvider:
    """Sells by Checkout Session: a page of Stripe's that the app opens."""

    name = ProviderName.STRIPE

    def __init__(self, account: StripeAccount, timeout_s: float) -> None:
        """Take the account, and the longest that one call may take; connects to nothing yet."""
        self._account = account
        self._calls = VendorCalls(self.name, timeout_s)
        # Whoever asked asks again, with the same idempotency key: no retries in here.
        client = stripe.StripeClient(
            account.secret_key,
            base_addresses={"api": account.base_url},
            http_client=stripe.RequestsClient(timeout=timeout_s),
            max_network_retries=0,
        )
        self._api = client.v1

    async def open(self, order: Order, *, again: bool) -> Opened:
        """Create the session. The idempotency key makes a second try answer the first one's session.

        The key holds what the session is made of: another success page in the settings, between the two
        tries, makes another session instead of an error, and the first one was shown to nobody.
        """
        asked = self._session(order)
        key = f"{order.order_id}:{sha256(repr(asked).encode()).hexdigest()[:16]}"
        options: Any = {"idempotency_key": key}
        session = await self._call(lambda: self._api.checkout.sessions.create(asked, options))
        if not session.url:
            log.error("checkout_without_url", provider=self.name, order_id=str(order.order_id))
            raise OrderRefused(self.name)
        expire_time = datetime.fromtimestamp(session.expires_at, UTC).isoformat()
        return Opened(session.id, {"url": session.url, "expire_time": expire_time})

    def _session(self, order: Order) -> Any:
        order_id = str(order.order_id)
        # On the session and on its payment intent: each has events of its own.
        own = {"order_id": order_id}
        price = {
            "currency": order.currency.lower(),
            "unit_amount": order.amount,
            "product_data": {"name": f"{order.coins:,} coins"},
        }
        return {
            "mode": "payment",
            "line_items": [{"quantity": 1, "price_data": price}],
            "client_reference_id": order_id,
            "metadata": own,
            "payment_intent_data": {"metadata": own},
            # What is paid must be what was ordered, in its currency.
            "adaptive_pricing": {"enabled": False},
            "success_url": self._account.success_url.replace("{ORDER_ID}", order_id),
            "cancel_url": self._account.cancel_url.replace("{ORDER_ID}", order_id),
        }

    async def ask(self, order: Order) -> Sequence[Notice]:
        """Answer what the session says, and what goes back of its payment."""
        session_id = order.provider_order_id
        if session_id is None:
            return ()
        session = await self._call(lambda: self._api.checkout.sessions.retrieve(session_id))
        notice = of_session(session.to_dict())
        if (payment_id := notice.about.payment_id) is None:
            return [notice]
        of_payment: Any = {"payment_intent": payment_id, "limit": _MOST_REVERSALS}
        refunds = await self._call(lambda: self._api.refunds.list(of_payment))
        disputes = await self._call(lambda: self._api.disputes.list(of_payment))
        return [
            notice,
            *(of_refund(refund.to_dict()) for refund in refunds.data),
            *(of_dispute(dispute.to_dict()) for dispute in disputes.data),
        ]

    def verdict(self, body: bytes, headers: Mapping[str, str]) -> str:
        """Check signature and age."""
        account = self._account
        return stripe_verdict(
            body, headers, account.webhook_secrets, tolerance_s=account.tolerance_s, now_s=time.time()
        )

    def read(self, body: bytes, headers: Mapping[str, str]) -> Event:
        """Read an event; raises `Unreadable`."""
        return Event(*read_event(body))

    async def _call(self, call: Callable[[], _Answer]) -> _Answer:
        """Make one call. What Stripe says goes to the log, without what was sent."""
        try:
            return await self._calls.run(call)
        except (stripe.InvalidRequestError, stripe.CardError) as error:
            log.error("order_refused", provider=self.name, code=error.code, status=error.http_status)
            raise OrderRefused(self.name) from None
        except stripe.StripeError as error:
            # The network, Stripe itself, too many calls, or a key that is refused, which an operator changes.
            log.warning("provider_unavailable", provider=self.name, kind=type(error).__name__)
            raise ProviderUnavailable(self.name) from None
