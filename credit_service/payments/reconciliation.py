"""Asks the providers about orders that hang: a webhook may be lost, or switched off."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service.payments import repository
from credit_service.payments.errors import OrderNotFound, OrderRefused, ProviderUnavailable
from credit_service.payments.facts import Closed, Fact
from credit_service.payments.providers import Providers
from credit_service.payments.readings import Unreadable
from credit_service.payments.rules import Order
from credit_service.payments.settlement import Settlement, log_settlement, settle_facts
from credit_service.store import LedgerPart, Store
from servicekit.driver import in_driver_transaction
from servicekit.errors import DatabaseUnavailable
from servicekit.logs import get_logger

log = get_logger(__name__)

_PAGE = 100
NEVER_OPENED_AGE = timedelta(hours=24)
"""Age at which an order that was never opened at its provider is given up: its caller repeats no more."""

UNPAID_AGE = timedelta(days=7)
"""Age at which an order is given up that nobody has paid; Razorpay's own stay open for ever."""

_TO_LOOK_AT = """
    SELECT provider, event_id, kind, state, detail FROM webhook_events
    WHERE (state IN ('REFUSED', 'UNMATCHED', 'FAILED') OR (state = 'HANDLED' AND detail <> ''))
        AND receive_time > now() - $1::interval
    ORDER BY receive_time DESC LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What asking about one order brought. With a `problem` it stays as it was."""

    order: Order
    settlement: Settlement | None = None
    problem: str = ""

    @property
    def changed(self) -> bool:
        """Whether the order is another one now."""
        return self.settlement is not None and self.settlement.after != self.settlement.before


class Reconciliation:
    """Asks and settles; may run beside the service and in many copies."""

    def __init__(self, engine: AsyncEngine, store: Store, providers: Providers) -> None:
        """Take the database, the ledger, and whom to ask."""
        self._engine = engine
        self._store = store
        self._providers = providers

    async def hanging(self, age: timedelta, limit: int) -> AsyncIterator[Found]:
        """Ask about unpaid orders older than `age`, oldest first, at most `limit`."""
        after = (datetime.min.replace(tzinfo=UTC), UUID(int=0))
        left = limit
        while left > 0:
            orders = await self._page(age, after, min(left, _PAGE))
            for order in orders:
                yield await self._ask(order)
                after = (order.create_time, order.order_id)
            if len(orders) < min(left, _PAGE):
                return
            left -= len(orders)

    async def one(self, order_id: UUID) -> Found:
        """Ask about one order, whatever its state; raises `OrderNotFound`."""
        order = await in_driver_transaction(
            self._engine, lambda connection: repository.get(connection, order_id)
        )
        if order is None:
            raise OrderNotFound(order_id)
        return await self._ask(order)

    async def to_look_at(self, age: timedelta, limit: int) -> list[tuple[Any, ...]]:
        """Answer the newest webhook events that an operator has to look at.

        Those that ended without being handled, and those of money that came and brought no coins.
        """

        async def read(connection: "asyncpg.Connection[Any]") -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.fetch(_TO_LOOK_AT, age, limit)]

        return await in_driver_transaction(self._engine, read)

    async def _page(self, age: timedelta, after: tuple[datetime, UUID], limit: int) -> list[Order]:
        return await in_driver_transaction(
            self._engine, lambda connection: repository.hanging(connection, age, after, limit)
        )

    async def _ask(self, order: Order) -> Found:
        provider = self._providers.find(order.provider)
        old = datetime.now(UTC) - order.create_time
        if order.provider_order_id is None and old < NEVER_OPENED_AGE:
            return Found(order, problem="it was not opened yet; the same request finishes it")
        if provider is None and old < UNPAID_AGE:
            return Found(order, problem=f"{order.provider} is not offered: there is nobody to ask")
        if provider is None or order.provider_order_id is None:
            return await self._settle(order, [Closed()])
        try:
            notices = await provider.ask(order)
        except (ProviderUnavailable, OrderRefused, Unreadable) as error:
            return Found(order, problem=str(error))
        facts = [fact for notice in notices for fact in notice.facts]
        # Money that comes after all makes it PAID all the same.
        return await self._settle(order, [*facts, Closed()] if old >= UNPAID_AGE else facts)

    async def _settle(self, order: Order, facts: list[Fact]) -> Found:
        async def work(part: LedgerPart) -> Settlement:
            return await settle_facts(part, order.order_id, facts)

        try:
            settlement = await self._store.join(work)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # whatever is wrong with one order, the others go on
            log.error("order_not_settled", order_id=str(order.order_id), exc_info=error)
            return Found(order, problem="it could not be settled; the log says why")
        log_settlement(settlement)
        return Found(order, settlement, settlement.refusal)
