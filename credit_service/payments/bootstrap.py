"""Builds payments from the settings: nothing connects yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service.payments.handling import Handler
from credit_service.payments.orders import OrderService
from credit_service.payments.providers import Provider, Providers
from credit_service.payments.trial_provider import TrialProvider
from credit_service.payments.webhooks import WebhookService
from credit_service.payments.worker import WebhookWorker
from credit_service.settings import CreditSettings
from credit_service.store import Store


@dataclass(frozen=True, slots=True)
class Payments:
    """What the rest of the service needs of payments."""

    providers: Providers
    orders: OrderService
    webhooks: WebhookService
    worker: WebhookWorker


def build(settings: CreditSettings, engine: AsyncEngine, store: Store) -> Payments:
    """Build it inside the running event loop."""
    providers = offered(settings)
    handler = Handler(store, providers)
    return Payments(
        providers,
        OrderService(engine, providers, settings.payment_max_unpaid_orders),
        WebhookService(engine, providers, handler),
        WebhookWorker(
            engine,
            handler,
            poll_s=settings.payment_webhook_poll_s,
            retention=timedelta(days=settings.payment_webhook_retention_days),
        ),
    )


def offered(settings: CreditSettings) -> Providers:
    """Answer the providers that have keys, and the TEST one where it is allowed."""
    return Providers(_offered(settings))


def _offered(settings: CreditSettings) -> Iterator[Provider]:
    if settings.stripe_secret_key.get_secret_value():
        yield _stripe(settings)
    if settings.razorpay_key_id:
        yield _razorpay(settings)
    if settings.payment_test_provider:
        yield TrialProvider()


def _stripe(settings: CreditSettings) -> Provider:
    # Imported where it is wanted, as below: the vendors' SDKs take longer to load than all the rest here.
    from credit_service.payments.stripe_provider import StripeAccount, StripeProvider

    account = StripeAccount(
        settings.stripe_secret_key.get_secret_value(),
        settings.secrets("stripe_webhook_secret"),
        settings.stripe_success_url,
        settings.stripe_cancel_url,
        settings.stripe_base_url,
        settings.stripe_webhook_tolerance_s,
    )
    return StripeProvider(account, settings.payment_provider_timeout_s)


def _razorpay(settings: CreditSettings) -> Provider:
    from credit_service.payments.razorpay_provider import RazorpayAccount, RazorpayProvider

    account = RazorpayAccount(
        settings.razorpay_key_id,
        settings.razorpay_key_secret.get_secret_value(),
        settings.secrets("razorpay_webhook_secret"),
        settings.razorpay_base_url,
    )
    return RazorpayProvider(account, settings.payment_provider_timeout_s)
