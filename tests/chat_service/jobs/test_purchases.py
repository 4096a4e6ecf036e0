"""Coins that come in make their user's waiting payment retries due, whichever copy hears of it and dies."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from chat_service.jobs import cursor
from chat_service.settings import ChatSettings
from protos.insight.v1 import insight_pb2 as pb
from servicekit.database import async_engine, session_factory
from servicekit.retry import execute_in_transaction
from tests.chat_service.jobs.conftest import Alone
from tests.chat_service.jobs.shop import Messages, Order, Shop, error, state_name
from tests.eventually import eventually

_FAR = "payment_retry_time > now() + interval '1 minute'"


def _waiting(shop: Shop, order: Order) -> pb.Job:
    """Let a job's payment fail, so that it waits for its retry."""
    job = shop.fail_payment(shop.claimed(order))
    assert shop.column(job, _FAR)
    return job


def _woken(shop: Shop, job: pb.Job) -> bool:
    return bool(shop.column(job, "payment_retry_time <= now() AND due_time IS NOT NULL"))


def _cursor(shop: Shop) -> Any:
    asked = "SELECT event_id, holder FROM credit_event_cursors WHERE consumer = 'payment_retries'"
    [row] = shop.sql(asked) or [(None, None)]
    return row


@pytest.fixture
def following(shop: Shop) -> Shop:
    """The shared service, once it follows events."""
    eventually(lambda: _cursor(shop)[0])
    return shop


def test_coins_wake_the_waiting_payments_of_their_user_only(
    following: Shop, order: Order, messages: Messages
) -> None:
    # given two users whose payments wait
    shop = following
    mine, others = _waiting(shop, order), _waiting(shop, shop.customer())
    # when one of them gets coins
    shop.grant(order.user_id, 100)
    # then that one's retry is sent to a worker at once, and the other one's waits
    eventually(lambda: "retry_payment" in messages.of(mine))
    assert shop.claim(mine).claimed
    assert shop.column(others, _FAR)


def test_coins_that_come_while_a_payment_is_tried_have_it_tried_again_at_once(
    following: Shop, order: Order
) -> None:
    # given a payment that is being retried
    shop = following
    job = _waiting(shop, order)
    shop.sql("UPDATE jobs SET payment_retry_time = now() WHERE job_id = %s", job.job_id)
    claim = shop.claim(job)
    assert claim.claimed
    # when the coins come after the try has looked at the balance, and before it has said so
    shop.grant(order.user_id, 100)
    eventually(lambda: shop.column(job, "coins_came"))
    failed = shop.finish(claim.job, "PAYMENT_FAILED", error=error("INSUFFICIENT_CREDITS"))
    # then it is due at once, once
    assert _woken(shop, failed)
    again = shop.claim(job).job
    assert not shop.column(job, "coins_came")
    shop.finish(again, "PAYMENT_FAILED", error=error("INSUFFICIENT_CREDITS"))
    assert shop.column(job, _FAR)


def test_coins_change_nothing_of_jobs_that_wait_for_no_payment(following: Shop, order: Order) -> None:
    # given a job in every other state
    shop = following
    queued = shop.unlock(order, "family")
    running = shop.claimed(shop.customer(user_id=None))
    completed = shop.complete(shop.claimed(order))
    waiting = _waiting(shop, shop.customer(user_id=order.user_id))
    # when coins come
    shop.grant(order.user_id, 100)
    eventually(lambda: _woken(shop, waiting))
    # then these are as they were
    assert [state_name(shop.job(job)) for job in (queued, running, completed)] == [
        "QUEUED",
        "RUNNING",
        "COMPLETED",
    ]


def test_what_happens_while_no_copy_runs_is_heard_of_afterwards(alone: Alone, shop: Shop) -> None:
    # given a service that has followed events, and is gone
    name = f"jobs_resumed_{uuid.uuid4().hex[:8]}"
    with alone(database=name, purchase_watch_lease_s=0.3) as one:
        eventually(lambda: _cursor(one)[0])
        customer = one.customer()
        job = _waiting(one, customer)
    # when coins come, and another copy starts
    shop.grant(customer.user_id, 100)
    with alone(database=name, purchase_watch_lease_s=0.3) as two:
        # then it hears of it
        eventually(lambda: _woken(two, job))


