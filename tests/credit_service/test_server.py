"""What the server is beside its rules: every RPC answered, reflection, packages, the pool, the records."""

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from credit_service import audit
from credit_service.__main__ import MIGRATIONS
from credit_service.ledger import Account, Event, EventKind
from credit_service.messages import account as account_message
from credit_service.servicer import CreditServicer
from protos.credit.v1 import credit_pb2
from protos.ops.v1 import ops_pb2, ops_pb2_grpc
from protos.payment.v1 import payment_pb2, payment_pb2_grpc
from servicekit.embedded import EmbeddedPostgres
from servicekit.migrations import upgrade
from tests.credit_service.client import Client, new_id, refused
from tests.credit_service.ledger.world import START
from tests.credit_service.server import Server

SERVICES = ["credit.v1.CreditService", "payment.v1.PaymentService", "ops.v1.OpsService"]


def test_every_rpc_of_the_contract_is_served() -> None:
    for method in credit_pb2.DESCRIPTOR.services_by_name["CreditService"].methods:
        assert method.name in vars(CreditServicer), f"{method.name} is inherited: unimplemented"


def test_the_packages_on_sale_are_listed_smallest_first(channel: grpc.Channel) -> None:
    answer = payment_pb2_grpc.PaymentServiceStub(channel).ListPackages(
        payment_pb2.ListPackagesRequest(), timeout=10
    )
    assert [(row.package_id, row.title, row.coins) for row in answer.packages] == [
        ("coins-400", "400 coins", 400),
        ("coins-850", "850 coins", 850),
        ("coins-1600", "1,600 coins", 1_600),
    ]


def test_the_pool_is_told(channel: grpc.Channel) -> None:
    status = ops_pb2_grpc.OpsServiceStub(channel).GetPoolStatus(ops_pb2.GetPoolStatusRequest(), timeout=10)
    assert (status.service, status.size, status.max_overflow) == ("credit_service", 10, 5)
    assert (status.in_use, status.overflow, status.waiting) == (0, 0, 0)


def test_every_service_is_healthy_and_found_by_reflection(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for name in ["", *SERVICES]:
        answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    [listed] = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
        iter([request]), timeout=10
    )
    assert set(SERVICES) <= {service.name for service in listed.list_services_response.service}


def test_each_movement_leaves_one_record_and_a_replay_none(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[dict[str, object]] = []
    monkeypatch.setattr(
        audit, "business_event", lambda event, **fields: made.append({"event": event, **fields})
    )
    client.grant(100)
    first, second = client.reserved(10), client.reserved(20)
    for _ in range(2):
        client.charge(first, amount=4)
        client.release(second)
    request_id = new_id()
    for _ in range(2):
        refused("INSUFFICIENT_CREDITS", lambda: client.reserve(1_000, request_id=request_id))
    assert [record["event"] for record in made] == [
        "coins_granted",
        "coins_reserved",
        "coins_reserved",
        "coins_charged",
        "coins_released",
        "coins_refused",
    ]
    charged = made[3]
    assert (charged["user_id"], charged["amount"], charged["balance"], charged["reserved"]) == (
        "ana",
        -4,
        96,
        20,
    )
    assert charged["reservation_id"] == first
    assert (charged["reserved_amount"], charged["charged_amount"]) == (10, 4)
    assert made[5]["refused_amount"] == 1_000
    assert [record.get("amount") for record in made] == [100, None, None, -4, None, None]


def test_a_charge_of_nothing_is_recorded_as_no_movement(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.grant(100)
    reservation_id = client.reserved(10)
    made: list[dict[str, object]] = []
    monkeypatch.setattr(audit, "business_event", lambda event, **fields: made.append(fields))
    client.charge(reservation_id, amount=0)
    [record] = made
    assert "amount" not in record
    assert (record["reserved_amount"], record["charged_amount"], record["balance"]) == (10, 0, 100)


def test_an_expiry_is_recorded_with_its_account(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(audit, "business_event", lambda event, **fields: made.append(event))
    account = Account("ana", 5, 0, 1, 1, START, START)
    audit.log_events([Event(EventKind.EXPIRED, START, account)])
    assert made == ["coins_expired"]


def test_a_closed_account_tells_when(client: Client) -> None:
    open_one = Account("ana", 5, 0, 1, 1, START, START)
    assert not account_message(open_one).HasField("close_time")
    closed = Account("ana", 5, 0, 1, 1, START, START, START)
    assert account_message(closed).close_time.ToDatetime(tzinfo=START.tzinfo) == START


def test_a_database_that_restarts_is_found_again(stores_dir: Path) -> None:
    with EmbeddedPostgres(stores_dir / "restarting", temporary=True) as postgres:
        postgres.create_database("credit")
        upgrade(postgres.url("credit"), MIGRATIONS)
        with (
            Server(postgres.url("credit"), credit_sweep_interval_s=0) as server,
            Client(server.target) as client,
        ):
            client.grant(100)
            request_id = new_id()
            reserved = client.reserve(10, request_id=request_id)
            postgres.restart()
            assert client.reserve(10, request_id=request_id).reservation == reserved.reservation
            assert client.coins() == (100, 10, 90)
            postgres.stop()
            refused("DATABASE_UNAVAILABLE", client.coins)
