"""What a worker's thread does with one job, against both real services."""

import threading
from concurrent.futures import Future
from typing import Any

import psutil
import pytest

from insight_worker.clients import Clients
from insight_worker.errors import JobNotFound
from insight_worker.runner import JobRunner
from insight_worker.settings import WorkerSettings
from protos.credit.v1 import credit_pb2
from protos.insight.v1 import insight_pb2
from servicekit.errors import ServiceError, Unavailable
from servicekit.ids import uuid7
from tests.eventually import eventually
from tests.insight_worker.house import PRICE, Customer, House
from tests.insight_worker.running import after_run, expired, held, interrupted, paid
from tests.insight_worker.slow_pipeline import READ, Gates

_ALL = ["one", "two", "three"]


def test_a_job_is_made_charged_once_and_shown(runner: JobRunner, customer: Customer, gates: Gates) -> None:
    # Given an order
    job_id = customer.unlock()
    assert customer.coins() == (100, PRICE)
    # When a worker runs it
    runner.run(job_id)
    # Then all is made, paid once, and visible
    job = customer.wait_for(job_id, "COMPLETED")
    assert customer.charges() == [job.transaction_id]
    assert customer.coins() == (100 - PRICE, 0)
    insights = customer.insights()
    assert list(insights) == _ALL
    assert insights["two"].data["count"] == 30
    assert list(insights["two"].sentences) == ["two of 30 messages."]
    assert (job.completed_count, job.failed_count, job.attempt) == (3, 0, 1)
    assert (job.progress.stage_index, job.progress.stage_count, job.progress.percent) == (4, 4, 100)
    assert gates.notes("started") == [READ, *_ALL]


def test_the_real_pipeline_runs_through_the_same_door(runner: JobRunner, customer: Customer) -> None:
    # Given an order for the pipeline that is sold
    job_id = customer.unlock("real")
    # When a worker runs it
    runner.run(job_id)
    # Then its insights are there
    customer.wait_for(job_id, "COMPLETED")
    assert set(customer.insights()) == {"activity_heatmap", "message_balance"}


def test_a_job_that_has_ended_is_dropped_quietly(
    runner: JobRunner, customer: Customer, gates: Gates, logs: list[Any]
) -> None:
    # Given a job that is done
    job_id = customer.unlock()
    runner.run(job_id)
    done = gates.notes("started")
    # When its message comes again
    runner.run(job_id)
    # Then nothing happens, and the log says so
    assert gates.notes("started") == done
    states = [line["state"] for line in logs if line["event"] == "job not claimed"]
    assert states == ["JOB_STATE_COMPLETED"]
    assert len(customer.charges()) == 1


def test_a_job_that_does_not_exist_is_an_error(runner: JobRunner) -> None:
    with pytest.raises(JobNotFound):
        runner.run(str(uuid7()))


def test_each_stage_is_logged_with_its_place_and_its_time(
    runner: JobRunner, customer: Customer, logs: list[Any]
) -> None:
    # When a job runs
    job_id = customer.unlock()
    runner.run(job_id)
    # Then each stage has a line with its numbers and the job's ids
    stages = [line for line in logs if line["event"].startswith("stage ")]
    assert [(line["stage"], line["stages"], line["name"]) for line in stages] == [
        (1, 4, READ),
        (2, 4, "one"),
        (3, 4, "two"),
        (4, 4, "three"),
    ]
    assert all((line["job_id"], line["attempt"]) == (job_id, 1) for line in stages)
    assert stages[2]["event"] == f"stage 3/4 two {stages[2]['duration_ms']:.0f} ms"
    # And the attempt has its outcome, and the money its record
    [ended] = [line for line in logs if line["event"] == "job attempt ended"]
    assert ended["outcome"] == "completed"
    assert ended["duration_ms"] > 0
    [charged] = [line for line in logs if line.get("business_event") == "job_charged"]
    assert (charged["amount"], charged["transaction_id"]) == (PRICE, customer.charges()[0])


def test_one_insight_that_cannot_be_made_releases_all_the_coins(
    runner: JobRunner, customer: Customer, gates: Gates
) -> None:
    # Given a chat that one of three insights cannot be made of
    gates.put("fail", "two")
    job_id = customer.unlock()
    # When a worker runs the job
    runner.run(job_id)
    # Then nothing is paid, nothing is shown, and the job says why
    job = customer.wait_for(job_id, "FAILED")
    assert (job.error.reason, job.failed_count) == ("NOT_ENOUGH_MESSAGES", 1)
    assert dict(job.error.metadata) == {"insight_type_id": "two", "found": "7"}
    assert customer.coins() == (100, 0)
    assert customer.charges() == []
    assert customer.insights() == {}
    # And what could not be paid any more was not made
    assert gates.notes("started") == [READ, "one", "two"]


