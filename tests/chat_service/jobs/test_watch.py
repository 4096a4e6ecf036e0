"""WatchJob: the job as of now, and again after every change, until it has ended."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from chat_service import bootstrap
from chat_service.jobs.changes import JobChanges
from chat_service.jobs.models import Job
from chat_service.settings import ChatSettings
from protos.insight.v1 import insight_pb2 as pb
from servicekit.errors import Unavailable
from tests.chat_service.clients import refused
from tests.chat_service.jobs.conftest import Alone
from tests.chat_service.jobs.shop import Order, Shop, state_name
from tests.eventually import eventually
from tests.served import ServedApp


class Watching:
    """A watcher in a thread of its own, and what it has seen."""

    def __init__(self, shop: Shop, job: pb.Job) -> None:
        """Take what to watch."""
        self.seen: list[pb.Job] = []
        self._thread = threading.Thread(target=self._run, args=(shop, job), daemon=True)
        self._thread.start()

    def _run(self, shop: Shop, job: pb.Job) -> None:
        for seen in shop.watch(job):
            self.seen.append(seen)

    def states(self) -> list[str]:
        """Answer the states that were seen, repetitions left out."""
        names = [state_name(job) for job in self.seen]
        return [name for index, name in enumerate(names) if index == 0 or names[index - 1] != name]

    def until(self, wanted: Callable[[pb.Job], bool]) -> None:
        """Wait until the last one seen is as wanted."""
        eventually(lambda: self.seen and wanted(self.seen[-1]))

    def ended(self) -> bool:
        """Whether the stream has ended."""
        self._thread.join(10)
        return not self._thread.is_alive()


def _is(state: str) -> Callable[[pb.Job], bool]:
    return lambda job: state_name(job) == state


def test_a_watcher_sees_every_state_and_then_the_end(shop: Shop, order: Order) -> None:
    # Given a watched job
    job = shop.unlock(order)
    watching = Watching(shop, job)
    watching.until(_is("QUEUED"))
    # When it goes through its life
    claimed = shop.claim(job).job
    watching.until(_is("RUNNING"))
    shop.beat(claimed, progress=pb.JobProgress(percent=50))
    watching.until(lambda seen: seen.progress.percent == 50)
    shop.make(claimed)
    shop.beat(claimed, settling=True)
    watching.until(_is("SETTLING"))
    shop.finish(claimed, "COMPLETED", transaction_id=shop.charge(claimed))
    # Then the watcher has seen it all, and the stream ends
    assert watching.ended()
    assert watching.states() == ["QUEUED", "RUNNING", "SETTLING", "COMPLETED"]


def test_the_watch_of_an_ended_job_ends_at_once(shop: Shop, order: Order) -> None:
    job = shop.cancel(shop.unlock(order))
    assert [state_name(seen) for seen in shop.watch(job)] == ["CANCELLED"]


def test_a_failed_payment_is_not_the_end(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    watching = Watching(shop, job)
    shop.fail_payment(job)
    watching.until(_is("PAYMENT_FAILED"))
    shop.sql("UPDATE jobs SET payment_retry_time = now(), due_time = now() WHERE job_id = %s", job.job_id)
    shop.finish(shop.claim(job).job, "COMPLETED", transaction_id=str(uuid.uuid4()))
    assert watching.ended()
    assert watching.states()[-2:] == ["PAYMENT_FAILED", "COMPLETED"]


def test_a_renewed_lease_is_nothing_to_see(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    watching = Watching(shop, job)
    watching.until(_is("RUNNING"))
    for _ in range(5):
        shop.beat(job)
    shop.beat(job, progress=pb.JobProgress(percent=1))
    watching.until(lambda seen: seen.progress.percent == 1)
    assert len(watching.seen) == 2
    shop.run_out(job)
    shop.cancel(job)
    assert watching.ended()


def test_the_job_of_another_user_cannot_be_watched(shop: Shop, order: Order) -> None:
    job = shop.unlock(order)
    with refused("JOB_NOT_FOUND"):
        next(shop.watch(pb.Job(user_id="somebody-else", job_id=job.job_id)))
    with refused("JOB_NOT_FOUND"):
        next(shop.watch(pb.Job(user_id=order.user_id, job_id=str(uuid.uuid4()))))


@pytest.fixture
def other_copy(job_settings: ChatSettings, credit_target: str, shop: Shop) -> Iterator[Shop]:
    """Another chat_service on the same database."""
    with (
        ServedApp(lambda: bootstrap.build(job_settings), bootstrap.App.close) as served,
        grpc.insecure_channel(served.target) as chat,
        grpc.insecure_channel(credit_target) as credit,
    ):
        yield Shop(chat, credit, shop.database)


def test_changes_by_another_copy_are_seen(shop: Shop, order: Order, other_copy: Shop) -> None:
    # Given a job that is watched at one copy, when all happens at another
    job = shop.unlock(order)
    watching = Watching(shop, job)
    watching.until(_is("QUEUED"))
    claimed = other_copy.claim(job).job
    watching.until(_is("RUNNING"))
    other_copy.complete(claimed)
    # Then the watcher sees it
    assert watching.ended()
    assert watching.states()[-1] == "COMPLETED"


def test_many_watchers_hold_no_connection_while_they_wait(alone: Alone) -> None:
    # Given more watchers than the service may have connections
    with alone(database_pool_size=2, database_max_overflow=0) as shop:
        job = shop.claimed(shop.customer())
        watchers = [Watching(shop, job) for _ in range(30)]
        for watching in watchers:
            watching.until(_is("RUNNING"))
        # Then other calls find one free
        assert shop.state(job) == "RUNNING"
        # And all of them see the end
        shop.complete(job)
        assert all(watching.ended() for watching in watchers)
        assert all(watching.states()[-1] == "COMPLETED" for watching in watchers)


def test_a_watcher_that_goes_away_is_forgotten(shop: Shop, order: Order, job_app: ServedApp) -> None:
    # Given a watcher that leaves
    job = shop.unlock(order)
    stream = shop.watch(job)
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # a generator behind its interface
    # Then nothing of it is left: a second one comes and goes as well
    assert state_name(next(shop.watch(job))) == "QUEUED"


def test_the_watch_of_a_payment_that_nobody_tries_again_ends(alone: Alone) -> None:
    # Given a service that tries no payment again
    with alone(payment_retry_max_tries=0) as shop:
        job = shop.claimed(shop.customer())
        watching = Watching(shop, job)
        watching.until(_is("RUNNING"))
        # When a payment fails, then there is nothing more to wait for
        shop.fail_payment(job)
        assert watching.ended()
        assert watching.states()[-1] == "PAYMENT_FAILED"


def test_watching_ends_at_once_when_the_server_stops(
    job_settings: ChatSettings, credit_target: str, shop: Shop, order: Order
) -> None:
    # Given a copy that would wait for its streams for longer than the test does
    patient = job_settings.model_copy(update={"drain_s": 300.0})
    job = shop.unlock(order)
    with ExitStack() as channels:
        with ServedApp(lambda: bootstrap.build(patient), bootstrap.App.close) as served:
            chat, credit = (
                channels.enter_context(grpc.insecure_channel(target))
                for target in (served.target, credit_target)
            )
            stream = Shop(chat, credit, shop.database).watch(job)
            next(stream)
            # When it stops, which is the end of this block
        # Then who watches is told to ask another copy
        with refused("UNAVAILABLE"):
            next(stream)
    assert state_name(next(shop.watch(job))) == "QUEUED"


async def test_who_begins_to_watch_when_the_server_stops_is_told_so() -> None:
    changes = JobChanges()
    changes.stop()
    with changes.watcher(uuid.uuid4()) as watcher, pytest.raises(Unavailable):
        await watcher.wait()


def _row(job_id: uuid.UUID, second: int) -> Job:
    return Job(job_id=job_id, update_time=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second))


async def test_rows_that_are_told_in_the_wrong_order_leave_the_newest() -> None:
    # Given a watcher of a job
    changes, job_id = JobChanges(), uuid.uuid4()
    old, new, newest = (_row(job_id, second) for second in (1, 2, 3))
    with changes.watcher(job_id) as watcher:
        # When a row comes after a newer one, then only the newer one is given
        changes.changed(new)
        changes.changed(old)
        assert await watcher.wait() is new
        # When a row that was read is newer than one that was given meanwhile, then that one is forgotten
        changes.changed(newest)
        watcher.saw(newest)
        assert await watcher.wait() is None
        # And when it is older, then what was given comes after it
        watcher.saw(old)
        changes.changed(newest)
        watcher.saw(new)
        assert await watcher.wait() is newest
        # And what it has seen is no news
        changes.changed(newest)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await watcher.wait()
