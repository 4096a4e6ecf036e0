"""credit_service is down, slow to answer, or comes back: no order is lost and none is paid twice."""

import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from credit_service import __main__ as credit_main
from credit_service import bootstrap as credit_bootstrap
from credit_service.settings import CreditSettings
from protos.credit.v1 import credit_pb2
from servicekit.embedded import EmbeddedPostgres
from servicekit.migrations import upgrade
from tests.chat_service.clients import refused
from tests.chat_service.jobs.conftest import Alone
from tests.chat_service.jobs.racing import outcome
from tests.chat_service.jobs.shop import Messages, Order, Shop, state_name
from tests.eventually import eventually
from tests.served import ServedApp

PRICE = 200


class Credit:
    """A credit_service that can go and come back, always at one port."""

    def __init__(self, settings: CreditSettings) -> None:
        """Take its settings; it does not run yet."""
        self.target = f"127.0.0.1:{settings.credit_port}"
        self._settings = settings

    def running(self, **changes: Any) -> ServedApp:
        """Run it for as long as the context lasts, with some settings changed."""
        settings = self._settings.model_copy(update=changes)
        return ServedApp(lambda: credit_bootstrap.build(settings), lambda app: app.engine.dispose())


@pytest.fixture
def credit(postgres: EmbeddedPostgres) -> Credit:
    """A credit_service with a database of its own."""
    postgres.create_database("credit_away")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = CreditSettings(credit_port=port, credit_database_url=postgres.url("credit_away"), drain_s=0.2)
    upgrade(settings.credit_database_url, credit_main.MIGRATIONS)
    return Credit(settings)


@pytest.fixture
def shop_alone(alone: Alone, credit: Credit) -> Iterator[Shop]:
    """A chat_service that asks again soon."""
    with alone(credit_target=credit.target, job_reserve_retry_s=0.3, job_credit_timeout_s=0.5) as shop:
        yield shop


def _customer(shop: Shop, credit: Credit, coins: int) -> Order:
    with credit.running():
        return shop.customer(coins)


def test_an_order_while_credit_is_away_goes_on_by_itself(shop_alone: Shop, credit: Credit) -> None:
    shop = shop_alone
    # Given a credit_service that is down
    order = _customer(shop, credit, 1_000)
    # When a category is unlocked, then the job is answered all the same
    request_id = str(uuid.uuid4())
    job = shop.unlock(order, request_id=request_id)
    assert state_name(job) == "RESERVING"
    assert not job.HasField("reservation_id")
    # And the repeated order gets the same
    assert shop.unlock(order, request_id=request_id).job_id == job.job_id
    # When credit_service comes back, then the job goes on, with one reservation
    with credit.running():
        eventually(lambda: shop.state(job) == "QUEUED")
        (reservation,) = shop.reservations(order.user_id)
        assert reservation.reservation_id == shop.job(job).reservation_id


def test_a_refusal_that_came_late_is_remembered(shop_alone: Shop, credit: Credit) -> None:
    shop = shop_alone
    order, request_id = _customer(shop, credit, PRICE - 1), str(uuid.uuid4())
    job = shop.unlock(order, request_id=request_id)
    with credit.running():
        eventually(lambda: shop.state(job) == "REJECTED")
        with refused("INSUFFICIENT_CREDITS", required=PRICE, available=PRICE - 1):
            shop.unlock(order, request_id=request_id)


def test_a_job_cancelled_while_it_reserves_gives_its_coins_back(shop_alone: Shop, credit: Credit) -> None:
    shop = shop_alone
    # Given a job that waits for its reservation
    order = _customer(shop, credit, 1_000)
    job = shop.unlock(order)
    # When it is cancelled, then the wish is noted
    asked = shop.cancel(job)
    assert (state_name(asked), asked.cancel_requested) == ("RESERVING", True)
    # When the reservation comes, then it is released at once, and no worker hears of the job
    with credit.running():
        eventually(lambda: shop.state(job) == "CANCELLED")
        assert shop.account(order.user_id).available == 1_000
        (reservation,) = shop.reservations(order.user_id)
        assert reservation.release_reason == "cancelled"


def test_a_cancel_while_credit_is_away_is_ended_by_a_worker(shop_alone: Shop, credit: Credit) -> None:
    shop = shop_alone
    # Given a queued job, when it is cancelled while its coins cannot be released
    with credit.running():
        order = shop.customer()
        job = shop.unlock(order)
    cancelled = shop.cancel(job)
    assert (state_name(cancelled), cancelled.cancel_requested) == ("SETTLING", True)
    # Then a repeated cancel answers the same
    assert shop.cancel(job) == cancelled
    # And when its lease has run out, a worker is told to give them back
    shop.run_out(job)
    claim = shop.claim(job)
    assert (claim.claimed, claim.cancelled) == (True, True)


def test_every_try_sends_the_reservation_as_it_was_first_asked_for(
    alone: Alone, credit: Credit, postgres: EmbeddedPostgres
) -> None:
    # Given a job whose reservation was asked for under an old setting, without an answer
    postgres.create_database("jobs_two_settings")
    kept: dict[str, Any] = {
        "chat_database_url": postgres.url("jobs_two_settings"),
        "credit_target": credit.target,
        "job_reserve_retry_s": 0.3,
        "job_credit_timeout_s": 0.5,
    }
    with alone(**kept, job_reservation_ttl_s=60) as shop:
        order = _customer(shop, credit, 1_000)
        job = shop.unlock(order)
        assert state_name(job) == "RESERVING"
    # When the service comes back with another one, then the same is asked for
    with alone(**kept, job_reservation_ttl_s=900) as shop, credit.running():
        eventually(lambda: shop.state(job) == "QUEUED")
        (reservation,) = shop.reservations(order.user_id)
        lives = reservation.expire_time.ToDatetime() - reservation.create_time.ToDatetime()
        assert lives.total_seconds() == pytest.approx(60, abs=1)


