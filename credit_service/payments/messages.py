"""Orders and packages -> messages on the wire."""

from collections.abc import Mapping
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from credit_service.packages import minor_digits
from credit_service.payments.handling import Handled
from credit_service.payments.models import PackageRow
from credit_service.payments.rules import Order
from credit_service.payments.states import EventState, OrderState, ProviderName
from protos.payment.v1 import payment_pb2

PROVIDERS: "Mapping[str, payment_pb2.PaymentProvider.ValueType]" = {
    str(name): payment_pb2.PaymentProvider.Value(f"PAYMENT_PROVIDER_{name}") for name in ProviderName
}
_STATES: "Mapping[OrderState, payment_pb2.OrderState.ValueType]" = {
    state: payment_pb2.OrderState.Value(f"ORDER_STATE_{state}") for state in OrderState
}
_OUTCOMES: "Mapping[EventState, payment_pb2.WebhookOutcome.ValueType]" = {
    EventState.PENDING: payment_pb2.WEBHOOK_OUTCOME_STORED,
    EventState.WAITING: payment_pb2.WEBHOOK_OUTCOME_WAITING,
    EventState.HANDLED: payment_pb2.WEBHOOK_OUTCOME_HANDLED,
    EventState.IGNORED: payment_pb2.WEBHOOK_OUTCOME_IGNORED,
    EventState.REFUSED: payment_pb2.WEBHOOK_OUTCOME_REFUSED,
    EventState.UNMATCHED: payment_pb2.WEBHOOK_OUTCOME_REFUSED,
    EventState.FAILED: payment_pb2.WEBHOOK_OUTCOME_REFUSED,
}


def package(row: PackageRow) -> payment_pb2.Package:
    """Answer the package's message, prices in the order of their currencies."""
    prices = [
        payment_pb2.Price(currency=currency, amount=amount, minor_digits=minor_digits(currency) or 0)
        for currency, amount in sorted(row.prices.items())
    ]
    return payment_pb2.Package(package_id=row.package_id, title=row.title, coins=row.coins, prices=prices)


def order(row: Order) -> payment_pb2.Order:
    """Answer the order's message; the checkout as long as it can be paid."""
    return payment_pb2.Order(
        order_id=str(row.order_id),
        user_id=row.user_id,
        package_id=row.package_id,
        provider=PROVIDERS[row.provider],
        state=_STATES[row.state],
        coins=row.coins,
        amount=row.amount,
        currency=row.currency,
        provider_order_id=row.provider_order_id or "",
        checkout=_checkout(row),
        refunded_amount=row.refunded_amount,
        disputed_amount=row.disputed_amount,
        granted_coins=row.granted_coins,
        taken_coins=row.taken_coins,
        missing_coins=row.missing_coins,
        create_time=_time(row.create_time),
        update_time=_time(row.update_time),
        paid_time=None if row.paid_time is None else _time(row.paid_time),
    )


def _checkout(row: Order) -> payment_pb2.Checkout | None:
    if row.state is not OrderState.CREATED or row.provider_order_id is None:
        return None
    expire_time = row.checkout.get("expire_time")
    return payment_pb2.Checkout(
        url=row.checkout.get("url", ""),
        key_id=row.checkout.get("key_id", ""),
        expire_time=None if expire_time is None else _time(datetime.fromisoformat(expire_time)),
    )


def handled(result: Handled) -> payment_pb2.HandleWebhookResponse:
    """Answer the response of a HandleWebhook."""
    outcome = payment_pb2.WEBHOOK_OUTCOME_DUPLICATE if result.before else _OUTCOMES[result.state]
    order_id = "" if result.order_id is None else str(result.order_id)
    return payment_pb2.HandleWebhookResponse(outcome=outcome, event_id=result.event_id, order_id=order_id)


def _time(value: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(value)
    return timestamp
