"""ClaimJob, and what a lease is worth."""

import uuid
from collections import Counter
from collections.abc import Callable

import pytest

from protos.insight.v1 import insight_pb2 as pb
from tests.chat_service.clients import refused
from tests.chat_service.jobs.racing import together
from tests.chat_service.jobs.shop import Messages, Order, Shop, error, state_name, types_of
from tests.eventually import eventually


def test_a_claim_gives_the_first_attempt_and_a_lease(shop: Shop, order: Order) -> None:
    # Given a queued job, when a worker claims it
    job = shop.unlock(order)
    claim = shop.claim(job)
    # Then it runs under attempt 1
    assert claim.claimed
    assert (state_name(claim.job), claim.job.attempt, claim.lease.attempt) == ("RUNNING", 1, 1)
    assert claim.lease.lease_s == 30
    left = claim.lease.expire_time.ToDatetime() - claim.job.start_time.ToDatetime()
    assert left.total_seconds() == 30
    assert (claim.cancelled, claim.exhausted, claim.payment_attempt) == (False, False, 0)


def test_of_twenty_claims_one_gets_the_lease(shop: Shop, order: Order) -> None:
    # Given a queued job, when twenty workers claim it at once
    job = shop.unlock(order)
    claims = together(20, lambda index: shop.claim(job, f"worker-{index}"))
    # Then one has it, and the others have nothing
    assert Counter(claim.claimed for claim in claims) == {True: 1, False: 19}
    assert shop.job(job).attempt == 1
    assert not any(claim.HasField("lease") for claim in claims if not claim.claimed)