@pytest.mark.parametrize("order", ["crash", "odd"])
def test_a_defect_of_a_stage_is_told_blandly_and_logged_in_full(
    runner: JobRunner, customer: Customer, gates: Gates, logs: list[Any], order: str
) -> None:
    # Given a stage that raises, or makes what cannot be saved
    gates.put(order, "two")
    job_id = customer.unlock()
    # When a worker runs the job
    runner.run(job_id)
    # Then the user hears nothing of what was raised
    job = customer.wait_for(job_id, "FAILED")
    assert (job.error.reason, job.error.message) == ("INTERNAL", "an insight could not be made")
    assert "secret" not in str(job)
    assert customer.coins() == (100, 0)
    # And the log has the traceback
    [line] = [line for line in logs if line["event"] == "stage failed"]
    assert line["exc_info"]
    assert line["stage"] == "two"


def test_a_kind_that_nobody_makes_releases_its_coins(runner: JobRunner, customer: Customer) -> None:
    # Given a job of a kind without a pipeline
    job_id = customer.unlock("unmade")
    # When a worker gets it
    runner.run(job_id)
    # Then it fails with a reason
    assert customer.wait_for(job_id, "FAILED").error.reason == "UNKNOWN_JOB_KIND"
    assert customer.coins() == (100, 0)


def test_a_cancelled_job_stops_at_its_next_checkpoint(
    runner: JobRunner, customer: Customer, gates: Gates
) -> None:
    # Given a job in the middle of its second insight
    job_id = customer.unlock()
    with held(runner, gates, job_id, "two") as running:
        # When it is cancelled
        customer.cancel(job_id)
        # Then the stage is left while its gate is still closed
        running.end()
    customer.wait_for(job_id, "CANCELLED")
    assert customer.coins() == (100, 0)
    assert customer.charges() == []
    assert gates.notes("done") == [READ, "one"]


def test_a_chat_that_is_deleted_while_its_job_runs_costs_nothing(
    runner: JobRunner, customer: Customer, gates: Gates
) -> None:
    # Given a job that is about to read its messages
    job_id = customer.unlock()
    with held(runner, gates, job_id, READ) as running:
        # When the chat is deleted
        customer.delete_chat()
        running.end()
    # Then the job was cancelled with it
    customer.wait_for(job_id, "CANCELLED")
    assert customer.coins() == (100, 0)
    assert customer.charges() == []


@pytest.mark.parametrize("order", ["hold", "deaf"])
def test_a_shutdown_hands_the_job_over_and_no_finished_step_is_repeated(
    runner: JobRunner, customer: Customer, gates: Gates, logs: list[Any], order: str
) -> None:
    # Given a worker that is told to stop in the middle of the last stage, with checkpoints or without
    job_id = customer.unlock()
    interrupted(runner, gates, job_id, "three", order)
    # When another worker gets the job right away
    runner.run(job_id)
    # Then the lease did not have to run out, and only what was not finished is made again
    job = customer.wait_for(job_id, "COMPLETED")
    assert job.attempt == 2
    assert gates.notes("done") == [READ, "one", "two", READ, "three"]
    assert len(customer.charges()) == 1
    assert [line["given_up"] for line in logs if line["event"] == "attempt interrupted"] == [True]


def test_an_attempt_that_lost_its_lease_touches_nothing_more(
    runner: JobRunner, customer: Customer, gates: Gates, house: House, clients: Clients, logs: list[Any]
) -> None:
    # Given an attempt in the middle of a stage
    job_id = customer.unlock()
    with held(runner, gates, job_id, "two") as running:
        # When its lease ends and another worker claims the job
        clients.jobs.heartbeat(insight_pb2.HeartbeatRequest(job_id=job_id, attempt=1, giving_up=True))
        claim = clients.jobs.claim(job_id)
        # Then it stops while its gate is still closed
        running.end()
    assert (claim.claimed, claim.lease.attempt) == (True, 2)
    assert [line["outcome"] for line in logs if line["event"] == "job attempt ended"] == ["stale"]
    # And the coins are still held for the attempt that has the job
    assert customer.coins() == (100, PRICE)
    assert customer.state(job_id) == "RUNNING"