@pytest.fixture
def long_gone(alone: Alone, shop: Shop) -> Iterator[tuple[Shop, pb.Job]]:
    """A service that starts after two hours in which nobody followed, and a payment that waits since then."""
    name = f"jobs_gap_{uuid.uuid4().hex[:8]}"
    with alone(database=name, purchase_watch_lease_s=0.3) as one:
        eventually(lambda: _cursor(one)[0])
        customer = one.customer()
        job = _waiting(one, customer)
    shop.grant(customer.user_id, 100)
    with alone(
        database=name,
        purchase_watch_lease_s=0.3,
        before="UPDATE credit_event_cursors"
        " SET lease_expire_time = now() - interval '2 hours', event_id = '0-0'",
    ) as two:
        yield two, job


def test_after_a_long_gap_every_waiting_payment_is_woken_instead_of_reading_all_that_happened(
    long_gone: tuple[Shop, pb.Job],
) -> None:
    shop, job = long_gone
    eventually(lambda: _woken(shop, job))
    # and from there on it is followed as always
    position = eventually(lambda: (at := _cursor(shop)[0]) != "0-0" and at)
    shop.grant(job.user_id, 5)
    eventually(lambda: _cursor(shop)[0] > position)


async def test_a_lease_is_one_copys_at_a_time_and_whoever_has_lost_it_learns_so(
    shop: Shop, job_settings: ChatSettings
) -> None:
    # given two copies that want to follow
    engine = async_engine(job_settings.chat_database_url, job_settings, "test")
    sessions, one, two = session_factory(engine), uuid.uuid4(), uuid.uuid4()

    async def take(holder: uuid.UUID, gap: timedelta = timedelta(hours=1)) -> cursor.Position | None:
        work = partial(
            cursor.take, consumer="test", holder=holder, lease=timedelta(minutes=1), longest_gap=gap
        )
        return await execute_in_transaction(sessions, work)

    async def save(holder: uuid.UUID, event_id: str | None) -> bool:
        work = partial(
            cursor.save, consumer="test", holder=holder, lease=timedelta(minutes=1), event_id=event_id
        )
        return await execute_in_transaction(sessions, work)

    # then one does, and can again, and the other one cannot
    assert await take(one) == cursor.Position(None)
    assert await save(one, "5-1")
    assert (await take(one), await take(two)) == (cursor.Position("5-1"), None)
    # when the lease runs out, then the other one goes on from there, and the first one is told
    shop.sql("UPDATE credit_event_cursors SET lease_expire_time = now() WHERE consumer = 'test'")
    assert await take(two) == cursor.Position("5-1")
    assert not await save(one, "5-2")
    assert await save(two, None)
    # and what is too long ago is no position
    shop.sql("UPDATE credit_event_cursors SET lease_expire_time = now() WHERE consumer = 'test'")
    assert await take(one, gap=timedelta(seconds=-1)) == cursor.Position(None)
    shop.sql("DELETE FROM credit_event_cursors WHERE consumer = 'test'")
    await engine.dispose()


def test_of_two_copies_one_follows_and_the_other_takes_over(alone: Alone) -> None:
    # given two copies on one database
    name = f"jobs_two_{uuid.uuid4().hex[:8]}"
    with alone(database=name, purchase_watch_lease_s=0.3) as one:
        eventually(lambda: _cursor(one)[0])
        holder = _cursor(one)[1]
        with alone(database=name, purchase_watch_lease_s=0.3) as two:
            job = _waiting(one, one.customer())
            # when the one that follows loses its lease, as if it were stuck
            one.sql("UPDATE credit_event_cursors SET holder = gen_random_uuid(), lease_expire_time = now()")
            # then one of them has it again, and hears of what comes
            eventually(lambda: len({holder, _cursor(two)[1]}) and _cursor(two)[0])
            one.grant(job.user_id, 100)
            eventually(lambda: _woken(one, job))
