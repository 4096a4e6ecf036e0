"""What PaymentService says no with."""

from collections.abc import Iterable
from uuid import UUID

import grpc

from servicekit.errors import InvalidField, ServiceError


class PackageNotFound(ServiceError):
    """There is no such package on sale."""

    reason = "PACKAGE_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND

    def __init__(self, package_id: str) -> None:
        """Name the package."""
        super().__init__(f"no package {package_id} is on sale", metadata={"package_id": package_id})


class OrderNotFound(ServiceError):
    """There is no such order, or it is another user's."""

    reason = "ORDER_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND

    def __init__(self, order_id: UUID) -> None:
        """Name the order."""
        super().__init__(f"there is no order {order_id}", metadata={"order_id": order_id})


class ProviderUnavailable(ServiceError):
    """The provider did not answer, or not in time; repeating with the same request id is safe."""

    reason = "PAYMENT_PROVIDER_UNAVAILABLE"
    code = grpc.StatusCode.UNAVAILABLE

    def __init__(self, provider: str) -> None:
        """Name the provider."""
        message = f"{provider} does not answer; try again"
        super().__init__(message, metadata={"provider": provider}, retry_after_s=2.0)


class OrderRefused(ServiceError):
    """The provider does not take the order as it is."""

    reason = "ORDER_REFUSED"
    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, provider: str) -> None:
        """Name the provider; what it said is in the log."""
        super().__init__(f"{provider} refuses this order", metadata={"provider": provider})


class WebhookSignatureInvalid(ServiceError):
    """The webhook is not the provider's, or too old to tell."""

    reason = "WEBHOOK_SIGNATURE_INVALID"
    code = grpc.StatusCode.UNAUTHENTICATED

    def __init__(self, provider: str) -> None:
        """Name the provider. Why is in the log: whoever forges one learns nothing from it."""
        super().__init__(f"this is no signed webhook of {provider}", metadata={"provider": provider})


def provider_not_offered(name: str, offered: Iterable[str]) -> InvalidField:
    """Answer the error of a provider that cannot be paid with here."""
    listed = ", ".join(offered)
    problem = f"must be one of {listed}, got {name}"
    if not listed:
        problem = f"cannot be {name}: none is set up, so nothing is sold"
    return InvalidField("provider", problem)


def currency_without_price(package_id: str, currency: str, priced: Iterable[str]) -> InvalidField:
    """Answer the error of a currency that the package has no price in."""
    listed = ", ".join(sorted(priced)) or "nothing"
    return InvalidField(
        "currency", f"must be one that {package_id} is priced in ({listed}), got {currency!r}"
    )
