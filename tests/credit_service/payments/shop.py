"""PaymentService as apps and providers see it, with a Stripe and a Razorpay behind it."""

from typing import Any
from uuid import uuid4

import grpc

from protos.payment.v1 import payment_pb2 as pb
from protos.payment.v1 import payment_pb2_grpc
from servicekit.errors import from_rpc_error
from tests.credit_service.client import Client
from tests.fakes import razorpay_server, stripe_server
from tests.fakes.razorpay_server import FakeRazorpay
from tests.fakes.stripe_server import FakeStripe

STRIPE = pb.PAYMENT_PROVIDER_STRIPE
RAZORPAY = pb.PAYMENT_PROVIDER_RAZORPAY
TEST = pb.PAYMENT_PROVIDER_TEST

_TIMEOUT_S = 20.0


def settings(stripe: FakeStripe, razorpay: FakeRazorpay) -> dict[str, object]:
    """Answer the settings of a credit_service that sells by both and by TEST."""
    return {
        "stripe_secret_key": stripe_server.KEY,
        "stripe_webhook_secret": stripe_server.WEBHOOK_SECRET,
        "stripe_success_url": "https://app.example/paid?order={ORDER_ID}",
        "stripe_cancel_url": "https://app.example/back",
        "stripe_base_url": stripe.url,
        "razorpay_key_id": razorpay_server.KEY_ID,
        "razorpay_key_secret": razorpay_server.KEY_SECRET,
        "razorpay_webhook_secret": razorpay_server.WEBHOOK_SECRET,
        "razorpay_base_url": razorpay.url,
        "payment_test_provider": True,
        "payment_webhook_poll_s": 0.05,
        "payment_max_unpaid_orders": 1_000,
    }


class Shop:
    """Calls the service; failures raise `ServiceError`."""

    def __init__(self, client: Client, stripe: FakeStripe, razorpay: FakeRazorpay, port: int = 0) -> None:
        """Take a client of the service, the providers, and the service's port for commands."""
        self.port = str(port)
        self.coins = client
        self.stripe = stripe
        self.razorpay = razorpay
        self._stub = payment_pb2_grpc.PaymentServiceStub(client._channel)

    def call(self, method: str, request: Any) -> Any:
        """Make one call."""
        try:
            return getattr(self._stub, method)(request, timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None

    def order(self, provider: "pb.PaymentProvider.ValueType" = STRIPE, **given: Any) -> pb.Order:
        """Order 400 coins: for 4.99 EUR at Stripe, for 399 INR at Razorpay."""
        fields = {
            "user_id": "ana",
            "package_id": "coins-400",
            "provider": provider,
            "currency": "INR" if provider == RAZORPAY else "EUR",
            "request_id": str(uuid4()),
            **given,
        }
        answer: pb.CreateOrderResponse = self.call("CreateOrder", pb.CreateOrderRequest(**fields))
        return answer.order

    def now(self, order: pb.Order) -> pb.Order:
        """Answer the order as it is now."""
        request = pb.GetOrderRequest(user_id=order.user_id, order_id=order.order_id)
        answer: pb.GetOrderResponse = self.call("GetOrder", request)
        return answer.order

    def state(self, order: pb.Order) -> str:
        """Answer the order's state, without its prefix."""
        return pb.OrderState.Name(self.now(order).state).removeprefix("ORDER_STATE_")

    def webhook(
        self, provider: "pb.PaymentProvider.ValueType", body: bytes, headers: dict[str, str]
    ) -> pb.HandleWebhookResponse:
        """Send a webhook as it is."""
        request = pb.HandleWebhookRequest(provider=provider, body=body, headers=headers)
        answer: pb.HandleWebhookResponse = self.call("HandleWebhook", request)
        return answer

    def send(self, body: bytes, provider: "pb.PaymentProvider.ValueType" = STRIPE) -> str:
        """Send an event with a good signature, and answer its outcome without the prefix."""
        headers = stripe_server.signed(body) if provider == STRIPE else razorpay_server.signed(body)
        return outcome(self.webhook(provider, body, headers))

    def says(self, kind: str, thing: dict[str, Any]) -> str:
        """Have Stripe say something about a thing as it is now, and answer the outcome."""
        return self.send(self.stripe.event(kind, thing))

    def razorpay_says(self, kind: str, **entities: dict[str, Any]) -> str:
        """Have Razorpay say something, and answer the outcome."""
        return self.send(self.razorpay.event(kind, **entities), RAZORPAY)

    def paid_events(self, order: pb.Order, intent: dict[str, Any]) -> list[bytes]:
        """Answer both events with which Stripe says that an order is paid."""
        session = self.stripe.sessions[order.provider_order_id]
        return [
            self.stripe.event("checkout.session.completed", session),
            self.stripe.event("payment_intent.succeeded", intent),
        ]

    def bought(self, **given: Any) -> tuple[pb.Order, dict[str, Any]]:
        """Order at Stripe, pay, have it said, and answer the order and the payment intent."""
        order = self.order(**given)
        intent = self.stripe.pay(order.provider_order_id)
        assert self.says("payment_intent.succeeded", intent) == "HANDLED"
        return self.now(order), intent

    def holds(self, user_id: str = "ana") -> int:
        """Answer the user's balance."""
        return self.coins.account(user_id).balance

    def verify(self) -> None:
        """Have the books recomputed: no finding."""
        assert list(self.coins.call("VerifyLedger").findings) == []


def outcome(answer: pb.HandleWebhookResponse) -> str:
    """Answer the outcome's name, without its prefix."""
    return pb.WebhookOutcome.Name(answer.outcome).removeprefix("WEBHOOK_OUTCOME_")
