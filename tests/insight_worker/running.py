"""A worker's thread with one job, commanded by a test."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pytest
from dramatiq.middleware import Shutdown
from dramatiq.threading import raise_thread_exception

from insight_worker.clients import Clients
from insight_worker.runner import JobRunner
from insight_worker.settlement import Settlement
from protos.insight.v1 import insight_pb2
from tests.eventually import eventually
from tests.insight_worker.house import Customer, House
from tests.insight_worker.slow_pipeline import Gates


class Running:
    """A job that runs in a thread of its own."""

    def __init__(self, runner: JobRunner, job_id: str) -> None:
        self._ended: Future[None] = Future()
        self.thread = threading.Thread(target=self._run, args=(runner, job_id), daemon=True)
        self.thread.start()

    def _run(self, runner: JobRunner, job_id: str) -> None:
        try:
            runner.run(job_id)
            self._ended.set_result(None)
        except BaseException as error:  # noqa: BLE001  # it is raised again in the test
            self._ended.set_exception(error)

    def shut_down(self) -> None:
        """Interrupt it as Dramatiq does when the worker is told to stop."""
        assert self.thread.ident is not None
        raise_thread_exception(self.thread.ident, Shutdown)  # type: ignore[no-untyped-call]  # Dramatiq's

    def end(self) -> None:
        """Wait for it, and raise what it raised."""
        self._ended.result(30)


@contextmanager
def held(runner: JobRunner, gates: Gates, job_id: str, stage: str, order: str = "hold") -> Iterator[Running]:
    """Run a job up to a stage; in the end its gate is open and the job has ended."""
    gates.put(order, stage)
    seen = gates.notes("started").count(stage)
    running = Running(runner, job_id)
    eventually(lambda: gates.notes("started").count(stage) > seen)
    try:
        yield running
    finally:
        if gates.has(order, stage):
            gates.lift(order, stage)
        running.thread.join(30)


def interrupted(runner: JobRunner, gates: Gates, job_id: str, stage: str, order: str = "hold") -> None:
    """Run a job up to a stage, and shut the worker down there."""
    with held(runner, gates, job_id, stage, order) as running:
        running.shut_down()
        with pytest.raises(Shutdown):
            running.end()


def expired(house: House, customer: Customer, category_id: str = "gated") -> str:
    """Order, and let the reservation expire before any worker comes."""
    job_id = customer.unlock(category_id)
    house.expire_in(-1, customer.job(job_id).reservation_id)
    return job_id


def after_run(runner: JobRunner, job_id: str, condition: Callable[[], bool]) -> Callable[[], bool]:
    """Answer a condition that first gives the job's message to the worker, due or not."""

    def look() -> bool:
        runner.run(job_id)
        return condition()

    return look


def paid(runner: JobRunner, customer: Customer, job_id: str) -> Callable[[], bool]:
    """Answer whether the job is paid after its next message."""
    return after_run(runner, job_id, lambda: customer.state(job_id) == "COMPLETED")


class Died(BaseException):
    """Stands for the death of a worker: nothing of it catches this."""


def die(runner: JobRunner, clients: Clients, job_id: str, before: str) -> None:
    """Run the job when its time has come, and die where a method of the settlement would be called.

    The lease, which would run out by itself, is ended by the test.
    """

    def fall(*_: object) -> None:
        raise Died

    def look() -> bool:
        try:
            runner.run(job_id)
        except Died:
            return True
        return False

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Settlement, before, fall)
        eventually(look, timeout_s=20)
    attempt = clients.jobs.claim(job_id).job.attempt
    clients.jobs.heartbeat(insight_pb2.HeartbeatRequest(job_id=job_id, attempt=attempt, giving_up=True))


def end(runner: JobRunner, customer: Customer, job_id: str) -> str:
    """Give the job's message to the worker until the job has ended, and answer how."""
    ended = ("COMPLETED", "FAILED", "CANCELLED")
    eventually(after_run(runner, job_id, lambda: customer.state(job_id) in ended), timeout_s=30)
    return customer.state(job_id)
