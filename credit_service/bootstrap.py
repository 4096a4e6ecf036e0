"""The composition root: the only place where the parts of credit_service meet."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import grpc.aio
from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service.audit import log_events
from credit_service.coalescer import Coalescer
from credit_service.erasure import Erasure
from credit_service.history import History
from credit_service.ledger import Event
from credit_service.ops_servicer import OpsServicer
from credit_service.packages import PackageRepository
from credit_service.payment_servicer import PaymentServicer
from credit_service.payments import bootstrap as payments_bootstrap
from credit_service.published import PublishedEvents
from credit_service.publisher import Publisher
from credit_service.pulse import Pulse
from credit_service.repository import Repository
from credit_service.service import LedgerService
from credit_service.servicer import CreditServicer
from credit_service.settings import CreditSettings
from credit_service.store import Store
from credit_service.sweeper import Sweeper
from credit_service.turns import Turns
from credit_service.verification import Verification
from credit_service.watching import Watching
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
    coalescer: Coalescer


def build(settings: CreditSettings) -> Application:
    """Put the service together; nothing connects or listens yet."""
    engine = async_engine(settings.credit_database_url, settings, NAME)
    sessions = session_factory(engine)
    watch_pulse, publish_pulse = (Pulse(settings.credit_watch_poll_s) for _ in range(2))
    store = Store(engine, committed=partial(_committed, (watch_pulse, publish_pulse)))
    coalescer = _coalescer(settings, store)
    ledger = LedgerService(store, coalescer)
    watching = Watching(engine, watch_pulse)
    payments = payments_bootstrap.build(settings, engine, store)
    spec = ServerSpec(
        name=NAME,
        settings=settings,
        port=settings.credit_port,
        port_variable="HOLDFAST_CREDIT_PORT",
        register=lambda server: _register(server, settings, engine, sessions, ledger, watching, payments),
        check=lambda: check_database(engine),
        background=(
            watching.run,
            payments.worker.run,
            *_sweeper(settings, store),
            *_publisher(settings, engine, publish_pulse),
        ),
        draining=watching.stop,
    )
    return Application(spec, engine, store, coalescer)


def _coalescer(settings: CreditSettings, store: Store) -> Coalescer:
    return Coalescer(
        store,
        in_flight=settings.credit_batches_in_flight,
        max_batch=settings.credit_batch_max_operations,
        max_waiting=settings.credit_waiting_max_operations,
    )


def _committed(pulses: Sequence[Pulse], events: Sequence[Event]) -> None:
    """Log what was committed, and wake those who look for it."""
    log_events(events)
    if events:
        for pulse in pulses:
            pulse.beat()


def _register(
    server: grpc.aio.Server,
    settings: CreditSettings,
    engine: AsyncEngine,
    sessions: Sessions,
    ledger: LedgerService,
    watching: Watching,
    payments: payments_bootstrap.Payments,
) -> Sequence[str]:
    turns = Turns()
    credit = CreditServicer(
        ledger,
        Erasure(engine, ledger, _published(settings, engine), settings.rpc_max_deadline_s),
        Repository(sessions, turns),
        History(sessions, turns),
        Verification(sessions),
        watching,
        PageTokens(settings.page_token_secret),
    )
    credit_pb2_grpc.add_CreditServiceServicer_to_server(credit, server)
    payment = PaymentServicer(PackageRepository(sessions), payments)
    payment_pb2_grpc.add_PaymentServiceServicer_to_server(payment, server)
    ops_pb2_grpc.add_OpsServiceServicer_to_server(OpsServicer(NAME, engine), server)
    return _SERVED


_Background = Sequence[Callable[[], Awaitable[None]]]


def _sweeper(settings: CreditSettings, store: Store) -> _Background:
    if settings.credit_sweep_interval_s == 0:
        return ()
    sweeper = Sweeper(store, interval_s=settings.credit_sweep_interval_s, batch=settings.credit_sweep_batch)
    return (sweeper.run,)


def _published(settings: CreditSettings, engine: AsyncEngine) -> PublishedEvents | None:
    if not settings.redis_url:
        return None
    return PublishedEvents(engine, settings.redis_url, settings.credit_event_stream)


def _publisher(settings: CreditSettings, engine: AsyncEngine, pulse: Pulse) -> _Background:
    if not settings.redis_url:
        return ()
    publisher = Publisher(
        engine,
        pulse,
        settings.redis_url,
        stream=settings.credit_event_stream,
        max_length=settings.credit_event_stream_max_length,
    )
    return (publisher.run,)
