"""The clients of a worker process: never before the fork, never without anybody noticing."""

from pathlib import Path

import pytest
from dramatiq import Broker
from dramatiq.brokers.stub import StubBroker

from insight_worker.clients import ClientsFailed, ProcessClients
from insight_worker.settings import WorkerSettings


@pytest.fixture
def broker() -> Broker:
    """A broker that carries nothing: only its signals matter here."""
    return StubBroker(middleware=[])


def test_clients_exist_only_between_boot_and_shutdown(broker: Broker) -> None:
    # Given a worker that has not booted
    clients = ProcessClients(WorkerSettings())
    broker.add_middleware(clients)
    with pytest.raises(RuntimeError, match="there are no clients"):
        clients.get()
    # When it boots, then all its threads get the same ones
    broker.emit_before("worker_boot", None)
    assert clients.get() is clients.get()
    # When it has stopped, then there are none again
    broker.emit_after("worker_shutdown", None)
    with pytest.raises(RuntimeError, match="there are no clients"):
        clients.get()


def test_a_worker_that_cannot_make_its_clients_does_not_boot(broker: Broker, tmp_path: Path) -> None:
    # Given a CA file that is not there
    settings = WorkerSettings(tls_ca_file=tmp_path / "missing.pem", tls_cert_file=tmp_path / "missing.pem")
    broker.add_middleware(ProcessClients(settings))
    # Then the error gets through Dramatiq, which swallows every other kind
    with pytest.raises(ClientsFailed, match=r"missing\.pem"):
        broker.emit_before("worker_boot", None)
