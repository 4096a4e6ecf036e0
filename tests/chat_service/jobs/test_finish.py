"""Settling: FinishJob, what it shows, and the payments that failed."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from protos.insight.v1 import insight_pb2 as pb
from tests.chat_service.clients import refused
from tests.chat_service.jobs.racing import together
from tests.chat_service.jobs.shop import Messages, Order, Shop, error, state_name, types_of
from tests.eventually import eventually


def test_a_completed_job_shows_its_insights(shop: Shop, order: Order) -> None:
    # Given a job whose insights are all made
    job = shop.claimed(order)
    shop.make(job)
    shop.beat(job, settling=True)
    assert shop.shown(order) == []
    # When it is charged and finished
    transaction_id = shop.charge(job)
    done = shop.finish(job, "COMPLETED", transaction_id=transaction_id)
    # Then the insights are there, in the catalogue's order, and the job says who was paid
    assert state_name(done) == "COMPLETED"
    assert done.transaction_id == transaction_id
    assert (done.requested_count, done.completed_count, done.failed_count) == (
        done.requested_count,
        done.requested_count,
        0,
    )
    assert done.HasField("finish_time")
    assert not done.HasField("error")
    positions = dict(shop.sql("SELECT insight_type_id, position FROM insight_types"))
    assert shop.shown(order) == sorted(types_of(job), key=lambda name: positions[name])


def test_the_same_end_again_answers_as_the_first_time(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    done = shop.complete(job)
    assert shop.finish(job, "COMPLETED", transaction_id=done.transaction_id) == done


def test_another_end_of_an_ended_attempt_is_stale(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    done = shop.complete(job)
    with refused("STALE_LEASE", attempt=1, current_attempt=1):
        shop.finish(job, "FAILED", error=error("NO"))
    assert shop.job(job) == done


def test_one_end_told_ten_times_at_once_happens_once(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    shop.make(job)
    shop.beat(job, settling=True)
    shop.release(job)
    ended = together(10, lambda _: shop.finish(job, "PAYMENT_FAILED", error=error("RESERVATION_EXPIRED")))
    assert len({str(answer) for answer in ended}) == 1
    assert shop.column(job, "payment_attempt") == 1


def test_a_failed_job_says_why_and_shows_nothing(shop: Shop, order: Order) -> None:
    # Given a job of which one result could not be made
    job = shop.claimed(order)
    shop.save_insight(job, types_of(job)[0])
    shop.beat(job, settling=True)
    shop.release(job)
    # When it fails
    failed = shop.finish(job, "FAILED", error=error("NOT_ENOUGH_MESSAGES"), failed_count=1)
    # Then it says so, the coins are back, and what was made stays hidden
    assert state_name(failed) == "FAILED"
    assert (failed.completed_count, failed.failed_count) == (1, 1)
    assert (failed.error.reason, dict(failed.error.metadata)) == ("NOT_ENOUGH_MESSAGES", {"why": "test"})
    assert shop.shown(order) == []
    assert shop.account(order.user_id).available == 1_000


def test_what_a_failed_job_made_is_shown_once_a_later_one_is_paid(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    shop.save_insight(job, types_of(job)[0])
    shop.beat(job, settling=True)
    shop.release(job)
    shop.finish(job, "FAILED", error=error("NO"))
    again = shop.complete(shop.claimed(order))
    assert sorted(shop.shown(order)) == sorted(types_of(again))


def test_a_charge_must_be_announced_before_it_is_made(shop: Shop, order: Order) -> None:
    # Given a job that still runs: it could be cancelled at any time
    job = shop.claimed(order)
    for outcome, fields in (
        ("COMPLETED", {"transaction_id": str(uuid.uuid4())}),
        ("PAYMENT_FAILED", {"error": error("NO")}),
    ):
        with refused("INVALID_FIELD", field="outcome"):
            shop.finish(job, outcome, **fields)
    assert shop.state(job) == "RUNNING"


@pytest.mark.parametrize(
    ("field", "outcome", "fields"),
    [
        ("outcome", "UNSPECIFIED", {}),
        ("outcome", "QUEUED", {}),
        ("outcome", "REJECTED", {"error": error("NO")}),
        ("error", "FAILED", {}),
        ("error", "PAYMENT_FAILED", {}),
        ("error", "COMPLETED", {"error": error("NO"), "transaction_id": str(uuid.uuid4())}),
        ("error.reason", "FAILED", {"error": pb.JobError()}),
        ("error.reason", "FAILED", {"error": pb.JobError(reason="x" * 65)}),
        ("error.message", "FAILED", {"error": pb.JobError(reason="X", message="x" * 1025)}),
        (
            "error.metadata",
            "FAILED",
            {"error": pb.JobError(reason="X", metadata={str(i): "" for i in range(33)})},
        ),
        ("transaction_id", "COMPLETED", {}),
        ("transaction_id", "COMPLETED", {"transaction_id": "no-uuid"}),
        ("transaction_id", "FAILED", {"error": error("NO"), "transaction_id": str(uuid.uuid4())}),
        ("failed_count", "FAILED", {"error": error("NO"), "failed_count": -1}),
        ("failed_count", "FAILED", {"error": error("NO"), "failed_count": 1_000}),
        ("outcome", "CANCELLED", {}),
    ],
)
def test_a_malformed_end_is_refused(
    shop: Shop, order: Order, field: str, outcome: str, fields: dict[str, Any]
) -> None:
    job = shop.claimed(order)
    shop.beat(job, settling=True)
    with refused("INVALID_FIELD", field=field):
        shop.finish(job, outcome, **fields)
    assert shop.state(job) == "SETTLING"


def test_a_failed_payment_hides_the_insights_and_sets_the_retry(shop: Shop, order: Order) -> None:
    # Given a job that is made, and whose reservation is gone
    job = shop.fail_payment(shop.claimed(order))
    # Then it says so, shows nothing, and is tried again after five minutes
    assert state_name(job) == "PAYMENT_FAILED"
    assert job.error.reason == "RESERVATION_EXPIRED"
    assert not job.HasField("finish_time")
    assert shop.shown(order) == []
    wait = job.payment_retry_time.ToDatetime() - job.update_time.ToDatetime()
    assert wait == timedelta(seconds=300)
    assert shop.column(job, "due_time") == shop.column(job, "payment_retry_time")


def test_a_payment_cannot_be_retried_before_it_is_due(shop: Shop, order: Order) -> None:
    job = shop.fail_payment(shop.claimed(order))
    assert not shop.claim(job).claimed


def test_a_due_payment_is_sent_claimed_and_completed(shop: Shop, order: Order, messages: Messages) -> None:
    # Given a job whose payment failed, when its time has come
    job = shop.fail_payment(shop.claimed(order))
    _come_due(shop, job)
    # Then the workers are told
    assert eventually(lambda: "retry_payment" in messages.of(job))
    # And the claim names the try; the job stays what it is until it is paid
    claim = shop.claim(job)
    assert (claim.claimed, claim.payment_attempt, claim.lease.attempt) == (True, 1, 2)
    assert state_name(claim.job) == "PAYMENT_FAILED"
    assert not claim.exhausted
    assert not shop.claim(job).claimed
    # When it is paid
    done = shop.finish(claim.job, "COMPLETED", transaction_id=str(uuid.uuid4()))
    # Then the insights are there, and nothing speaks of the failure any more
    assert state_name(done) == "COMPLETED"
    assert not done.HasField("error")
    assert not done.HasField("payment_retry_time")
    assert sorted(shop.shown(order)) == sorted(types_of(job))


def test_the_lease_of_a_payment_runs_out_like_any_other(shop: Shop, order: Order) -> None:
    # Given a payment retry whose worker died
    job = shop.fail_payment(shop.claimed(order))
    _come_due(shop, job)
    first = shop.claim(job)
    shop.run_out(job)
    # Then another one goes on with the same try
    second = shop.claim(job)
    assert (second.claimed, second.payment_attempt, second.lease.attempt) == (True, 1, 3)
    with refused("STALE_LEASE"):
        shop.finish(first.job, "COMPLETED", transaction_id=str(uuid.uuid4()))


def test_payment_retries_come_later_and_later_and_end(shop: Shop, order: Order) -> None:
    # Given a job whose payment fails again and again
    job = shop.fail_payment(shop.claimed(order))
    waits = []
    while job.HasField("payment_retry_time"):
        waits.append((job.payment_retry_time.ToDatetime() - job.update_time.ToDatetime()).total_seconds())
        _come_due(shop, job)
        claim = shop.claim(job)
        assert claim.payment_attempt == len(waits)
        job = shop.finish(claim.job, "PAYMENT_FAILED", error=error("INSUFFICIENT_CREDITS"))
    # Then each pause is twice the last one, and after the eighth nobody tries again
    assert waits == [300.0 * 2**index for index in range(8)]
    assert shop.column(job, "due_time") is None
    assert not shop.claim(job).claimed
    # And the category can be ordered anew
    assert state_name(shop.unlock(order)) == "QUEUED"


def test_while_a_payment_is_retried_the_category_cannot_be_ordered(shop: Shop, order: Order) -> None:
    shop.fail_payment(shop.claimed(order))
    with refused("NOTHING_TO_UNLOCK", state="ORDERED"):
        shop.unlock(order)


def test_a_paying_attempt_can_only_pay_or_fail_to(shop: Shop, order: Order) -> None:
    job = shop.fail_payment(shop.claimed(order))
    _come_due(shop, job)
    claimed = shop.claim(job).job
    with refused("INVALID_FIELD", field="outcome"):
        shop.finish(claimed, "FAILED", error=error("NO"))


def _come_due(shop: Shop, job: pb.Job) -> None:
    shop.sql("UPDATE jobs SET payment_retry_time = now(), due_time = now() WHERE job_id = %s", job.job_id)
