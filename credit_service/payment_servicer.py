"""payment.v1.PaymentService: what coins cost."""

from typing import Any

from credit_service import messages
from credit_service.packages import PackageRepository
from protos.payment.v1 import payment_pb2, payment_pb2_grpc


class PaymentServicer(payment_pb2_grpc.PaymentServiceServicer):
    """Answers what is on sale."""

    def __init__(self, packages: PackageRepository) -> None:
        """Take what reads the packages."""
        self._packages = packages

    async def ListPackages(  # noqa: N802  # the name of the RPC
        self, request: payment_pb2.ListPackagesRequest, context: Any
    ) -> payment_pb2.ListPackagesResponse:
        """Answer the packages on sale, smallest first."""
        rows = await self._packages.on_sale()
        return payment_pb2.ListPackagesResponse(packages=[messages.package(row) for row in rows])
