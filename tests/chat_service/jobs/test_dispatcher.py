"""The dispatcher: every job reaches a worker, whatever got lost."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chat_service import bootstrap
from chat_service.settings import ChatSettings
from protos.insight.v1 import insight_pb2 as pb
from servicekit.embedded import EmbeddedRedis
from tests.chat_service.jobs.conftest import Alone
from tests.chat_service.jobs.shop import Messages, Order, Shop, state_name
from tests.eventually import eventually
from tests.served import ServedApp

JOBS = 40


def test_a_job_is_sent_within_moments(shop: Shop, order: Order, messages: Messages) -> None:
    # Given a running service, when a job is ordered
    started_s = time.perf_counter()
    job = shop.unlock(order)
    eventually(lambda: messages.of(job))
    # Then no poll of a second stands between the order and the message
    assert time.perf_counter() - started_s < 0.9


def test_jobs_of_a_flushed_redis_are_sent_again(shop: Shop, order: Order, messages: Messages) -> None:
    # Given a job whose message was lost with all of Redis
    job = shop.unlock(order)
    eventually(lambda: messages.of(job))
    messages.forget()
    # When the time has passed in which a worker should have come
    shop.make_due(job)
    # Then it is sent again, and not more often than once in that time
    assert eventually(lambda: messages.of(job)) == ["run_job"]
    assert 25 < _ahead_s(shop, job) <= 30


@pytest.mark.parametrize("settling", [False, True])
def test_jobs_of_dead_workers_are_sent_again(
    shop: Shop, order: Order, messages: Messages, settling: bool
) -> None:
    # Given a job whose worker died while it ran, or while it settled
    job = shop.claimed(order)
    eventually(lambda: messages.of(job))
    messages.forget()
    shop.beat(job, settling=settling)
    # When its lease has run out, then another worker is called
    shop.run_out(job)
    shop.make_due(job)
    assert eventually(lambda: messages.of(job)) == ["run_job"]
    assert shop.claim(job).lease.attempt == 2


def test_a_job_whose_worker_lives_is_not_sent_again(shop: Shop, order: Order, messages: Messages) -> None:
    # Given a held job and one that is due
    held, due = shop.claimed(order), shop.unlock(order, "romantic")
    eventually(lambda: messages.of(held) and messages.of(due))
    messages.forget()
    shop.make_due(due)
    eventually(lambda: messages.of(due))
    # Then only the other one was sent
    assert messages.of(held) == []


def test_jobs_that_ended_are_not_sent_again(shop: Shop, order: Order) -> None:
    job = shop.complete(shop.claimed(order))
    assert shop.column(job, "due_time") is None


@pytest.fixture
def second_copy(job_settings: ChatSettings) -> Iterator[ServedApp]:
    """Another chat_service on the same stores."""
    with ServedApp(lambda: bootstrap.build(job_settings), bootstrap.App.close) as served:
        yield served


def test_two_copies_send_every_due_job_once(shop: Shop, messages: Messages, second_copy: ServedApp) -> None:
    # Given two copies, and many jobs that become due at one moment
    jobs = _many_jobs(shop)
    eventually(lambda: len(_of(messages, jobs)) == JOBS)
    messages.forget()
    ids = [job.job_id for job in jobs]
    shop.sql("UPDATE jobs SET due_time = now() WHERE job_id = ANY(%s::uuid[])", ids)
    # Then each is sent once, not once a copy
    eventually(lambda: len(_of(messages, jobs)) >= JOBS)
    eventually(lambda: shop.sql("SELECT count(*) FROM jobs WHERE due_time <= now()") == [(0,)])
    assert Counter(_of(messages, jobs).values()) == {1: JOBS}


def _many_jobs(shop: Shop) -> list[pb.Job]:
    user_id = shop.chats.new_user()
    shop.grant(user_id, 100_000)
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: shop.unlock(shop.customer(0, user_id)), range(JOBS)))


def _of(messages: Messages, jobs: list[pb.Job]) -> Counter[str]:
    ids = {job.job_id for job in jobs}
    return Counter(job_id for _, job_id in messages.all() if job_id in ids)


def test_while_redis_is_away_orders_are_taken_and_sent_later(alone: Alone, tmp_path: Path) -> None:
    # Given a service whose Redis is down
    own_redis = EmbeddedRedis(tmp_path / "redis")
    with own_redis:
        url = own_redis.url
    with alone(redis_url=url) as shop:
        # When a job is ordered, then it is queued
        job = shop.unlock(shop.customer())
        assert state_name(job) == "QUEUED"
        # And it is due again as soon as the sending failed
        eventually(lambda: shop.column(job, "due_time <= now()"))
        # When Redis comes back, then it is sent
        with own_redis:
            messages = Messages(url)
            assert "run_job" in eventually(lambda: messages.of(job))
            messages.close()
            eventually(lambda: not shop.column(job, "due_time <= now()"))


@pytest.mark.parametrize(("waited_s", "pause_s"), [(10, 30), (120, 120), (599, 599), (86_400, 600)], ids=str)
def test_a_job_that_waits_long_is_sent_ever_more_seldom(
    shop: Shop, order: Order, messages: Messages, waited_s: int, pause_s: int
) -> None:
    # Given a job that no worker took for some time
    job = shop.unlock(order)
    eventually(lambda: messages.of(job))
    shop.sql(
        "UPDATE jobs SET update_time = now() - %s * interval '1 s' WHERE job_id = %s", waited_s, job.job_id
    )
    # When it is sent again
    shop.make_due(job)
    eventually(lambda: len(messages.of(job)) == 2)
    # Then as long again passes before the next time, up to ten minutes
    assert _ahead_s(shop, job) == pytest.approx(pause_s, abs=5)


def test_a_job_whose_worker_died_is_not_sent_later_for_having_run_long(
    shop: Shop, order: Order, messages: Messages
) -> None:
    # Given a job that ran for an hour without a change, and whose worker died just now
    job = shop.claimed(order)
    eventually(lambda: messages.of(job))
    shop.sql("UPDATE jobs SET update_time = now() - interval '1 hour' WHERE job_id = %s", job.job_id)
    shop.run_out(job)
    # When it is sent again, then what counts is since when it waits
    shop.make_due(job)
    eventually(lambda: len(messages.of(job)) == 2)
    assert _ahead_s(shop, job) == pytest.approx(30, abs=5)


def _ahead_s(shop: Shop, job: pb.Job) -> float:
    ahead = "SELECT extract(epoch FROM due_time - now()) FROM jobs WHERE job_id = %s"
    return float(shop.sql(ahead, job.job_id)[0][0])
