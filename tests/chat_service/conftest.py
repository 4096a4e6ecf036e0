"""A real chat_service over gRPC on a real PostgreSQL, and a real credit_service beside it."""

from collections.abc import Iterator

import grpc
import psycopg2
import psycopg2.extensions
import pytest

from chat_service import bootstrap
from chat_service.settings import ChatSettings
from credit_service import __main__ as credit_main
from credit_service import bootstrap as credit_bootstrap
from credit_service.settings import CreditSettings
from servicekit.embedded import EmbeddedPostgres, EmbeddedRedis
from servicekit.migrations import upgrade
from tests.chat_service.clients import ChatClient
from tests.served import ServedApp

Connection = psycopg2.extensions.connection


@pytest.fixture(scope="package")
def credit_target(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Where a running credit_service is, with an own database."""
    postgres.create_database("credit")
    settings = CreditSettings(credit_port=0, credit_database_url=postgres.url("credit"), drain_s=1.0)
    upgrade(settings.credit_database_url, credit_main.MIGRATIONS)
    with ServedApp(lambda: credit_bootstrap.build(settings), lambda app: app.engine.dispose()) as served:
        yield served.target


@pytest.fixture(scope="package")
def chat_settings(
    postgres: EmbeddedPostgres, redis_server: EmbeddedRedis, credit_target: str
) -> ChatSettings:
    """Settings of the server under test; its database is migrated and holds the catalogue."""
    postgres.create_database("chat")
    settings = ChatSettings(
        chat_port=0,
        chat_database_url=postgres.url("chat"),
        redis_url=redis_server.url,
        credit_target=credit_target,
        drain_s=1.0,
        log_level="warning",
    )
    bootstrap.migrate(settings)
    return settings


@pytest.fixture(scope="package")
def chat_app(chat_settings: ChatSettings) -> Iterator[ServedApp]:
    """The running server; `chat_app.app.core` has its parts, which live on its event loop."""
    with ServedApp(lambda: bootstrap.build(chat_settings), bootstrap.App.close) as served:
        yield served


@pytest.fixture(scope="package")
def chat_channel(chat_app: ServedApp) -> Iterator[grpc.Channel]:
    """A client's channel to the server."""
    with grpc.insecure_channel(chat_app.target) as channel:
        yield channel


@pytest.fixture(scope="package")
def client(chat_channel: grpc.Channel) -> ChatClient:
    """A caller of the server."""
    return ChatClient(chat_channel)


@pytest.fixture
def user_id(client: ChatClient) -> str:
    """A stored user that no other test has."""
    return client.new_user()


@pytest.fixture
def chat_database(chat_settings: ChatSettings) -> Iterator[Connection]:
    """A connection of the test to the server's database; what it writes is committed at once."""
    connection = psycopg2.connect(chat_settings.chat_database_url)
    connection.autocommit = True
    yield connection
    connection.close()