def test_a_queued_job_of_a_crashed_copy_is_sent(shop_alone: Shop, credit: Credit, messages: Messages) -> None:
    shop = shop_alone
    # Given a copy that died after it reserved and before it wrote that down
    order = _customer(shop, credit, 1_000)
    job = shop.unlock(order)
    with credit.running():
        # Then another copy finds the job when it is due, and gets the same reservation
        eventually(lambda: shop.state(job) == "QUEUED")
        found = shop.unlock(order, request_id=str(shop.column(job, "request_id")))
        assert found.reservation_id == shop.reservations(order.user_id)[0].reservation_id
        assert len(shop.reservations(order.user_id)) == 1


def test_of_two_answers_to_one_order_the_second_one_binds_no_coins(alone: Alone, credit: Credit) -> None:
    # Given a job of a user without an account, that two callers reserve for at once
    with alone(credit_target=credit.target, job_reserve_retry_s=600.0) as shop:
        with credit.running():
            order = shop.customer(coins=0)
        request_id = str(uuid.uuid4())
        job = shop.unlock(order, request_id=request_id)
        with credit.running(), ThreadPoolExecutor(2) as pool, shop.database.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM jobs WHERE job_id = %s FOR UPDATE", (job.job_id,))
            # When one of them is refused, the first coins come, and the other one gets its reservation
            first = pool.submit(_answer, shop, order, request_id)
            eventually(lambda: _waiting(shop) >= 1)
            shop.grant(order.user_id, PRICE)
            second = pool.submit(_answer, shop, order, request_id)
            eventually(lambda: _waiting(shop) >= 2)
            cursor.execute("COMMIT")
            # Then the first answer stays, and the coins of the second go back
            assert {first.result(20), second.result(20)} == {"INSUFFICIENT_CREDITS"}
            assert shop.state(job) == "REJECTED"
            assert shop.account(order.user_id).available == PRICE
            assert state_name(shop.unlock(order)) == "QUEUED"


def _answer(shop: Shop, order: Order, request_id: str) -> str:
    return outcome(lambda: shop.unlock(order, request_id=request_id))


def _waiting(shop: Shop) -> int:
    """Answer how many wait for the lock that the test holds, in this database."""
    # A transaction, such as the one that holds the lock, does not see connections made after its first look.
    shop.sql("SELECT pg_stat_clear_snapshot()")
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    return int(shop.sql(f"{query} AND datname = current_database()")[0][0])


def test_an_order_that_can_never_be_reserved_ends(shop_alone: Shop, credit: Credit) -> None:
    shop = shop_alone
    # Given a reservation that another version has asked for in other words
    order = _customer(shop, credit, 1_000)
    job = shop.unlock(order)
    shop.sql("UPDATE jobs SET due_time = now() + interval '1 hour' WHERE job_id = %s", job.job_id)
    with credit.running():
        words = credit_pb2.ReserveRequest(
            user_id=order.user_id, amount=PRICE, description="other words", request_id=job.job_id
        )
        shop.call(shop.credits.Reserve, words)
        # When the job asks for it (that coins came may have made it due already), then it ends with what was
        # answered, instead of asking for ever
        due = "UPDATE jobs SET due_time = now() WHERE job_id = %s AND state <> 'REJECTED'"
        shop.sql(due, job.job_id)
        eventually(lambda: shop.state(job) == "REJECTED")
        assert shop.job(job).error.reason == "REQUEST_ID_REUSED"
        # And the repeated order gets the job, not an error about the user's own request
        again = shop.unlock(order, request_id=str(shop.column(job, "request_id")))
        assert (again.job_id, state_name(again)) == (job.job_id, "REJECTED")
        # And the category can be ordered anew
        assert state_name(shop.unlock(order)) == "QUEUED"


def test_an_order_that_may_not_be_reserved_waits_for_an_operator_or_a_cancel(
    alone: Alone, credit: Credit
) -> None:
    # Given a chat_service with a service token that credit_service does not take
    with alone(credit_target=credit.target, job_reserve_retry_s=0.3) as shop:
        order = _customer(shop, credit, 1_000)
        waiting, cancelled = shop.unlock(order), shop.unlock(order, "romantic")
        with credit.running(service_token="another"):
            # When both ask, then neither is refused
            due = "SELECT due_time FROM jobs WHERE job_id = %s"
            before = shop.sql(due, waiting.job_id)
            eventually(lambda: shop.sql(due, waiting.job_id) != before)
            assert shop.state(waiting) == "RESERVING"
            # When one is cancelled, then it ends
            assert shop.cancel(cancelled).cancel_requested
            eventually(lambda: shop.state(cancelled) == "REJECTED")
            assert shop.job(cancelled).error.reason == "UNAUTHENTICATED"
        # When the token is right, then the other one goes on
        with credit.running():
            eventually(lambda: shop.state(waiting) == "QUEUED")
