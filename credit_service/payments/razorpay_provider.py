"""Razorpay: orders through Razorpay's own SDK."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import razorpay
import requests

from credit_service.payments.errors import OrderRefused, ProviderUnavailable
from credit_service.payments.facts import About, Notice, Paid
from credit_service.payments.providers import Event, Opened
from credit_service.payments.razorpay_events import event_id, of_payment, of_refund, read_event
from credit_service.payments.rules import Order
from credit_service.payments.signatures import razorpay_verdict
from credit_service.payments.states import ProviderName
from credit_service.payments.vendor_calls import VendorCalls
from servicekit.logs import get_logger

log = get_logger(__name__)

_Answer = TypeVar("_Answer")
_MOST_REFUNDS = 100
"""Refunds of one payment that are asked for: what one page of Razorpay's answers has."""


class _NoAnswer(Exception):
    """The network failed, or what came is no answer of Razorpay's API."""


# The last three: what came is no JSON, or none that Razorpay documents.
_AWAY = (
    razorpay.errors.GatewayError,
    razorpay.errors.ServerError,
    _NoAnswer,
    ValueError,
    LookupError,
    TypeError,
)


class _Session(requests.Session):
    """A session with a timeout, which the SDK sets none of.

    A failing network leaves here as `_NoAnswer`: for the errors of `requests` the SDK prints to stdout.
    """

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        """Send one request."""
        options.setdefault("timeout", self._timeout_s)
        try:
            return super().request(*arguments, **options)
        except requests.RequestException as error:
            raise _NoAnswer(type(error).__name__) from None


@dataclass(frozen=True, slots=True)
class RazorpayAccount:
    """Keys. The key id is public, the other two are not, and they are different secrets."""

    key_id: str
    key_secret: str
    webhook_secrets: Sequence[str]
    base_url: str


class RazorpayProvider:
    """Sells by order: the app opens Razorpay's checkout with the order's id and the key id."""

    name = ProviderName.RAZORPAY

    def __init__(self, account: RazorpayAccount, timeout_s: float) -> None:
        """Take the account, and the longest that one call may take; connects to nothing yet."""
        self._account = account
        self._timeout_s = timeout_s
        self._calls = VendorCalls(self.name, timeout_s)

    async def open(self, order: Order, *, again: bool) -> Opened:
        """Create the order. Razorpay knows no idempotency keys: a second try looks for our receipt first."""
        receipt = str(order.order_id)
        provider_order_id = await self._made_before(receipt) if again else None
        if provider_order_id is None:
            asked = {
                "amount": order.amount,
                "currency": order.currency,
                "receipt": receipt,
                "notes": {"order_id": receipt},
                "payment_capture": 1,
            }
            provider_order_id = await self._call(lambda client: str(client.order.create(asked)["id"]))
        return Opened(provider_order_id, {"key_id": self._account.key_id})

    async def _made_before(self, receipt: str) -> str | None:
        found = await self._call(lambda client: client.order.all({"receipt": receipt})["items"])
        return next((str(order["id"]) for order in found if order.get("receipt") == receipt), None)

    async def ask(self, order: Order) -> Sequence[Notice]:
        """Answer the order's payments, and what was refunded of those that brought money.

        Razorpay lists no disputes by payment: of these only its webhooks tell.
        """
        provider_order_id = order.provider_order_id
        if provider_order_id is None:
            return ()
        payments = await self._call(lambda client: client.order.payments(provider_order_id)["items"])
        notices = [_of_order(order, of_payment(payment)) for payment in payments]
        paid = [fact.payment_id for notice in notices for fact in notice.facts if isinstance(fact, Paid)]
        for payment_id in paid:
            notices += await self._refunds(order, payment_id)
        return notices

    async def _refunds(self, order: Order, payment_id: str) -> list[Notice]:
        limit = {"count": _MOST_REFUNDS}
        found = await self._call(
            lambda client: client.payment.fetch_multiple_refund(payment_id, limit)["items"]
        )
        about = About(order.order_id, order.provider_order_id, payment_id)
        return [Notice(about, (of_refund(refund),)) for refund in found]

    def verdict(self, body: bytes, headers: Mapping[str, str]) -> str:
        """Check the signature; it has no age. What is sent again is known by its event id or its body."""
        return razorpay_verdict(body, headers, self._account.webhook_secrets)

    def read(self, body: bytes, headers: Mapping[str, str]) -> Event:
        """Read an event; raises `Unreadable`."""
        kind, notice = read_event(body)
        return Event(event_id(headers, body), kind, notice)

    async def _call(self, call: Callable[[Any], _Answer]) -> _Answer:
        """Make one call, with a session of its own: those of `requests` are not made for many threads."""

        def once() -> _Answer:
            account = self._account
            with _Session(self._timeout_s) as session:
                auth = (account.key_id, account.key_secret)
                return call(razorpay.Client(session=session, auth=auth, base_url=account.base_url))

        try:
            return await self._calls.run(once)
        except razorpay.errors.BadRequestError as error:
            # Also a key that is refused: the SDK does not tell the two apart.
            log.error("order_refused", provider=self.name, said=str(error)[:200])
            raise OrderRefused(self.name) from None
        except _AWAY as error:
            log.warning("provider_unavailable", provider=self.name, kind=type(error).__name__)
            raise ProviderUnavailable(self.name) from None


def _of_order(order: Order, notice: Notice) -> Notice:
    return Notice(About(order.order_id, order.provider_order_id, notice.about.payment_id), notice.facts)
