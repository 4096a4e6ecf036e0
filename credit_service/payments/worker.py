"""Handles in the background what could not be handled when it came, and forgets bodies that are old."""

import asyncio
import random
import time
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service.payments import webhook_events
from credit_service.payments.handling import Handler, is_late, pause
from credit_service.payments.states import EventState
from servicekit.driver import in_driver_transaction
from servicekit.errors import DatabaseUnavailable, ServiceError
from servicekit.logs import get_logger

log = get_logger(__name__)

_MAX_IN_A_ROW = 1_000
"""Events in a row before the worker rests, however many are due."""

_FORGET_EVERY_S = 600.0
_FORGET_AT_ONCE = 1_000


class WebhookWorker:
    """A background task of every copy of the service; each event is one copy's at a time (SKIP LOCKED)."""

    def __init__(self, engine: AsyncEngine, handler: Handler, *, poll_s: float, retention: timedelta) -> None:
        """Take the database, who handles, the pause between looks, and how long bodies are kept."""
        self._engine = engine
        self._handler = handler
        self._poll_s = poll_s
        self._retention = retention
        self._next_forget_s = 0.0

    async def run(self) -> None:
        """Work until cancelled; a database that is away is tried again after the pause."""
        while True:
            # Jitter keeps the copies of the service from looking in step.
            await asyncio.sleep(self._poll_s * random.uniform(0.5, 1.5))
            try:
                await self.handle_due()
                await self._forget()
            except ServiceError as error:
                log.warning("webhooks_not_handled", reason=error.reason)

    async def handle_due(self) -> int:
        """Handle what is due now and answer how many events that were."""
        if not self._handler.providers:
            return 0
        for count in range(_MAX_IN_A_ROW):
            number = await in_driver_transaction(self._engine, self._claim_next)
            if number is None:
                return count
            try:
                await self._handler.handle(number)
            except DatabaseUnavailable:
                raise
            except Exception as error:  # whatever is wrong with one event, the others go on
                log.error("webhook_not_handled", event_number=number, exc_info=error)
        return _MAX_IN_A_ROW

    async def _claim_next(self, connection: "asyncpg.Connection[Any]") -> int | None:
        """Take the next event, and move it on beforehand: one that kills its handler must not come first.

        The claim is only to keep others from it for a while: who handles it locks it.
        """
        number = await webhook_events.lock_next(connection, self._handler.providers)
        if number is None:
            return None
        event = await webhook_events.read(connection, number)
        if is_late(event):
            await webhook_events.end(connection, number, EventState.FAILED, "it could not be handled")
            log.error("webhook_given_up", event_id=event.event_id)
        else:
            await webhook_events.postpone(connection, number, pause(event.tries))
        return number

    async def _forget(self) -> None:
        if time.monotonic() < self._next_forget_s:
            return
        forget = partial(webhook_events.forget, age=self._retention, limit=_FORGET_AT_ONCE)
        if await in_driver_transaction(self._engine, forget) < _FORGET_AT_ONCE:
            self._next_forget_s = time.monotonic() + _FORGET_EVERY_S
