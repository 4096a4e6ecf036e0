"""The state machine by itself."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.catalogue.charge_mode import ChargeMode
from chat_service.jobs import lifecycle
from chat_service.jobs.lifecycle import CancelDecision, Finish
from chat_service.jobs.retries import PaymentRetries
from chat_service.jobs.states import LEASED, OUTCOMES, TERMINAL, TRANSITIONS, JobState, allowed
from servicekit.errors import InvalidField

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_LEASE = timedelta(seconds=30)
_RETRIES = PaymentRetries(first_delay=timedelta(seconds=300), factor=2, max_tries=3)


@dataclass(frozen=True)
class Row:
    """What decides, without a database."""

    state: JobState = JobState.RESERVING
    attempt: int = 0
    worker_id: str = ""
    lease_expire_time: datetime | None = None
    settling_attempt: int | None = None
    forgiven_attempts: int = 0
    requested_count: int = 2
    completed_ids: tuple[str, ...] = ()
    price: int = 30
    charge_mode: ChargeMode = ChargeMode.ALL_OR_NOTHING
    weights: Mapping[str, int] = field(default_factory=lambda: {"one": 1, "two": 2})
    charge_amount: int | None = None
    due_time: datetime | None = _NOW
    start_time: datetime | None = None
    finish_time: datetime | None = None
    cancel_requested: bool = False
    abandoned: bool = False
    reservation_id: uuid.UUID | None = None
    transaction_id: uuid.UUID | None = None
    payment_attempt: int = 0
    payment_retry_time: datetime | None = None
    finish_attempt: int | None = None
    erasure_id: uuid.UUID | None = None
    finish_outcome: JobState | None = None


@pytest.mark.parametrize(
    ("made", "charged"),
    [((), 0), (("one",), 10), (("two",), 20), (("one", "two"), 30)],
)
def test_what_was_made_is_charged_by_its_weight_where_a_part_can_be(
    made: tuple[str, ...], charged: int
) -> None:
    running = Row(state=JobState.RUNNING, attempt=1, completed_ids=made)
    assert lifecycle.begin_settling(running)["charge_amount"] is None
    in_part = replace(running, charge_mode=ChargeMode.WHAT_SUCCEEDED)
    assert lifecycle.begin_settling(in_part)["charge_amount"] == charged
    # And once it is fixed, nothing that is made later changes it
    settling = replace(in_part, state=JobState.SETTLING, charge_amount=charged, completed_ids=("one", "two"))
    assert lifecycle.begin_settling(settling) == {}
    # And a job of which nothing was made cannot be completed
    possible = lifecycle.possible_outcomes(replace(settling, settling_attempt=1))
    assert (JobState.COMPLETED in possible) == (charged > 0)


def test_the_terminal_states_are_those_of_the_contract() -> None:
    ended = {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.REJECTED}
    assert ended == TERMINAL


def test_every_state_can_be_reached_and_left_unless_it_is_terminal() -> None:
    reached = {after for ways in TRANSITIONS.values() for after in ways}
    assert reached == set(JobState) - {JobState.RESERVING}
    assert {state for state, ways in TRANSITIONS.items() if not ways} == TERMINAL


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["reserve", "reject", "claim", "beat", "settle", "cancel", "delete", "finish", "give up", "step"]
        ),
        st.integers(0, 400),
        st.sampled_from(sorted(OUTCOMES)),
    ),
    max_size=40,
)


@given(_STEPS)
def test_whatever_happens_in_whatever_order_a_job_only_goes_ways_that_exist(
    steps: list[tuple[str, int, JobState]],
) -> None:
    # Given a new job, when anything happens to it at any time
    row, now = Row(), _NOW
    for step, passed_s, outcome in steps:
        now += timedelta(seconds=passed_s)
        before, row = row, _happen(row, step, now, outcome)
        # Then every change is a way that exists, and nothing changes after the end
        assert row.state is before.state or allowed(before.state, row.state)
        assert before.state not in TERMINAL or row == before
        # And the fencing token only grows, by one a claim
        assert row.attempt - before.attempt in (0, 1)
        _assert_consistent(row)


def _happen(row: Row, step: str, now: datetime, outcome: JobState) -> Row:
    if step == "reserve" and row.state is JobState.RESERVING:
        return _changed(row, lifecycle.reserved(row, uuid.uuid4(), now, _LEASE, _LEASE))
    if step == "reject" and row.state is JobState.RESERVING:
        return _changed(row, lifecycle.rejected(now))
    if step == "claim":
        return _changed(row, lifecycle.claim(row, now, _LEASE, "worker"))
    if step == "delete":
        return _changed(row, lifecycle.cancel_subject_gone(row, now, _LEASE))
    if step == "cancel":
        return _cancelled(row, now)
    return _worked(row, step, now, outcome) if lifecycle.holds(row, row.attempt) else row


def _cancelled(row: Row, now: datetime) -> Row:
    decision = lifecycle.decide_cancel(row, now)
    if decision is CancelDecision.TAKE_OVER:
        return _changed(row, lifecycle.take_over(row, now, _LEASE))
    return replace(row, cancel_requested=True) if decision is CancelDecision.ASK else row


def _worked(row: Row, step: str, now: datetime, outcome: JobState) -> Row:
    if step == "beat":
        return _changed(row, lifecycle.renew(now, _LEASE))
    if step == "settle":
        return _changed(row, lifecycle.begin_settling(row))
    if step == "give up":
        return _changed(row, lifecycle.give_up(row, now, _LEASE, draining=outcome in TERMINAL))
    if step == "step":
        return _changed(row, lifecycle.forgive_all(row))
    if step != "finish":
        return row
    paid = uuid.uuid4() if outcome is JobState.COMPLETED else None
    try:
        changes = lifecycle.finish(row, Finish(row.attempt, outcome, paid), now, _RETRIES)
    except InvalidField:
        return row
    return _changed(row, changes)


def _changed(row: Row, changes: Any) -> Row:
    return replace(row, **(changes or {}))


def _assert_consistent(row: Row) -> None:
    """Check what the database's CHECKs demand."""
    assert (row.reservation_id is None) == (row.state in (JobState.RESERVING, JobState.REJECTED))
    assert (row.finish_time is not None) == (row.state in TERMINAL)
    assert (row.transaction_id is not None) == (row.state is JobState.COMPLETED)
    assert row.lease_expire_time is None or row.state in LEASED
    assert row.lease_expire_time is not None or row.state not in (JobState.RUNNING, JobState.SETTLING)
    assert 0 <= row.forgiven_attempts <= row.attempt
    assert row.due_time is None or row.state not in TERMINAL
    assert row.due_time is not None or row.state in TERMINAL | {JobState.PAYMENT_FAILED}
    assert row.payment_retry_time is None or row.state is JobState.PAYMENT_FAILED
    assert row.settling_attempt is not None or row.state is not JobState.SETTLING


@given(st.integers(0, 200), st.floats(1, 100), st.integers(1, 300), st.floats(0.1, 1e6))
def test_payment_retries_grow_and_end(max_tries: int, factor: float, failures: int, first_s: float) -> None:
    retries = PaymentRetries(timedelta(seconds=first_s), factor, max_tries)
    again = retries.next_time(_NOW, failures)
    if failures > max_tries:
        assert again is None
    else:
        assert again is not None
        assert _NOW < again <= _NOW + retries.max_delay
        assert failures == 1 or again >= (retries.next_time(_NOW, failures - 1) or again)


def test_payment_retries_double_from_five_minutes() -> None:
    times = [_RETRIES.next_time(_NOW, failures) for failures in (1, 2, 3, 4)]
    assert times == [
        _NOW + timedelta(seconds=300),
        _NOW + timedelta(seconds=600),
        _NOW + timedelta(seconds=1200),
        None,
    ]


def test_a_lease_has_run_out_at_its_very_end() -> None:
    row = Row(JobState.RUNNING, attempt=1, lease_expire_time=_NOW)
    assert lifecycle.claim(row, _NOW, _LEASE, "worker") is not None
    assert lifecycle.claim(row, _NOW - timedelta(microseconds=1), _LEASE, "worker") is None