def test_a_job_that_was_tried_too_often_is_released(
    runner: JobRunner, customer: Customer, clients: Clients, gates: Gates
) -> None:
    # Given a job that five workers have left
    job_id = customer.unlock()
    for attempt in range(1, 6):
        assert clients.jobs.claim(job_id).claimed
        give_up = insight_pb2.HeartbeatRequest(job_id=job_id, attempt=attempt, giving_up=True)
        clients.jobs.heartbeat(give_up)
    # When a sixth one gets it
    runner.run(job_id)
    # Then it makes nothing and gives the coins back
    job = customer.wait_for(job_id, "FAILED")
    assert (job.error.reason, job.failed_count) == ("ATTEMPTS_EXHAUSTED", 3)
    assert customer.coins() == (100, 0)
    assert gates.notes("started") == []


def test_a_charge_whose_answer_was_lost_is_not_made_twice(
    runner: JobRunner, customer: Customer, clients: Clients
) -> None:
    # Given an attempt that charged and died before it could say so
    job_id = customer.unlock()
    claim = clients.jobs.claim(job_id)
    heartbeat = insight_pb2.HeartbeatRequest(job_id=job_id, attempt=1, settling=True)
    clients.jobs.heartbeat(heartbeat)
    charged = clients.credits.charge(claim.job.reservation_id, "", {})
    clients.jobs.heartbeat(insight_pb2.HeartbeatRequest(job_id=job_id, attempt=1, giving_up=True))
    # When another attempt settles
    runner.run(job_id)
    # Then it finds the same transaction
    job = customer.wait_for(job_id, "COMPLETED")
    assert job.transaction_id == charged.transaction.transaction_id
    assert customer.coins() == (100 - PRICE, 0)


def test_a_running_job_keeps_its_reservation_alive(
    runner: JobRunner, customer: Customer, gates: Gates, clients: Clients, house: House
) -> None:
    # Given a reservation that holds for eight seconds more
    job_id = customer.unlock()
    reservation_id = customer.job(job_id).reservation_id
    house.expire_in(8, reservation_id)
    first = clients.credits.reservation(reservation_id).expire_time
    with held(runner, gates, job_id, "two"):
        # When the job takes longer than half of it
        eventually(
            lambda: clients.credits.reservation(reservation_id).expire_time.seconds > first.seconds + 60,
            timeout_s=20,
        )
    # Then it is extended, and charged in the end
    customer.wait_for(job_id, "COMPLETED")
    assert len(customer.charges()) == 1


def test_a_late_charge_hides_the_insights_until_a_later_payment_succeeds(
    runner: JobRunner, customer: Customer, house: House, gates: Gates
) -> None:
    # Given a reservation that expired before the work began
    job_id = expired(house, customer)
    # When a worker does the work
    runner.run(job_id)
    # Then it is made but neither paid nor shown
    job = customer.job(job_id)
    assert customer.state(job_id) == "PAYMENT_FAILED"
    assert job.error.reason == "RESERVATION_EXPIRED"
    assert customer.insights() == {}
    assert customer.coins() == (100, 0)
    # When its next payment is due
    eventually(paid(runner, customer, job_id))
    # Then it is paid once and shown, and nothing was made again
    assert customer.coins() == (100 - PRICE, 0)
    assert customer.charges() == [customer.job(job_id).transaction_id]
    assert list(customer.insights()) == _ALL
    assert gates.notes("done") == [READ, *_ALL]


def test_coins_that_went_back_by_themselves_count_as_released(
    runner: JobRunner, customer: Customer, house: House, gates: Gates
) -> None:
    # Given a reservation that has expired, and an insight that cannot be made
    gates.put("fail", "one")
    job_id = expired(house, customer)
    # When a worker runs the job
    runner.run(job_id)
    # Then it has failed as if the coins had been released just now
    assert customer.wait_for(job_id, "FAILED").error.reason == "NOT_ENOUGH_MESSAGES"
    assert customer.coins() == (100, 0)


