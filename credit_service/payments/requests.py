"""The wire's requests -> what payments take; raises `InvalidField`."""

from collections.abc import Mapping
from uuid import UUID

from credit_service.payments.messages import PROVIDERS
from credit_service.payments.orders import Wish
from credit_service.payments.states import ProviderName
from protos.payment.v1 import payment_pb2
from servicekit.errors import InvalidField
from servicekit.validation import enum_field, text_field, user_id_field, uuid_field

MAX_BODY_BYTES = 256 << 10
MAX_HEADERS = 64
MAX_HEADERS_BYTES = 16 << 10

_NAMES: Mapping[int, str] = {int(number): name for name, number in PROVIDERS.items()}


def create(request: payment_pb2.CreateOrderRequest) -> Wish:
    """Read a CreateOrder."""
    return Wish(
        user_id_field(request.user_id),
        text_field("package_id", request.package_id, min_chars=1, max_chars=64),
        _provider(request.provider),
        text_field("currency", request.currency, min_chars=3, max_chars=3),
        uuid_field("request_id", request.request_id),
    )


def get(request: payment_pb2.GetOrderRequest) -> tuple[str, UUID]:
    """Read a GetOrder: whose order, and which."""
    return user_id_field(request.user_id), uuid_field("order_id", request.order_id)


def webhook(request: payment_pb2.HandleWebhookRequest) -> tuple[ProviderName, bytes, dict[str, str]]:
    """Read a HandleWebhook: whose it is, its body, its headers with their names in lower case."""
    provider = _provider(request.provider)
    if not 1 <= len(request.body) <= MAX_BODY_BYTES:
        raise InvalidField("body", f"must have 1 to {MAX_BODY_BYTES} bytes, got {len(request.body)}")
    return provider, request.body, _headers(request.headers)


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    if len(given) > MAX_HEADERS:
        raise InvalidField("headers", f"must be at most {MAX_HEADERS}, got {len(given)}")
    size = sum(len(name.encode()) + len(value.encode()) for name, value in given.items())
    if size > MAX_HEADERS_BYTES:
        raise InvalidField("headers", f"must have at most {MAX_HEADERS_BYTES} bytes, got {size}")
    for name, value in given.items():
        text_field("headers", name + value, max_chars=MAX_HEADERS_BYTES)
    return {name.lower(): value for name, value in given.items()}


def _provider(value: int) -> ProviderName:
    return ProviderName(_NAMES[enum_field("provider", value, _NAMES)])
