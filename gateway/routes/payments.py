"""Coins for money: orders, and the webhooks of those who take it."""

from typing import Any

from fastapi import APIRouter, Request, Response, Security
from fastapi.security import APIKeyHeader

from gateway import models, views
from gateway.auth import CurrentUser
from gateway.idempotency import RequestId
from gateway.openapi import errors
from gateway.services import Backends, Services
from protos.payment.v1 import payment_pb2

router = APIRouter(prefix="/api/payments", tags=["payments"])

#: What a webhook's record needs no more than a log does: whoever reads it must not be able to use them.
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
_RAW_BODY = {
    "requestBody": {
        "description": "The provider's event, byte for byte: its signature is over these.",
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


def _signature(header: str) -> Any:
    """Name the header in the documentation; whether it is a good one decides PaymentService."""
    return Security(APIKeyHeader(name=header, scheme_name=header, auto_error=False))


@router.post("/orders", status_code=201, responses=errors(400, 401, "PACKAGE_NOT_FOUND", "REQUEST_ID_REUSED"))
async def create_order(
    wish: models.OrderRequest,
    user_id: CurrentUser,
    request_id: RequestId,
    services: Backends,
    response: Response,
) -> models.Order:
    """Order a coin package; `checkout` opens the payment, `Location` is where the order can be followed.

    The coins come when the provider says that the money has come, as a rule seconds after the payment.
    """
    request = payment_pb2.CreateOrderRequest(
        user_id=user_id,
        package_id=wish.package_id,
        provider=views.payment_provider(wish.provider),
        currency=wish.currency,
        request_id=request_id,
    )
    answer = await services.caller.call(services.payments.CreateOrder, request)
    response.headers["Location"] = f"/api/payments/orders/{answer.order.order_id}"
    return views.order(answer.order)


@router.get("/orders/{order_id}", responses=errors(400, 401, "ORDER_NOT_FOUND"))
async def get_order(order_id: str, user_id: CurrentUser, services: Backends) -> models.Order:
    """Answer an order as it is now."""
    request = payment_pb2.GetOrderRequest(user_id=user_id, order_id=order_id)
    answer = await services.caller.call(services.payments.GetOrder, request)
    return views.order(answer.order)


@router.post(
    "/webhooks/stripe",
    responses=errors(400, "WEBHOOK_SIGNATURE_INVALID"),
    openapi_extra=_RAW_BODY,
    dependencies=[_signature("Stripe-Signature")],
)
async def take_stripe_webhook(request: Request, services: Backends) -> models.WebhookResult:
    """Take an event from Stripe. `Stripe-Signature` is its authentication; there is no token."""
    return await _webhook(payment_pb2.PAYMENT_PROVIDER_STRIPE, request, services)


@router.post(
    "/webhooks/razorpay",
    responses=errors(400, "WEBHOOK_SIGNATURE_INVALID"),
    openapi_extra=_RAW_BODY,
    dependencies=[_signature("X-Razorpay-Signature")],
)
async def take_razorpay_webhook(request: Request, services: Backends) -> models.WebhookResult:
    """Take an event from Razorpay. `X-Razorpay-Signature` is its authentication; there is no token."""
    return await _webhook(payment_pb2.PAYMENT_PROVIDER_RAZORPAY, request, services)


async def _webhook(
    provider: payment_pb2.PaymentProvider.ValueType, request: Request, services: Services
) -> models.WebhookResult:
    """Hand the bytes over as they came; the body is bounded by the layer in front of every route."""
    headers = {name: value for name, value in request.headers.items() if name not in _SECRET_HEADERS}
    event = payment_pb2.HandleWebhookRequest(provider=provider, body=await request.body(), headers=headers)
    return views.webhook(await services.caller.call(services.payments.HandleWebhook, event))
