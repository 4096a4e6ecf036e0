"""Commands of payments: ask the providers about orders that hang, and let things happen to a TEST order."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

from credit_service.audit import log_events
from credit_service.payments.bootstrap import offered
from credit_service.payments.reconciliation import Found, Reconciliation
from credit_service.payments.trial_provider import signed
from credit_service.settings import CreditSettings, OperatorSettings
from credit_service.store import Store
from protos.payment.v1 import payment_pb2, payment_pb2_grpc
from servicekit.database import async_engine
from servicekit.errors import ServiceError
from servicekit.grpc_clients import Caller, sync_channel
from servicekit.lines import printable

_LOOK_AT_MOST = 50
_LOOK_BACK = timedelta(days=30)


def reconcile(settings: CreditSettings, age: timedelta, limit: int, order_id: UUID | None) -> int:
    """Ask about orders, or about one, say what was found, and answer the exit code: 1 when one stays unclear.

    Needs the database and the providers, not the service; it may run beside it.
    """
    return asyncio.run(_reconcile(settings, age, limit, order_id))


async def _reconcile(settings: CreditSettings, age: timedelta, limit: int, order_id: UUID | None) -> int:
    async with _reconciliation(settings) as reconciliation:
        asked = changed = problems = 0
        try:
            async for found in _asked(reconciliation, age, limit, order_id):
                asked += 1
                changed += found.changed
                problems += bool(found.problem)
                print(printable(_shown(found)))
            rows = await reconciliation.to_look_at(_LOOK_BACK, _LOOK_AT_MOST)
        except ServiceError as error:
            print(printable(error.message), file=sys.stderr)
            return 1
        print(f"{asked:,} orders asked about, {changed:,} changed, {problems:,} unclear")
        for provider, event_id, kind, state, detail in rows:
            print(printable(f"look at: {provider} {event_id} {kind} {state}: {detail}"))
        return int(problems > 0)


@asynccontextmanager
async def _reconciliation(settings: CreditSettings) -> AsyncIterator[Reconciliation]:
    engine = async_engine(settings.credit_database_url, settings, "reconcile")
    try:
        yield Reconciliation(engine, Store(engine, committed=log_events), offered(settings))
    finally:
        await engine.dispose()


async def _asked(
    reconciliation: Reconciliation, age: timedelta, limit: int, order_id: UUID | None
) -> AsyncIterator[Found]:
    if order_id is not None:
        yield await reconciliation.one(order_id)
        return
    async for found in reconciliation.hanging(age, limit):
        yield found


def _shown(found: Found) -> str:
    order = found.order
    text = f"{order.order_id} {order.provider} {order.amount} {order.currency}: {order.state}"
    if found.changed and found.settlement is not None:
        text += f" -> {found.settlement.after.state}"
    remarks = [found.problem] if found.problem else found.settlement.details if found.settlement else []
    return "; ".join([text, *remarks])


def pay_test_order(user_id: str, order_id: UUID, kind: str, amount: int | None) -> int:
    """Let something happen to a TEST order of a user, through the running service; answer the exit code."""
    settings = OperatorSettings.load()
    with sync_channel(f"{settings.bind_host}:{settings.credit_port}", settings) as channel:
        stub, caller = payment_pb2_grpc.PaymentServiceStub(channel), Caller(settings)
        try:
            asked = payment_pb2.GetOrderRequest(user_id=user_id, order_id=str(order_id))
            order = caller.call_sync(stub.GetOrder, asked).order
            caller.call_sync(stub.HandleWebhook, _webhook(order, kind, amount))
            order = caller.call_sync(stub.GetOrder, asked).order
        except ServiceError as error:
            print(printable(error.message), file=sys.stderr)
            return 1
    state = payment_pb2.OrderState.Name(order.state).removeprefix("ORDER_STATE_")
    print(f"{order_id}: {state}, {order.granted_coins:,} coins granted, {order.taken_coins:,} taken back")
    return 0


def _webhook(order: payment_pb2.Order, kind: str, amount: int | None) -> payment_pb2.HandleWebhookRequest:
    event = {
        "event_id": f"test_event_{uuid4()}",
        "kind": kind,
        "order_id": order.order_id,
        "amount": order.amount if amount is None else amount,
        "currency": order.currency,
    }
    body, headers = signed(event)
    return payment_pb2.HandleWebhookRequest(
        provider=payment_pb2.PAYMENT_PROVIDER_TEST, body=body, headers=headers
    )
