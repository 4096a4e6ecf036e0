"""payment.v1.PaymentService: the request becomes what payments take, the result a message."""

from typing import Any

from credit_service.packages import PackageRepository
from credit_service.payments import messages, requests
from credit_service.payments.bootstrap import Payments
from protos.payment.v1 import payment_pb2, payment_pb2_grpc


class PaymentServicer(payment_pb2_grpc.PaymentServiceServicer):
    """Thin: checks the request, asks payments, answers. Errors leave as `ServiceError`."""

    def __init__(self, packages: PackageRepository, payments: Payments) -> None:
        """Take what reads the packages, and what makes orders and takes webhooks."""
        self._packages = packages
        self._payments = payments

    async def ListPackages(  # noqa: N802  # the names of the RPCs
        self, request: payment_pb2.ListPackagesRequest, context: Any
    ) -> payment_pb2.ListPackagesResponse:
        """Answer the packages on sale, smallest first."""
        rows = await self._packages.on_sale()
        return payment_pb2.ListPackagesResponse(
            packages=[messages.package(row) for row in rows],
            providers=[messages.PROVIDERS[name] for name in self._payments.providers.names],
        )

    async def CreateOrder(  # noqa: N802
        self, request: payment_pb2.CreateOrderRequest, context: Any
    ) -> payment_pb2.CreateOrderResponse:
        """Order a package."""
        order = await self._payments.orders.create(requests.create(request))
        return payment_pb2.CreateOrderResponse(order=messages.order(order))

    async def GetOrder(  # noqa: N802
        self, request: payment_pb2.GetOrderRequest, context: Any
    ) -> payment_pb2.GetOrderResponse:
        """Answer an order."""
        order = await self._payments.orders.get(*requests.get(request))
        return payment_pb2.GetOrderResponse(order=messages.order(order))

    async def HandleWebhook(  # noqa: N802
        self, request: payment_pb2.HandleWebhookRequest, context: Any
    ) -> payment_pb2.HandleWebhookResponse:
        """Take a webhook."""
        return messages.handled(await self._payments.webhooks.take(*requests.webhook(request)))
