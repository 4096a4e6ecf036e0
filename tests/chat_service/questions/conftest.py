"""chat_services that answer questions: with a fake model and a price, and without either."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import grpc
import psycopg2
import pytest

from chat_service import bootstrap
from chat_service.settings import ChatSettings
from servicekit.embedded import EmbeddedPostgres, EmbeddedRedis
from tests.chat_service.questions.house import Asker, Connection
from tests.fakes.openai_server import FakeOpenAI
from tests.served import ServedApp

PRICE = 5


@pytest.fixture(scope="package")
def fake() -> Iterator[FakeOpenAI]:
    """A model server; the test that uses it finds it empty (`model`)."""
    with FakeOpenAI() as server:
        yield server


@pytest.fixture
def model(fake: FakeOpenAI) -> Iterator[FakeOpenAI]:
    """The model server, answering well and with no request yet."""
    fake.forget()
    yield fake
    fake.release()
    fake.forget()


@pytest.fixture(scope="package")
def ask_settings(
    postgres: EmbeddedPostgres, redis_server: EmbeddedRedis, credit_target: str, fake: FakeOpenAI
) -> ChatSettings:
    """Settings of a server without a model and without a price; its database is migrated."""
    postgres.create_database("questions")
    settings = ChatSettings(
        chat_port=0,
        chat_database_url=postgres.url("questions"),
        redis_url=f"{redis_server.url}?db=2",
        credit_target=credit_target,
        chat_signup_bonus=0,
        embedding_base_url=fake.base_url,
        embedding_model="fake-embedding",
        embedding_max_retries=0,
        index_poll_s=0.2,
        index_retry_s=0.05,
        index_max_tries=2,
        job_poll_s=0.2,
        # A busy machine must not look like a credit_service that is away.
        job_credit_timeout_s=20.0,
        drain_s=1.0,
        log_level="warning",
    )
    bootstrap.migrate(settings)
    return settings


@pytest.fixture(scope="package")
def serve(ask_settings: ChatSettings) -> Iterator[Callable[..., ServedApp]]:
    """Start a server with more settings on the same database."""
    with ExitStack() as stack:

        def start(**changed: Any) -> ServedApp:
            settings = ask_settings.model_copy(update=changed)
            served = ServedApp(lambda: bootstrap.build(settings), bootstrap.App.close)
            return stack.enter_context(served)

        yield start


@pytest.fixture(scope="package")
def free_app(serve: Callable[..., ServedApp]) -> ServedApp:
    """A server without a model and without a price."""
    return serve()


@pytest.fixture(scope="package")
def paid_app(serve: Callable[..., ServedApp], fake: FakeOpenAI) -> ServedApp:
    """A server with a model, where a question costs `PRICE`."""
    given = {"model_base_url": fake.base_url, "model_name": "fake-model", "model_max_retries": 0}
    return serve(ask_price=PRICE, **given)


@pytest.fixture(scope="package")
def ask_database(ask_settings: ChatSettings) -> Iterator[Connection]:
    """A connection to the servers' database; what it writes is committed at once."""
    with closing(psycopg2.connect(ask_settings.chat_database_url)) as connection:
        connection.autocommit = True
        yield connection


@pytest.fixture(scope="package")
def credit_channel(credit_target: str) -> Iterator[grpc.Channel]:
    """A channel to credit_service."""
    with grpc.insecure_channel(credit_target) as channel:
        yield channel


@pytest.fixture
def connect(credit_channel: grpc.Channel, ask_database: Connection) -> Iterator[Callable[..., Asker]]:
    """Make new users of a server."""
    with ExitStack() as stack:

        def user(app: ServedApp) -> Asker:
            channel = stack.enter_context(grpc.insecure_channel(app.target))
            return Asker(channel, credit_channel, ask_database)

        yield user


@pytest.fixture
def asker(connect: Callable[..., Asker], free_app: ServedApp, model: FakeOpenAI) -> Asker:
    """A user with a chat, where asking costs nothing and passages are the answer."""
    return connect(free_app)


@pytest.fixture
def payer(connect: Callable[..., Asker], paid_app: ServedApp, model: FakeOpenAI) -> Asker:
    """A user with a chat and 12 coins, where a model answers for `PRICE`."""
    made = connect(paid_app)
    made.grant(12)
    return made
