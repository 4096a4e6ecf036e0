"""The real services on real stores, and the real gateway in front of them."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest

from chat_service import bootstrap as chat_bootstrap
from chat_service.settings import ChatSettings
from credit_service.__main__ import MIGRATIONS
from credit_service.bootstrap import build as build_credit
from credit_service.packages import DEFAULT_FILE, load_packages, read_packages
from credit_service.settings import CreditSettings
from servicekit.embedded import EmbeddedPostgres, EmbeddedRedis
from servicekit.migrations import upgrade
from tests.credit_service.payments.shop import settings as selling
from tests.fakes.razorpay_server import FakeRazorpay
from tests.fakes.stripe_server import FakeStripe
from tests.gateway.house import Api, RunningGateway, unused_port
from tests.served import ServedApp

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def serve_credit(postgres: EmbeddedPostgres) -> Iterator[Callable[..., str]]:
    """Start a real credit_service with more settings, and answer where it is."""
    postgres.create_database("gateway_credit")
    url = postgres.url("gateway_credit")
    upgrade(url, MIGRATIONS)
    load_packages(url, read_packages(DEFAULT_FILE))
    with ExitStack() as stack:

        def serve_one(**given: Any) -> str:
            settings = CreditSettings(credit_port=0, credit_database_url=url, drain_s=1.0, **given)
            served = ServedApp(lambda: build_credit(settings), lambda app: app.engine.dispose())
            return stack.enter_context(served).target

        yield serve_one


@pytest.fixture(scope="package")
def stripe_api() -> Iterator[FakeStripe]:
    """Stripe."""
    with FakeStripe() as server:
        yield server


@pytest.fixture(scope="package")
def credit_target(serve_credit: Callable[..., str], stripe_api: FakeStripe) -> Iterator[str]:
    """Where a real credit_service is; it sells by Stripe, by Razorpay and by TEST."""
    with FakeRazorpay() as razorpay_api:
        # The webhooks of the matrix are signed when it is read.
        yield serve_credit(**selling(stripe_api, razorpay_api), stripe_webhook_tolerance_s=3_600)


@pytest.fixture(scope="package")
def chat_settings(
    postgres: EmbeddedPostgres, redis_server: EmbeddedRedis, credit_target: str
) -> ChatSettings:
    """Settings of a chat_service whose database is ready."""
    postgres.create_database("gateway_chat")
    settings = ChatSettings(
        chat_port=0,
        chat_database_url=postgres.url("gateway_chat"),
        redis_url=redis_server.url,
        credit_target=credit_target,
        drain_s=1.0,
        log_level="warning",
    )
    chat_bootstrap.migrate(settings)
    return settings


@pytest.fixture(scope="package")
def chat_target(chat_settings: ChatSettings) -> Iterator[str]:
    """Where a real chat_service is. No worker runs: tests do a worker's calls themselves."""
    with ServedApp(lambda: chat_bootstrap.build(chat_settings), chat_bootstrap.App.close) as served:
        yield served.target


@pytest.fixture(scope="package")
def gateway(credit_target: str, chat_target: str) -> Iterator[RunningGateway]:
    """A gateway in front of both services."""
    with RunningGateway(
        credit_target=credit_target,
        chat_target=chat_target,
        gateway_generate_timeout_s=0.2,
        gateway_uploads_per_user=10,
    ) as running:
        yield running


@pytest.fixture(scope="package")
def alone() -> Iterator[RunningGateway]:
    """A gateway whose services are down."""
    with RunningGateway(
        credit_target=f"127.0.0.1:{unused_port()}",
        chat_target=f"127.0.0.1:{unused_port()}",
        gateway_health_timeout_s=0.5,
    ) as running:
        yield running


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Iterator[Callable[..., RunningGateway]]:
    """Start more gateways, each with its own settings; their services are down unless targets are given."""
    with ExitStack() as stack:

        def start_one(**settings: object) -> RunningGateway:
            down = {"credit_port": unused_port(), "chat_port": unused_port()}
            return stack.enter_context(RunningGateway(**{**down, **settings}))

        yield start_one


@pytest.fixture
def connect() -> Iterator[Callable[..., Api]]:
    """Make clients: `connect(gateway, "alice")`; without a user nobody."""
    with ExitStack() as stack:

        def client(gateway: RunningGateway, user_id: str | None = None, bearer: str | None = None) -> Api:
            return stack.enter_context(Api(gateway.url, user_id, bearer))

        yield client


@pytest.fixture
def user(gateway: RunningGateway, connect: Callable[..., Api]) -> Api:
    """A client of the gateway as a user whom no other test knows."""
    return connect(gateway, f"user-{next(_numbers)}")


@pytest.fixture
def other(gateway: RunningGateway, connect: Callable[..., Api]) -> Api:
    """The same as another user."""
    return connect(gateway, f"user-{next(_numbers)}")


@pytest.fixture(scope="package")
def credit_channel(credit_target: str) -> Iterator[grpc.Channel]:
    """A plain channel to credit_service, for what no app may do."""
    with grpc.insecure_channel(credit_target) as channel:
        yield channel


@pytest.fixture(scope="package")
def chat_channel(chat_target: str) -> Iterator[grpc.Channel]:
    """A plain channel to chat_service, for what only workers do."""
    with grpc.insecure_channel(chat_target) as channel:
        yield channel
