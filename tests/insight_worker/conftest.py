"""Real services for the worker's tests, as processes of their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from insight_worker.clients import Clients
from insight_worker.registry import load_pipelines
from insight_worker.runner import JobRunner
from insight_worker.settings import WorkerSettings
from servicekit.embedded import EmbeddedPostgres, EmbeddedRedis
from tests.insight_worker.house import PIPELINES, Customer, House, Service
from tests.insight_worker.slow_pipeline import GATES_VARIABLE, Gates


@pytest.fixture(scope="package")
def house(
    postgres: EmbeddedPostgres, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """Both services, running; every test has its own customers."""
    for name in ("worker_credit", "worker_chat"):
        postgres.create_database(name)
    credit_url, chat_url = postgres.url("worker_credit"), postgres.url("worker_chat")
    house = House(tmp_path_factory.mktemp("house"), credit_url, chat_url, redis_server.url)
    house.start()
    yield house
    house.stop()


@pytest.fixture
def gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gates:
    """The gates of this test's stages, in this process and in its workers."""
    path = tmp_path / "gates"
    path.mkdir()
    monkeypatch.setenv(GATES_VARIABLE, str(path))
    return Gates(path)


@pytest.fixture
def worker_settings(house: House) -> WorkerSettings:
    """Settings of a runner in this process."""
    return WorkerSettings(
        chat_port=house.chat_port,
        credit_port=house.credit_port,
        redis_url=house.redis_url,
        worker_pipelines=tuple(PIPELINES.split(",")),
        worker_heartbeat_s=0.1,
        worker_patience_s=15.0,
        rpc_timeout_s=5.0,
    )


@pytest.fixture
def clients(worker_settings: WorkerSettings) -> Iterator[Clients]:
    """The clients of a worker, in this process."""
    clients = Clients.connect(worker_settings)
    yield clients
    clients.close()


@pytest.fixture
def runner(clients: Clients, worker_settings: WorkerSettings, gates: Gates) -> JobRunner:
    """A runner in this process: what a worker's thread does with one message."""
    return JobRunner(clients, load_pipelines(worker_settings.worker_pipelines), worker_settings)


@pytest.fixture
def start_worker(
    house: House, gates: Gates, redis_server: EmbeddedRedis, tmp_path: Path
) -> Iterator[Callable[..., Service]]:
    """Start worker processes; what other tests have left, jobs and messages, is forgotten first."""
    house.forget_jobs()
    redis_server.flush()
    with ExitStack() as stack:

        def start(name: str = "worker", **settings: str) -> Service:
            worker = house.worker(tmp_path / name, gates.path, **settings)
            stack.callback(worker.stop)
            worker.start()
            return worker

        yield start


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """What is logged during the test."""
    with capture_logs(processors=[merge_contextvars]) as captured:
        yield captured


@pytest.fixture
def customer(house: House) -> Customer:
    """A user with 100 coins and a chat."""
    return house.customer()
