"""Webhooks taken in: checked, kept as they came, handled at once where that is possible."""

import asyncio
import hashlib
from collections.abc import Mapping
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service.payments import webhook_events
from credit_service.payments.errors import WebhookSignatureInvalid
from credit_service.payments.facts import NOTHING
from credit_service.payments.handling import Handled, Handler
from credit_service.payments.providers import Event, Provider, Providers
from credit_service.payments.readings import Unreadable
from credit_service.payments.states import EventState, ProviderName
from servicekit.driver import in_driver_transaction_with_lock_retry
from servicekit.errors import ServiceError
from servicekit.logs import get_logger

log = get_logger(__name__)

INLINE_S = 2.0
"""How long a webhook is handled while its sender waits; Razorpay wants its answer within five seconds."""


class WebhookService:
    """Takes webhooks."""

    def __init__(self, engine: AsyncEngine, providers: Providers, handler: Handler) -> None:
        """Take the database, who checks signatures, and who handles."""
        self._engine = engine
        self._providers = providers
        self._handler = handler

    async def take(self, name: ProviderName, body: bytes, headers: Mapping[str, str]) -> Handled:
        """Check, keep, handle; header names are lower case.

        Raises `WebhookSignatureInvalid`, and what the database raises while nothing is kept yet. Once the
        event is kept nothing is raised: what cannot be done now is done in the background.
        """
        provider = await self._checked(name, body, headers)
        event = _read(provider, body, headers)
        keep = partial(
            webhook_events.store,
            provider=name,
            event_id=event.event_id,
            kind=event.kind[:255],
            headers=headers,
            body=body,
        )
        number = await in_driver_transaction_with_lock_retry(self._engine, keep)
        try:
            async with asyncio.timeout(INLINE_S):
                return await self._handler.handle(number)
        except (TimeoutError, ServiceError) as error:
            log.warning("webhook_left_for_later", event_id=event.event_id, error=type(error).__name__)
        except Exception as error:  # it is kept: whatever is wrong, sending it again would not help
            log.error("webhook_not_handled", event_id=event.event_id, exc_info=error)
        return Handled(event.event_id, EventState.PENDING)

    async def _checked(self, name: ProviderName, body: bytes, headers: Mapping[str, str]) -> Provider:
        """Answer the provider whose webhook it is; one that is not its own is kept apart, in part."""
        provider = self._providers.find(name)
        if provider is None:
            raise WebhookSignatureInvalid(name)
        if verdict := provider.verdict(body, headers):
            log.warning("webhook_rejected", provider=name, verdict=verdict)
            reject = partial(
                webhook_events.reject, provider=name, verdict=verdict, headers=headers, body=body
            )
            await in_driver_transaction_with_lock_retry(self._engine, reject)
            raise WebhookSignatureInvalid(name)
        return provider


def _read(provider: Provider, body: bytes, headers: Mapping[str, str]) -> Event:
    """Read enough to keep it under its id; one that cannot be read is kept as well, under its body's."""
    try:
        return provider.read(body, headers)
    except Unreadable:
        return Event(f"sha256:{hashlib.sha256(body).hexdigest()}", "", NOTHING)
