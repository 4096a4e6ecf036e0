"""Real worker processes: fork, drain, death, and a Redis that forgets."""

import signal
from collections.abc import Callable

import dramatiq
import psutil
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker

from servicekit.embedded import EmbeddedRedis
from tests.eventually import eventually
from tests.insight_worker.house import Customer, House, Service
from tests.insight_worker.slow_pipeline import READ, Gates

StartWorker = Callable[..., Service]
_ALL = ["one", "two", "three"]


@pytest.fixture
def customer(house: House) -> Customer:
    """A user with 100 coins and a chat."""
    return house.customer()


def started(gates: Gates, stage: str) -> None:
    """Wait until some worker is in the stage."""
    eventually(lambda: stage in gates.notes("started"), timeout_s=20)


def test_the_processes_of_a_worker_have_channels_of_their_own(
    house: House, start_worker: StartWorker
) -> None:
    # Given a worker of two processes
    worker = start_worker(worker_processes="2", worker_threads="2")
    eventually(lambda: worker.log().count("clients made") == 2)
    # When more jobs come than one process can run at once
    customers = [house.customer() for _ in range(8)]
    jobs = [customer.unlock() for customer in customers]
    # Then all are made and each is paid once
    for customer, job_id in zip(customers, jobs, strict=True):
        customer.wait_for(job_id, "COMPLETED")
        assert len(customer.charges()) == 1
    # And the worker stops without an error
    assert worker.stop() == 0
    assert "Traceback" not in worker.log()


@pytest.mark.parametrize("order", ["hold", "deaf"])
def test_sigterm_in_the_middle_of_a_job_lets_it_go_on_elsewhere(
    customer: Customer, gates: Gates, start_worker: StartWorker, order: str
) -> None:
    # Given a worker in the middle of a job, in a stage that has checkpoints or has none
    first = start_worker("first")
    gates.put(order, "two")
    job_id = customer.unlock()
    started(gates, "two")
    start_worker("second")
    # When it is told to stop
    assert first.stop() == 0
    gates.lift(order, "two")
    # Then another worker finishes the job, without what was finished
    assert customer.wait_for(job_id, "COMPLETED").attempt == 2
    assert gates.notes("done") == [READ, "one", READ, "two", "three"]
    assert len(customer.charges()) == 1
    assert "given_up" in first.log()


def test_a_killed_worker_costs_the_user_nothing_but_time(
    customer: Customer, gates: Gates, start_worker: StartWorker
) -> None:
    # Given a worker in the middle of a job
    first = start_worker("first")
    gates.put("hold", "two")
    job_id = customer.unlock()
    started(gates, "two")
    # When it is killed with all its processes, and another one is started
    first.child.kill()
    gates.lift("hold", "two")
    start_worker("second")
    # Then the lease runs out, another attempt finishes, and finished steps are not repeated
    assert customer.wait_for(job_id, "COMPLETED").attempt == 2
    assert gates.notes("done") == [READ, "one", READ, "two", "three"]
    assert len(customer.charges()) == 1


def test_no_process_outlives_a_master_that_was_killed(start_worker: StartWorker) -> None:
    # Given a worker of two processes
    worker = start_worker(worker_processes="2")
    processes = psutil.Process(worker.child.pid).children(recursive=True)
    assert len(processes) >= 2
    # When only its master is killed
    worker.child.send(signal.SIGKILL)
    # Then the others stop too
    eventually(lambda: not any(process.is_running() for process in processes), timeout_s=60)


def test_jobs_whose_messages_redis_forgot_are_made_all_the_same(
    house: House, redis_server: EmbeddedRedis, start_worker: StartWorker
) -> None:
    # Given jobs that wait for a worker
    customers = [house.customer() for _ in range(3)]
    jobs = [customer.unlock() for customer in customers]
    # When Redis loses everything before one comes
    redis_server.flush()
    start_worker()
    # Then they are made
    for customer, job_id in zip(customers, jobs, strict=True):
        customer.wait_for(job_id, "COMPLETED")


def test_an_attempt_that_takes_too_long_is_ended_and_the_next_one_goes_on(
    customer: Customer, gates: Gates, start_worker: StartWorker
) -> None:
    # Given a worker whose attempts may take two seconds, and a stage that hangs
    worker = start_worker(
        worker_job_limit_s="2", worker_patience_s="1", worker_stream_timeout_s="1", rpc_timeout_s="1"
    )
    gates.put("deaf", "two")
    job_id = customer.unlock()
    # When the time is up, then the next attempt begins with that stage
    eventually(lambda: gates.notes("started").count("two") == 2, timeout_s=20)
    gates.lift("deaf", "two")
    assert customer.wait_for(job_id, "COMPLETED").attempt == 2
    assert gates.notes("done") == [READ, "one", READ, "two", "three"]
    assert "TimeLimitExceeded" in worker.log()


def test_a_message_that_names_no_job_is_not_repeated(house: House, start_worker: StartWorker) -> None:
    # Given a worker, and messages that no attempt can make sense of
    worker = start_worker()
    broker = RedisBroker(client=redis.Redis.from_url(house.redis_url, socket_timeout=5))  # type: ignore[no-untyped-call]  # Dramatiq leaves it untyped
    sent: list[dramatiq.Message[None]] = [
        dramatiq.Message(queue_name="jobs", actor_name="run_job", args=(job_id,), kwargs={}, options={})
        for job_id in ("no uuid", "0192f0c1-0000-7000-8000-000000000000")
    ]
    for message in sent:
        broker.enqueue(message)
    # Then each is looked at once
    aborted = [f"Aborting message '{message.message_id}'" for message in sent]
    eventually(lambda: all(worker.log().count(line) == 1 for line in aborted), timeout_s=20)
    assert not any(f"Retrying message '{message.message_id}'" in worker.log() for message in sent)
    broker.client.close()
