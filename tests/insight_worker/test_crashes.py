"""Workers that die, stall or find their coins gone, against both real services: who pays what in the end."""

from collections.abc import Iterator

import psutil
import psycopg2
import psycopg2.extensions
import pytest

from insight_worker.clients import Clients
from insight_worker.runner import JobRunner
from protos.credit.v1 import credit_pb2
from servicekit.embedded import EmbeddedPostgres
from servicekit.ids import uuid7
from tests.eventually import eventually
from tests.insight_worker.house import PRICE, Customer, House
from tests.insight_worker.running import die, end, expired, held, interrupted
from tests.insight_worker.slow_pipeline import Gates

_ALL = ["one", "two", "three"]


@pytest.fixture
def chat_database(house: House, postgres: EmbeddedPostgres) -> Iterator[psycopg2.extensions.cursor]:
    """A cursor in chat_service's database that no trigger stops; what it writes is committed at once."""
    connection = psycopg2.connect(postgres.url("worker_chat"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield cursor
    connection.close()


def unpaid(runner: JobRunner, house: House, customer: Customer) -> str:
    """Answer a job that is made, and waits for its next payment."""
    job_id = expired(house, customer)
    runner.run(job_id)
    assert customer.state(job_id) == "PAYMENT_FAILED"
    return job_id


@pytest.mark.parametrize("before", ["_reserve", "_charge_and_finish", "_finish_completed"])
def test_a_payment_whose_worker_died_is_finished_by_the_next_one(
    runner: JobRunner, clients: Clients, house: House, customer: Customer, before: str
) -> None:
    # Given a later payment whose worker died before it reserved, before it charged, or after that
    job_id = unpaid(runner, house, customer)
    die(runner, clients, job_id, before)
    # When a worker gets it again, then it is paid once and shown
    assert end(runner, customer, job_id) == "COMPLETED"
    assert customer.coins() == (100 - PRICE, 0)
    assert customer.charges() == [customer.job(job_id).transaction_id]
    assert list(customer.insights()) == _ALL


def test_a_payment_asks_for_nothing_that_a_setting_could_change(
    runner: JobRunner, clients: Clients, house: House, customer: Customer
) -> None:
    # Given a later payment that has reserved its coins
    job_id = unpaid(runner, house, customer)
    die(runner, clients, job_id, "_charge_and_finish")
    # Then they are held for as long as credit_service holds what names no time: 15 minutes
    request = credit_pb2.ListReservationsRequest(user_id=customer.user_id)
    newest = house.call(house.credits.ListReservations, request).reservations[0]
    held_for = newest.expire_time.ToDatetime() - newest.create_time.ToDatetime()
    assert held_for.total_seconds() == pytest.approx(900, abs=1)
    end(runner, customer, job_id)


@pytest.mark.parametrize("before", ["_reserve", "_charge_and_finish", "_finish_completed"])
def test_a_payment_whose_worker_died_is_dropped_when_its_chat_is_deleted(
    runner: JobRunner, clients: Clients, house: House, customer: Customer, before: str
) -> None:
    # Given a later payment whose worker died before it reserved, before it charged, or after that
    job_id = unpaid(runner, house, customer)
    die(runner, clients, job_id, before)
    charged = before == "_finish_completed"
    # When the chat is deleted, and a worker gets the job again
    customer.delete_chat()
    # Then nothing is paid for what nobody can see; what had been paid already is not denied
    assert end(runner, customer, job_id) == ("COMPLETED" if charged else "CANCELLED")
    assert customer.coins() == ((100 - PRICE, 0) if charged else (100, 0))
    assert len(customer.charges()) == charged


def test_a_payment_that_was_held_up_takes_nothing_from_who_has_its_users_id_by_then(
    runner: JobRunner, house: House, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a later payment that is held up before it reserves
    job_id = unpaid(runner, house, customer)
    seen: list[int] = []
    reserve = Settlement._reserve

    def held_up(settlement: Settlement, payment_attempt: int) -> credit_pb2.Reservation:
        # When its user leaves, comes back as a new user, and buys coins
        if not seen:
            customer.leave()
            customer.come_back()
            customer.grant(500)
        seen.append(payment_attempt)
        return reserve(settlement, payment_attempt)

    monkeypatch.setattr(Settlement, "_reserve", held_up)
    eventually(after_run(runner, job_id, lambda: bool(seen)), timeout_s=20)
    # Then the new user has all of them, and was charged nothing
    assert customer.coins() == (500, 0)
    assert customer.charges() == []


@pytest.mark.parametrize("before", ["_charge_and_finish", "_finish_completed"])
def test_a_settlement_whose_worker_died_is_dropped_when_its_chat_is_deleted(
    runner: JobRunner, clients: Clients, customer: Customer, gates: Gates, before: str
) -> None:
    # Given a job whose worker died before it charged, or after that
    job_id = customer.unlock()
    die(runner, clients, job_id, before)
    assert customer.state(job_id) == "SETTLING"
    charged = before == "_finish_completed"
    # When the chat is deleted, and a worker gets the job again
    customer.delete_chat()
    # Then the coins go back unless they were charged
    assert end(runner, customer, job_id) == ("COMPLETED" if charged else "CANCELLED")
    assert customer.coins() == ((100 - PRICE, 0) if charged else (100, 0))
    assert len(customer.charges()) == charged


def test_a_reservation_that_is_lost_is_made_anew(
    runner: JobRunner, customer: Customer, chat_database: psycopg2.extensions.cursor, gates: Gates
) -> None:
    # Given a job whose reservation credit_service does not know, as after a restored backup
    job_id = customer.unlock()
    values = (str(uuid7()), job_id)
    chat_database.execute("UPDATE jobs SET reservation_id = %s WHERE job_id = %s", values)
    # When a worker runs it, then the payment waits
    runner.run(job_id)
    assert customer.state(job_id) == "PAYMENT_FAILED"
    assert customer.job(job_id).error.reason == "RESERVATION_NOT_FOUND"
    # And the next one makes a new reservation
    assert end(runner, customer, job_id) == "COMPLETED"
    assert len(customer.charges()) == 1


def test_workers_that_are_told_to_stop_do_not_fail_a_job(
    runner: JobRunner, customer: Customer, gates: Gates
) -> None:
    # Given more shutdowns than a job has attempts, each before its first step
    job_id = customer.unlock()
    for _ in range(6):
        interrupted(runner, gates, job_id, "one")
    # When a worker may finish, then it does
    runner.run(job_id)
    assert customer.wait_for(job_id, "COMPLETED").attempt == 7


def test_a_credit_service_that_hangs_does_not_cost_the_lease(
    runner: JobRunner,
    customer: Customer,
    gates: Gates,
    house: House,
    chat_database: psycopg2.extensions.cursor,
) -> None:
    # Given a running job, and a credit_service that takes calls and answers none
    job_id = customer.unlock()
    credit = psutil.Process(house.credit.child.pid)
    with held(runner, gates, job_id, "one"):
        credit.suspend()
        try:
            # When the job runs for longer than its lease of four seconds, then the lease holds all the time
            eventually(lambda: _lease_grew(chat_database, job_id, by_s=6), timeout_s=30)
        finally:
            credit.resume()
    assert customer.wait_for(job_id, "COMPLETED").attempt == 1


def _lease_grew(cursor: psycopg2.extensions.cursor, job_id: str, by_s: float) -> bool:
    """Answer whether the lease was renewed for so long; fails when it has run out."""
    cursor.execute(
        "SELECT lease_expire_time > clock_timestamp(),"
        " extract(epoch FROM lease_expire_time - start_time) - 4 FROM jobs WHERE job_id = %s",
        (job_id,),
    )
    row = cursor.fetchone()
    assert row is not None
    assert row[0], "the lease has run out"
    return bool(row[1] > by_s)
