"""Orders: made, opened at their provider, shown.

The provider is asked outside of any transaction. Whatever dies in between, the order's row is there, and the
same request finishes it.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service.errors import AccountClosed
from credit_service.ledger import refusals
from credit_service.payments import repository
from credit_service.payments.errors import OrderNotFound, PackageNotFound, currency_without_price
from credit_service.payments.providers import Opened, Providers
from credit_service.payments.rules import Order
from credit_service.payments.states import OrderState, ProviderName
from servicekit.driver import in_driver_transaction, in_driver_transaction_with_lock_retry
from servicekit.errors import LockTimeout, RateLimited, RequestIdReused
from servicekit.ids import uuid7

_PACKAGE = "SELECT coins, prices FROM packages WHERE package_id = $1 AND on_sale"
# An account that does not exist yet, as a first Grant makes it: the order belongs to it.
_ACCOUNT = "INSERT INTO accounts (user_id) VALUES ($1) ON CONFLICT DO NOTHING"
_CLOSED = "SELECT close_time IS NOT NULL FROM accounts WHERE user_id = $1 FOR NO KEY UPDATE"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user asks for."""

    user_id: str
    package_id: str
    provider: ProviderName
    currency: str
    request_id: UUID

    def differs(self, order: Order) -> str:
        """Answer the first field in which this is not the request that made the order; empty when it is."""
        pairs = {name: getattr(self, name) for name in ("package_id", "provider", "currency")}
        return next((name for name, value in pairs.items() if getattr(order, name) != value), "")


class OrderService:
    """Makes and answers orders."""

    def __init__(self, engine: AsyncEngine, providers: Providers, max_unpaid: int) -> None:
        """Take the database, the providers, and how many unpaid orders a user may make in an hour."""
        self._engine = engine
        self._providers = providers
        self._max_unpaid = max_unpaid

    async def create(self, wish: Wish) -> Order:
        """Answer the order of a request, made now or before, opened at its provider.

        Raises `RequestIdReused`, `PackageNotFound`, `InvalidField`, `AccountClosed`, `RateLimited`, what
        opening it raises, and what the database does.
        """
        order, made = await in_driver_transaction_with_lock_retry(
            self._engine, lambda connection: self._find_or_make(connection, wish)
        )
        if order.provider_order_id is not None or order.state is not OrderState.CREATED:
            return order
        opened = await self._providers.offered(order.provider).open(order, again=not made)
        order = await in_driver_transaction_with_lock_retry(
            self._engine, lambda connection: _note(connection, order.order_id, opened)
        )
        if order.user_id != wish.user_id:
            # Erased while the provider was asked: nobody is to pay for coins that cannot come.
            raise AccountClosed(refusals.AccountClosed(wish.user_id))
        return order

    async def _find_or_make(self, connection: "asyncpg.Connection[Any]", wish: Wish) -> tuple[Order, bool]:
        """Answer the order of the request, and whether it was made just now: a replay is decided first."""
        order = await repository.find_by_request(connection, wish.user_id, wish.request_id)
        if order is None:
            order = await self._make(connection, wish)
            if order is not None:
                return order, True
            # Another call with the same request id was faster.
            order = await repository.find_by_request(connection, wish.user_id, wish.request_id)
            assert order is not None
        if field := wish.differs(order):
            raise RequestIdReused(wish.request_id, field)
        return order, False

    async def _make(self, connection: "asyncpg.Connection[Any]", wish: Wish) -> Order | None:
        self._providers.offered(wish.provider)
        package = await connection.fetchrow(_PACKAGE, wish.package_id)
        if package is None:
            raise PackageNotFound(wish.package_id)
        coins, prices = package
        if wish.currency not in prices:
            raise currency_without_price(wish.package_id, wish.currency, prices)
        await self._check_account(connection, wish.user_id)
        if await repository.unpaid_lately(connection, wish.user_id) >= self._max_unpaid:
            raise RateLimited(f"{self._max_unpaid} unpaid orders in an hour", retry_after_s=600.0)
        values = (uuid7(), wish.user_id, wish.request_id, wish.package_id, wish.provider, wish.currency)
        return await repository.insert_unless_there(connection, (*values, prices[wish.currency], coins))

    async def _check_account(self, connection: "asyncpg.Connection[Any]", user_id: str) -> None:
        """Hold the account by its name, made if there is none; raises `AccountClosed`.

        Closes the race with an erasure that gives the account another name before the order is committed, and
        that of orders at once, each of which would count the unpaid ones without the others. A
        payment that comes after the account was closed all the same is decided under the account's lock.
        """
        await connection.execute(_ACCOUNT, user_id)
        closed = await connection.fetchval(_CLOSED, user_id)
        if closed is None:
            raise LockTimeout
        if closed:
            raise AccountClosed(refusals.AccountClosed(user_id))

    async def get(self, user_id: str, order_id: UUID) -> Order:
        """Answer a user's order; raises `OrderNotFound`, also for somebody else's."""
        order = await in_driver_transaction(
            self._engine, lambda connection: repository.get(connection, order_id)
        )
        if order is None or order.user_id != user_id:
            raise OrderNotFound(order_id)
        return order


async def _note(connection: "asyncpg.Connection[Any]", order_id: UUID, opened: Opened) -> Order:
    """Note what was opened, and answer the order: with what another call has noted before, if one has."""
    order = await repository.opened(connection, order_id, opened.provider_order_id, opened.checkout)
    order = order or await repository.get(connection, order_id)
    assert order is not None
    return order
