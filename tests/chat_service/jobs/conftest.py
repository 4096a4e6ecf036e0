"""A chat_service of its own for the tests of jobs: short polls, no bonus, its own database and queue."""

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, Protocol

import grpc
import psycopg2
import pytest

from chat_service import bootstrap
from chat_service.settings import ChatSettings
from servicekit.embedded import EmbeddedPostgres, EmbeddedRedis
from servicekit.settings import KitSettings
from tests.chat_service.jobs.shop import Connection, Messages, Order, Shop
from tests.served import ServedApp


@pytest.fixture(scope="package")
def job_settings(postgres: EmbeddedPostgres, redis_server: EmbeddedRedis, credit_target: str) -> ChatSettings:
    """Settings of the server under test; its database is migrated and holds the catalogue."""
    postgres.create_database("jobs")
    settings = ChatSettings(
        chat_port=0,
        chat_database_url=postgres.url("jobs"),
        redis_url=f"{redis_server.url}?db=1",
        credit_target=credit_target,
        chat_signup_bonus=0,
        job_poll_s=0.2,
        job_watch_poll_s=0.2,
        erasure_poll_s=0.2,
        job_queue_max_backoff_s=0.2,
        # A busy machine must not look like a credit_service that is away.
        job_credit_timeout_s=20.0,
        drain_s=1.0,
        log_level="warning",
    )
    bootstrap.migrate(settings)
    return settings


@pytest.fixture(scope="package")
def job_app(job_settings: ChatSettings) -> Iterator[ServedApp]:
    """The running server."""
    with ServedApp(lambda: bootstrap.build(job_settings), bootstrap.App.close) as served:
        yield served


@pytest.fixture(scope="package")
def job_database(job_settings: ChatSettings) -> Iterator[Connection]:
    """A connection to the server's database; what it writes is committed at once."""
    connection = psycopg2.connect(job_settings.chat_database_url)
    connection.autocommit = True
    yield connection
    connection.close()


@pytest.fixture(scope="package")
def shop(job_app: ServedApp, credit_target: str, job_database: Connection) -> Iterator[Shop]:
    """The services as their callers see them."""
    # As large as the apps' own channels take it.
    size = [("grpc.max_receive_message_length", KitSettings().rpc_max_message_bytes)]
    with (
        grpc.insecure_channel(job_app.target, options=size) as chat,
        grpc.insecure_channel(credit_target) as credit,
    ):
        yield Shop(chat, credit, job_database)


@pytest.fixture
def order(shop: Shop) -> Order:
    """A chat of a user who has 1,000 coins."""
    return shop.customer()


@pytest.fixture
def messages(job_settings: ChatSettings) -> Iterator[Messages]:
    """What the service leaves for workers."""
    found = Messages(job_settings.redis_url)
    yield found
    found.close()


class Alone(Protocol):
    """Serves a chat_service with a database of its own and some settings changed."""

    def __call__(
        self, *, database: str | None = None, before: str | None = None, **changes: Any
    ) -> AbstractContextManager[Shop]:
        """Serve it for as long as the context lasts; on a `database` by name, after some SQL."""


_numbers = itertools.count(1)


@pytest.fixture
def alone(job_settings: ChatSettings, postgres: EmbeddedPostgres, credit_target: str) -> Alone:
    """For tests in which no other copy may help."""

    @contextmanager
    def serve(*, database: str | None = None, before: str | None = None, **changes: Any) -> Iterator[Shop]:
        name = database or f"jobs_alone_{next(_numbers)}"
        postgres.create_database(name)
        own = {"chat_database_url": postgres.url(name), "redis_url": f"{job_settings.redis_url[:-1]}2"}
        settings = job_settings.model_copy(update={**own, **changes})
        bootstrap.migrate(settings)
        with (
            closing(psycopg2.connect(settings.chat_database_url)) as connection,
            grpc.insecure_channel(settings.credit_target) as credit,
        ):
            connection.autocommit = True
            if before is not None:
                connection.cursor().execute(before)
            with (
                ServedApp(lambda: bootstrap.build(settings), bootstrap.App.close) as served,
                grpc.insecure_channel(served.target) as chat,
            ):
                yield Shop(chat, credit, connection)

    return serve