def test_a_later_payment_without_coins_fails_until_there_are_some(
    runner: JobRunner, house: House, clients: Clients
) -> None:
    # Given a job that was not paid, and a user who has spent the coins meanwhile
    customer = house.customer(coins=PRICE)
    job_id = expired(house, customer)
    runner.run(job_id)
    request = credit_pb2.ReserveRequest(user_id=customer.user_id, amount=PRICE, request_id=str(uuid7()))
    clients.credits.reserve(request)
    # When the next payment is due
    eventually(after_run(runner, job_id, lambda: customer.job(job_id).error.reason == "INSUFFICIENT_CREDITS"))
    # Then it fails again, and says what is missing
    job = customer.job(job_id)
    assert customer.state(job_id) == "PAYMENT_FAILED"
    assert dict(job.error.metadata)["required"] == str(PRICE)
    # When coins are there again
    customer.grant(PRICE)
    eventually(paid(runner, customer, job_id), timeout_s=20)
    # Then it is paid once
    assert len(customer.charges()) == 1


def test_a_job_waits_for_a_credit_service_that_is_away(
    runner: JobRunner, customer: Customer, gates: Gates, house: House
) -> None:
    # Given a job whose last insight is being made
    job_id = customer.unlock()
    with held(runner, gates, job_id, "three") as running:
        # When credit_service is killed, the job comes to its settlement, and credit_service comes back
        house.credit.child.kill()
        gates.lift("hold", "three")
        eventually(lambda: customer.state(job_id) == "SETTLING")
        house.credit.start()
        running.end()
    # Then it is paid in the first attempt
    assert customer.wait_for(job_id, "COMPLETED").attempt == 1
    assert len(customer.charges()) == 1


def test_a_job_that_outlasts_its_patience_is_settled_by_the_next_attempt(
    clients: Clients,
    runner: JobRunner,
    customer: Customer,
    gates: Gates,
    house: House,
    worker_settings: WorkerSettings,
) -> None:
    # Given a worker with little patience
    hasty = worker_settings.model_copy(update={"worker_patience_s": 0.3, "rpc_timeout_s": 0.5})
    impatient = JobRunner(Clients.connect(hasty), runner.pipelines, hasty)
    job_id = customer.unlock()
    # When credit_service is away for longer
    house.credit.child.kill()
    impatient.run(job_id)
    # Then the attempt ends and the job does not
    assert customer.state(job_id) == "SETTLING"
    # When credit_service is back, then the next attempt only settles
    house.credit.start()
    runner.run(job_id)
    assert customer.wait_for(job_id, "COMPLETED").attempt == 2
    assert gates.notes("started") == [READ, *_ALL]
    assert len(customer.charges()) == 1


def test_a_job_survives_a_restart_of_chat_service(
    runner: JobRunner, customer: Customer, gates: Gates, house: House
) -> None:
    # Given a job in the middle of its second insight
    job_id = customer.unlock()
    with held(runner, gates, job_id, "two") as running:
        # When chat_service is killed and comes back
        house.chat.child.kill()
        gates.lift("hold", "two")
        house.chat.start()
        running.end()
    # Then the same attempt goes on
    assert customer.wait_for(job_id, "COMPLETED").attempt == 1
    assert gates.notes("done") == [READ, *_ALL]


def test_a_stream_of_messages_that_breaks_off_goes_on_where_it_was(
    runner: JobRunner, gates: Gates, house: House
) -> None:
    # Given a job that has begun to read more messages than fit between two processes
    customer = house.customer(messages=100_000)
    job_id = customer.unlock()
    with held(runner, gates, job_id, READ) as running:
        # When chat_service is killed and comes back
        house.chat.child.kill()
        house.chat.start()
        gates.lift("hold", READ)
        running.end()
    # Then every message was read, and none twice
    assert customer.wait_for(job_id, "COMPLETED").attempt == 1
    assert customer.insights()["one"].data["count"] == 100_000


def test_a_stream_whose_server_dies_before_it_begins_does_not_hang(
    clients: Clients, customer: Customer, house: House
) -> None:
    # Given a chat_service that takes calls and answers none
    process = psutil.Process(house.chat.child.pid)
    process.suspend()
    stream = clients.chats.batches(customer.user_id, customer.chat_id, 0)
    opened: Future[object] = Future()

    def read() -> None:
        try:
            opened.set_result(next(stream))
        except ServiceError as error:
            opened.set_result(error)

    threading.Thread(target=read, daemon=True).start()
    # When it dies
    with pytest.raises(TimeoutError):
        opened.result(0.5)
    house.chat.child.kill()
    # Then the stream ends
    assert isinstance(opened.result(10), Unavailable)
    house.chat.start()
