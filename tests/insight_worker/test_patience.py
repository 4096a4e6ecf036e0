"""Waiting for a service that is away."""

import time
from collections.abc import Callable

import pytest

from insight_worker.errors import AttemptAbandoned, StaleLease
from insight_worker.patience import Patience
from servicekit.errors import RateLimited, ServiceError, Unavailable


def _failing(errors: list[ServiceError]) -> Callable[[], str]:
    def work() -> str:
        if errors:
            raise errors.pop()
        return "done"

    return work


def test_a_call_is_repeated_until_the_service_is_back() -> None:
    # Given a service that is away twice, in two ways
    work = _failing([Unavailable(), RateLimited("10", retry_after_s=0.01)])
    # Then the third call's answer is the answer
    assert Patience(10.0).call(work) == "done"


def test_an_error_that_will_not_pass_is_raised_at_once() -> None:
    # Given a service that says no, and would say yes later
    errors: list[ServiceError] = [StaleLease("another attempt has it")]
    work = _failing(errors)
    # Then it is asked once
    with pytest.raises(StaleLease):
        Patience(10.0).call(work)
    assert work() == "done"


def test_patience_ends_and_names_what_it_waited_for() -> None:
    # Given a service that stays away
    started = time.monotonic()
    # Then the attempt is abandoned, not before the limit could be used and not after it
    with pytest.raises(AttemptAbandoned, match=r"UNAVAILABLE for more than 0\.5 s"):
        Patience(0.5).call(_failing([Unavailable() for _ in range(100)]))
    assert time.monotonic() - started < 0.6