def test_of_twenty_claims_after_a_lease_ran_out_one_gets_the_next(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    shop.run_out(job)
    claims = together(20, lambda index: shop.claim(job, f"worker-{index}"))
    assert Counter(claim.claimed for claim in claims) == {True: 1, False: 19}
    assert shop.job(job).attempt == 2


def test_a_held_job_cannot_be_claimed(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    claim = shop.claim(job)
    assert not claim.claimed
    assert claim.job.attempt == 1


def test_an_unknown_job_is_not_found(shop: Shop) -> None:
    with refused("JOB_NOT_FOUND"):
        shop.claim(pb.Job(job_id=str(uuid.uuid4())))


def test_a_job_that_ended_cannot_be_claimed(shop: Shop, order: Order) -> None:
    job = shop.complete(shop.claimed(order))
    claim = shop.claim(job)
    assert (claim.claimed, state_name(claim.job)) == (False, "COMPLETED")


def test_the_late_writes_of_a_dead_attempt_are_refused(shop: Shop, order: Order) -> None:
    # Given a job whose first worker stalled, and that another one has claimed since
    old = shop.claimed(order)
    shop.run_out(old)
    new = shop.claim(old).job
    assert new.attempt == 2
    # When the first worker comes back, then each of its calls is refused and changes nothing
    stale = {"job_id": old.job_id, "attempt": 1, "current_attempt": 2}
    before = shop.sql("SELECT * FROM jobs WHERE job_id = %s", old.job_id)
    with refused("STALE_LEASE", **stale):
        shop.save_step(old, "late")
    with refused("STALE_LEASE", **stale):
        shop.save_insight(old, types_of(old)[0])
    with refused("STALE_LEASE", **stale):
        shop.beat(old)
    with refused("STALE_LEASE", **stale):
        shop.beat(old, settling=True)
    with refused("STALE_LEASE", **stale):
        shop.steps(old)
    with refused("STALE_LEASE", **stale):
        shop.finish(old, "FAILED", error=error("LATE"))
    assert shop.sql("SELECT * FROM jobs WHERE job_id = %s", old.job_id) == before
    assert shop.steps(new) == []


def test_an_attempt_that_nobody_replaced_goes_on_after_its_lease_ran_out(shop: Shop, order: Order) -> None:
    # Given a worker whose lease ran out while nobody else came
    job = shop.claimed(order)
    shop.run_out(job)
    # When it goes on, then it holds the job again
    assert shop.save_step(job, "one").lease.attempt == 1
    assert not shop.claim(job).claimed


def test_an_attempt_from_the_future_is_stale(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    with refused("STALE_LEASE", attempt=7, current_attempt=1):
        shop.beat(job, attempt=7)


def test_a_job_that_nobody_claimed_has_no_attempt(shop: Shop, order: Order) -> None:
    job = shop.unlock(order)
    with refused("STALE_LEASE", attempt=1, current_attempt=0):
        shop.beat(job, attempt=1)


def test_an_attempt_that_ended_is_over(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    shop.complete(job)
    with refused("STALE_LEASE", attempt=1, current_attempt=1):
        shop.beat(job)
    with refused("STALE_LEASE"):
        shop.save_insight(job, types_of(job)[0])


def test_an_attempt_whose_payment_failed_is_over(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    shop.fail_payment(job)
    with refused("STALE_LEASE", attempt=1, current_attempt=1):
        shop.beat(job)
    with refused("STALE_LEASE"):
        shop.finish(job, "COMPLETED", transaction_id=str(uuid.uuid4()))


@pytest.mark.parametrize("call", ["step", "steps", "insight", "beat"])
def test_every_call_renews_the_lease(shop: Shop, order: Order, call: str) -> None:
    job = shop.claimed(order)
    before = shop.column(job, "lease_expire_time")
    calls: dict[str, Callable[[], object]] = {
        "step": lambda: shop.save_step(job, "one"),
        "steps": lambda: shop.steps(job),
        "insight": lambda: shop.save_insight(job, types_of(job)[0]),
        "beat": lambda: shop.beat(job),
    }
    calls[call]()
    assert shop.column(job, "lease_expire_time") > before
    assert shop.column(job, "due_time") == shop.column(job, "lease_expire_time")


def test_after_the_last_attempt_the_claim_is_only_there_to_settle(shop: Shop, order: Order) -> None:
    # Given a job whose workers died five times
    job = shop.unlock(order)
    for attempt in range(1, 6):
        claim = shop.claim(job)
        assert (claim.lease.attempt, claim.exhausted) == (attempt, False)
        shop.run_out(job)
    # When it is claimed again, then it is exhausted
    claim = shop.claim(job)
    assert (claim.claimed, claim.exhausted) == (True, True)
    # And it stays so when that worker dies too, before or after settling began
    shop.run_out(job)
    claim = shop.claim(job)
    assert claim.exhausted
    shop.beat(claim.job, settling=True)
    shop.run_out(job)
    claim = shop.claim(job)
    assert (claim.exhausted, state_name(claim.job)) == (True, "SETTLING")


def test_settling_that_began_in_time_is_never_exhausted(shop: Shop, order: Order) -> None:
    # Given a job whose work was done in the fifth attempt, and whose settling fails for long
    job = shop.unlock(order)
    for _ in range(5):
        claim = shop.claim(job)
        shop.run_out(job)
    shop.make(claim.job)
    shop.beat(claim.job, settling=True)
    for _ in range(3):
        shop.run_out(job)
        # Then every later claim goes on with settling
        claim = shop.claim(job)
        assert (claim.claimed, claim.exhausted) == (True, False)


def test_a_settling_job_stays_settling_under_the_next_attempt(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    shop.beat(job, settling=True)
    shop.run_out(job)
    claim = shop.claim(job)
    assert (claim.claimed, state_name(claim.job), claim.job.attempt) == (True, "SETTLING", 2)


def test_a_worker_that_gives_up_leaves_the_job_to_another_at_once(
    shop: Shop, order: Order, messages: Messages
) -> None:
    # Given a running job whose first message has been taken
    job = shop.claimed(order)
    eventually(lambda: messages.of(job))
    messages.forget()
    # When its worker gives it up, then it is sent again at once and can be claimed
    shop.beat(job, giving_up=True)
    assert eventually(lambda: messages.of(job)) == ["run_job"]
    claim = shop.claim(job)
    assert (claim.claimed, claim.lease.attempt) == (True, 2)


@pytest.mark.parametrize("attempt", [0, -1])
def test_an_attempt_below_one_is_malformed(shop: Shop, order: Order, attempt: int) -> None:
    job = shop.claimed(order)
    with refused("INVALID_FIELD", field="attempt"):
        shop.call(shop.runner.Heartbeat, pb.HeartbeatRequest(job_id=job.job_id, attempt=attempt))


def test_the_name_of_a_worker_is_bounded(shop: Shop, order: Order) -> None:
    with refused("INVALID_FIELD", field="worker_id"):
        shop.claim(shop.unlock(order), "x" * 129)


def test_settling_that_makes_the_work_again_uses_up_the_attempts(shop: Shop, order: Order) -> None:
    # Given a job that began to settle a failure in its first attempt
    job = shop.claimed(order)
    shop.beat(job, settling=True)
    # When every later attempt dies while it makes again what is missing
    for _ in range(4):
        shop.run_out(job)
        assert not shop.claim(job).exhausted
    shop.run_out(job)
    # Then there is a last one
    claim = shop.claim(job)
    assert (claim.claimed, claim.exhausted) == (True, True)


def test_an_attempt_that_saved_a_step_does_not_count(shop: Shop, order: Order) -> None:
    # Given a job that four workers left without a trace, and a fifth one after a step
    job = shop.unlock(order)
    for _ in range(5):
        claim = shop.claim(job)
        shop.run_out(job)
    shop.save_step(claim.job, "one")
    # When five more leave it, the first of them after the same step again
    for attempt in range(6, 11):
        shop.run_out(job)
        claim = shop.claim(job)
        assert (claim.lease.attempt, claim.exhausted) == (attempt, False)
        if attempt == 6:
            shop.save_step(claim.job, "one")
    # Then the next one is one too many: the count began with the step that was new
    shop.run_out(job)
    assert shop.claim(job).exhausted


def test_an_attempt_whose_worker_was_told_to_stop_does_not_count(shop: Shop, order: Order) -> None:
    # Given a job whose workers are told to stop, over and over
    job = shop.unlock(order)
    for _ in range(7):
        claim = shop.claim(job)
        assert (claim.claimed, claim.exhausted) == (True, False)
        # And one says so twice, because the answer was lost
        shop.beat(claim.job, giving_up=True, draining=True)
        shop.beat(claim.job, giving_up=True, draining=True)
    assert shop.column(job, "forgiven_attempts") == 7
    # When five give it up for other reasons, then these count
    for _ in range(5):
        claim = shop.claim(job)
        assert not claim.exhausted
        shop.beat(claim.job, giving_up=True)
    assert shop.claim(job).exhausted
