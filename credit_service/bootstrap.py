"""The composition root: the only place where the parts of credit_service meet."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import grpc.aio
from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service.audit import log_events
from credit_service.ops_servicer import OpsServicer
from credit_service.owners import Owners
from credit_service.packages import PackageRepository
from credit_service.payment_servicer import PaymentServicer
from credit_service.repository import Repository
from credit_service.service import LedgerService
from credit_service.servicer import CreditServicer
from credit_service.settings import CreditSettings
from credit_service.store import Store
from credit_service.sweeper import Sweeper
from credit_service.turns import Turns
from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from protos.ops.v1 import ops_pb2, ops_pb2_grpc
from protos.payment.v1 import payment_pb2, payment_pb2_grpc
from servicekit.database import Sessions, async_engine, check_database, session_factory
from servicekit.grpc_server import ServerSpec
from servicekit.pages import PageTokens

NAME = "credit_service"
_SERVED = (
    credit_pb2.DESCRIPTOR.services_by_name["CreditService"].full_name,
    payment_pb2.DESCRIPTOR.services_by_name["PaymentService"].full_name,
    ops_pb2.DESCRIPTOR.services_by_name["OpsService"].full_name,
)


@dataclass(frozen=True, slots=True)
class Application:
    """One credit_service: what it serves, and the engine that has to be disposed of in the end."""

    spec: ServerSpec
    engine: AsyncEngine
    store: Store


def build(settings: CreditSettings) -> Application:
    """Put the service together; nothing connects or listens yet."""
    engine = async_engine(settings.credit_database_url, settings, NAME)
    sessions = session_factory(engine)
    store = Store(sessions, committed=log_events)
    spec = ServerSpec(
        name=NAME,
        settings=settings,
        port=settings.credit_port,
        port_variable="HOLDFAST_CREDIT_PORT",
        register=lambda server: _register(server, settings, engine, sessions, store),
        check=lambda: check_database(engine),
        background=_background(settings, store),
    )
    return Application(spec, engine, store)


def _register(
    server: grpc.aio.Server,
    settings: CreditSettings,
    engine: AsyncEngine,
    sessions: Sessions,
    store: Store,
) -> Sequence[str]:
    turns = Turns()
    repository = Repository(sessions, turns)
    ledger = LedgerService(store, Owners(repository), turns)
    credit = CreditServicer(ledger, repository, PageTokens(settings.page_token_secret))
    credit_pb2_grpc.add_CreditServiceServicer_to_server(credit, server)
    payment = PaymentServicer(PackageRepository(sessions))
    payment_pb2_grpc.add_PaymentServiceServicer_to_server(payment, server)
    ops_pb2_grpc.add_OpsServiceServicer_to_server(OpsServicer(NAME, engine), server)
    return _SERVED


def _background(settings: CreditSettings, store: Store) -> Sequence[Callable[[], Awaitable[None]]]:
    if settings.credit_sweep_interval_s == 0:
        return ()
    sweeper = Sweeper(store, interval_s=settings.credit_sweep_interval_s, batch=settings.credit_sweep_batch)
    return (sweeper.run,)
