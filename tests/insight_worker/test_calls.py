"""How often a worker calls the services for a job: what calls cost is most of what a short job costs."""

from collections import Counter
from typing import Any

import grpc
import pytest

from insight_worker import reservation
from insight_worker.clients import Clients
from insight_worker.errors import is_transient
from insight_worker.reservation import ReservationKeeper
from insight_worker.runner import JobRunner
from insight_worker.settings import WorkerSettings
from servicekit.errors import RateLimited, ServiceError
from servicekit.grpc_clients import Caller
from tests.eventually import eventually
from tests.insight_worker.house import Customer, House
from tests.insight_worker.running import held, interrupted
from tests.insight_worker.slow_pipeline import READ, Gates


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The requests that this process sends, by type."""
    counted: Counter[str] = Counter()
    call_sync = Caller.call_sync

    def count(caller: Caller, method: Any, request: Any, **arguments: Any) -> Any:
        counted[type(request).__name__.removesuffix("Request")] += 1
        return call_sync(caller, method, request, **arguments)

    monkeypatch.setattr(Caller, "call_sync", count)
    return counted


@pytest.fixture
def calm_runner(runner: JobRunner, clients: Clients, worker_settings: WorkerSettings) -> JobRunner:
    """A runner whose heart does not beat while a short job runs."""
    calm = worker_settings.model_copy(update={"worker_heartbeat_s": 30.0})
    return JobRunner(clients, runner.pipelines, calm)


def test_a_short_job_makes_no_call_too_many(
    calm_runner: JobRunner, customer: Customer, calls: Counter[str]
) -> None:
    # Given a job of three insights that takes no time
    job_id = customer.unlock()
    # When a worker runs it, then it claims, saves, settles and charges, and asks for nothing
    calm_runner.run(job_id)
    saves = {"SaveInsight": 3, "SaveStep": 3}
    # On a busy machine the heart may have begun to beat, and extended the reservation.
    calls.pop("Extend", None)
    assert calls == {"ClaimJob": 1, **saves, "Heartbeat": 1, "Charge": 1, "FinishJob": 1}


def test_a_later_attempt_asks_what_was_saved(
    runner: JobRunner, customer: Customer, gates: Gates, calls: Counter[str]
) -> None:
    job_id = customer.unlock()
    interrupted(runner, gates, job_id, "two")
    assert calls["ListSteps"] == 0
    runner.run(job_id)
    assert calls["ListSteps"] == 1
    assert gates.notes("done").count("one") == 1


def test_a_long_first_stage_is_told_by_the_heartbeat(
    runner: JobRunner, customer: Customer, gates: Gates
) -> None:
    # Given a job whose first stage takes longer than the time between two heartbeats
    job_id = customer.unlock()
    with held(runner, gates, job_id, READ):
        # Then who watches it sees what it is doing
        eventually(lambda: customer.job(job_id).progress.stage_count == 4)
        progress = customer.job(job_id).progress
        assert (progress.stage_index, progress.stage_name) == (0, "Reading the messages")
    # And it does not go back later
    progress = customer.wait_for(job_id, "COMPLETED").progress
    assert (progress.stage_index, progress.percent) == (4, 100)


class _SlowClock:
    """The clocks of a machine whose time is ten minutes behind."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def time(self) -> float:
        """Answer the wrong time."""
        return 0.0

    def monotonic(self) -> float:
        """Answer what has passed."""
        return 1_000.0 + self.passed_s


def test_a_reservation_is_extended_whatever_the_clock_says(
    clients: Clients,
    customer: Customer,
    house: House,
    calls: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a reservation that is about to expire, and a worker whose clock is wrong
    clock = _SlowClock()
    monkeypatch.setattr(reservation, "time", clock)
    job_id = customer.unlock()
    reservation_id = customer.job(job_id).reservation_id
    house.expire_in(20, reservation_id)
    keeper = ReservationKeeper(clients.credits, reservation_id, job_id, 1, 900)
    first = clients.credits.reservation(reservation_id).expire_time.seconds
    # When it is first tended, then it is extended
    keeper.tend(5.0)
    extended = clients.credits.reservation(reservation_id).expire_time.seconds
    assert extended > first + 600
    # And again when half of that has passed, not before
    clock.passed_s = 449.0
    keeper.tend(5.0)
    assert calls["Extend"] == 1
    clock.passed_s = 451.0
    keeper.tend(5.0)
    assert calls["Extend"] == 2


def test_an_extension_that_failed_is_tried_again_at_the_next_beat(
    clients: Clients, customer: Customer, house: House, calls: Counter[str]
) -> None:
    # Given a credit_service that is away when a reservation is tended
    job_id = customer.unlock()
    reservation_id = customer.job(job_id).reservation_id
    keeper = ReservationKeeper(clients.credits, reservation_id, job_id, 1, 900)
    house.credit.child.kill()
    keeper.tend(0.2)
    assert calls["Extend"] == 1
    # When it is back, then the next call extends, and the one after that has nothing to do
    house.credit.start()

    def extended() -> bool:
        keeper.tend(5.0)
        return keeper._due_s > 0

    eventually(extended)
    done = calls["Extend"]
    keeper.tend(5.0)
    assert calls["Extend"] == done


def test_a_message_that_grpc_finds_too_large_is_not_sent_again() -> None:
    class TooLarge(ServiceError):
        reason = "UNKNOWN"
        code = grpc.StatusCode.RESOURCE_EXHAUSTED

    assert is_transient(RateLimited("10"))
    assert not is_transient(TooLarge("Received message larger than max"))


def test_a_charge_at_the_moment_of_an_extension_is_nothing_to_warn_of(
    clients: Clients, customer: Customer, calls: Counter[str], logs: list[Any]
) -> None:
    # Given a reservation that was charged while the heart was about to extend it
    job_id = customer.unlock()
    reservation_id = customer.job(job_id).reservation_id
    keeper = ReservationKeeper(clients.credits, reservation_id, job_id, 1, 900)
    clients.credits.charge(reservation_id, "", {})
    # When it is tended, then it is left alone from then on, without a word
    keeper.tend(5.0)
    keeper.tend(5.0)
    assert calls["Extend"] == 1
    assert [line for line in logs if line["log_level"] == "warning"] == []
