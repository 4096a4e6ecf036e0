"""A migrated database, and real servers on it, each in a thread with its own event loop."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import grpc
import pytest

from credit_service.__main__ import MIGRATIONS
from credit_service.packages import DEFAULT_FILE, load_packages, read_packages
from servicekit.embedded import EmbeddedPostgres
from servicekit.migrations import upgrade
from tests.credit_service.client import Client
from tests.credit_service.database import Database
from tests.credit_service.server import Server

_DATABASE = "credit_test"


@pytest.fixture(scope="package")
def migrated(postgres: EmbeddedPostgres) -> str:
    """The URL of a migrated database with the packages loaded."""
    postgres.create_database(_DATABASE)
    url = postgres.url(_DATABASE)
    upgrade(url, MIGRATIONS)
    load_packages(url, read_packages(DEFAULT_FILE))
    return url


@pytest.fixture(scope="package")
def plain_sql(migrated: str) -> Iterator[Database]:
    """Plain SQL on the database, as an operator would write it."""
    with Database(migrated) as database:
        yield database


@pytest.fixture
def database(plain_sql: Database) -> Iterator[Database]:
    """The same, with empty tables; after the test every sum must be right."""
    plain_sql.empty()
    yield plain_sql
    plain_sql.check_invariants()


@pytest.fixture(scope="package")
def running(migrated: str) -> Iterator[Server]:
    """A server without a sweeper, which every test shares: no answer may depend on a sweeper."""
    with Server(migrated, credit_sweep_interval_s=0) as server:
        yield server


@pytest.fixture
def server(running: Server, database: Database) -> Server:
    """The shared server, on empty tables."""
    return running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A client of the shared server."""
    with Client(server.target) as client:
        yield client


@pytest.fixture
def start(migrated: str, database: Database) -> Iterator[Callable[..., Client]]:
    """Start more servers on the same database, each with its own settings, and answer a client of each."""
    with ExitStack() as stack:

        def start_one(**settings: object) -> Client:
            server = stack.enter_context(Server(migrated, **settings))
            return stack.enter_context(Client(server.target))

        yield start_one


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    """A plain channel to the shared server, for stubs that `Client` does not wrap."""
    with grpc.insecure_channel(server.target) as channel:
        yield channel
