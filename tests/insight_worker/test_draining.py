"""A worker that was told to stop takes no more jobs."""

import pytest
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import Retry
from dramatiq.middleware import Middleware, ShutdownNotifications

from insight_worker.broker import make_broker
from insight_worker.draining import Draining
from insight_worker.settings import WorkerSettings


def test_a_job_that_comes_after_the_stop_goes_to_another_worker() -> None:
    # Given a worker that works
    draining = Draining()
    broker = StubBroker(middleware=[draining])
    draining.refuse_when_begun()
    # When it is told to stop
    broker.emit_before("worker_shutdown", None)
    # Then its message is sent again, later than this worker can take it
    with pytest.raises(Retry) as refusal:
        draining.refuse_when_begun()
    assert (refusal.value.delay or 0) > WorkerSettings().worker_poll_ms


def test_no_job_can_begin_between_the_flag_and_the_interrupts() -> None:
    # Given the worker's broker
    draining = Draining()
    middleware: list[Middleware] = make_broker(WorkerSettings(), draining, []).middleware
    # Then the flag is up before the interrupts are sent
    [interrupts] = [index for index, one in enumerate(middleware) if isinstance(one, ShutdownNotifications)]
    assert middleware.index(draining) < interrupts
