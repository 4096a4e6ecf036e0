"""CancelJob, and the jobs of deleted chats."""

import uuid
from collections import Counter

import pytest

from protos.insight.v1 import insight_pb2 as pb
from tests.chat_service.clients import refused
from tests.chat_service.jobs.conftest import Alone
from tests.chat_service.jobs.racing import outcome, together
from tests.chat_service.jobs.shop import Order, Shop, error, state_name, types_of
from tests.eventually import eventually


def test_a_job_that_no_worker_holds_ends_at_once(shop: Shop, order: Order) -> None:
    # Given a queued job, when it is cancelled
    job = shop.cancel(shop.unlock(order))
    # Then it is over and the coins are back
    assert state_name(job) == "CANCELLED"
    assert job.cancel_requested
    assert not job.HasField("start_time")
    assert shop.account(order.user_id).available == 1_000
    (reservation,) = shop.reservations(order.user_id)
    assert reservation.release_reason == "cancelled"
    # And no worker can have it
    assert not shop.claim(job).claimed


def test_a_running_job_is_asked_to_stop(shop: Shop, order: Order) -> None:
    # Given a running job, when it is cancelled
    job = shop.claimed(order)
    asked = shop.cancel(job)
    assert (state_name(asked), asked.cancel_requested) == ("RUNNING", True)
    # Then its worker hears of it with every answer
    assert shop.save_step(job, "one").cancelled
    assert shop.save_insight(job, types_of(job)[0]).cancelled
    assert shop.beat(job).cancelled
    # And ends it
    shop.release(job)
    assert state_name(shop.finish(job, "CANCELLED")) == "CANCELLED"
    assert shop.account(order.user_id).available == 1_000


def test_cancelling_a_cancelled_job_answers_with_it(shop: Shop, order: Order) -> None:
    job = shop.cancel(shop.unlock(order))
    assert shop.cancel(job) == job


def test_cancelling_twice_before_the_worker_stops_answers_the_same(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    assert shop.cancel(job) == shop.cancel(job)


def test_a_settling_job_can_no_longer_be_cancelled(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    assert not shop.beat(job, settling=True).cancelled
    with refused("JOB_NOT_CANCELLABLE", job_id=job.job_id, state="SETTLING"):
        shop.cancel(job)


@pytest.mark.parametrize("ended", ["COMPLETED", "FAILED", "PAYMENT_FAILED", "REJECTED"])
def test_an_ended_job_cannot_be_cancelled(shop: Shop, ended: str) -> None:
    job = _ended(shop, ended)
    with refused("JOB_NOT_CANCELLABLE", job_id=job.job_id, state=ended):
        shop.cancel(job)


def _ended(shop: Shop, state: str) -> pb.Job:
    if state == "REJECTED":
        order = shop.customer(coins=1)
        with refused("INSUFFICIENT_CREDITS"):
            shop.unlock(order)
        job: pb.Job = shop.call(shop.insights.ListJobs, pb.ListJobsRequest(user_id=order.user_id)).jobs[0]
        return job
    job = shop.claimed(shop.customer())
    if state == "COMPLETED":
        return shop.complete(job)
    if state == "PAYMENT_FAILED":
        return shop.fail_payment(job)
    shop.release(job)
    return shop.finish(job, "FAILED", error=error("NO"))


def test_the_job_of_another_user_is_not_found(shop: Shop, order: Order) -> None:
    job = shop.unlock(order)
    with refused("JOB_NOT_FOUND", job_id=job.job_id):
        shop.cancel(pb.Job(user_id="somebody-else", job_id=job.job_id))
    with refused("JOB_NOT_FOUND"):
        shop.job(pb.Job(user_id="somebody-else", job_id=job.job_id))
    with refused("JOB_NOT_FOUND"):
        shop.cancel(pb.Job(user_id=order.user_id, job_id=str(uuid.uuid4())))


def test_a_running_job_whose_worker_died_ends_at_once(shop: Shop, order: Order) -> None:
    # Given a job whose lease ran out
    job = shop.claimed(order)
    shop.run_out(job)
    # When it is cancelled, then nobody has to be waited for
    assert state_name(shop.cancel(job)) == "CANCELLED"
    # And the dead worker's writes are refused
    with refused("STALE_LEASE", attempt=1, current_attempt=2):
        shop.save_step(job, "late")


def test_cancel_and_settling_decide_against_each_other_once(shop: Shop) -> None:
    # Given running jobs that are done
    for _ in range(10):
        job = shop.claimed(shop.customer())
        shop.make(job)

        # When one is cancelled at the moment in which its worker begins to settle
        def settle_or_cancel(index: int, job: pb.Job = job) -> str:
            if index == 0:
                return "cancelled" if shop.beat(job, settling=True).cancelled else "charges"
            return outcome(lambda: shop.cancel(job))

        settled, cancelled = together(2, settle_or_cancel)
        # Then either the worker was told, or the user was
        assert (settled, cancelled) in {("cancelled", "ok"), ("charges", "JOB_NOT_CANCELLABLE")}


def test_cancel_and_claim_at_once_leave_one_holder(shop: Shop) -> None:
    for _ in range(10):
        order = shop.customer()
        job = shop.unlock(order)

        def claim_or_cancel(index: int, job: pb.Job = job) -> str:
            if index == 0:
                return "claimed" if shop.claim(job).claimed else "not claimed"
            return state_name(shop.cancel(job))

        claimed, cancelled = together(2, claim_or_cancel)
        assert (claimed, cancelled) in {("claimed", "RUNNING"), ("not claimed", "CANCELLED")}


def test_a_cancelled_settlement_cannot_fail_its_payment(shop: Shop, order: Order) -> None:
    # Given a worker that was told of the cancel when it began to settle
    job = shop.claimed(order)
    shop.cancel(job)
    assert shop.beat(job, settling=True).cancelled
    # Then it can only give the coins back
    with refused("INVALID_FIELD", field="outcome"):
        shop.finish(job, "PAYMENT_FAILED", error=error("NO"))
    shop.release(job)
    assert state_name(shop.finish(job, "CANCELLED")) == "CANCELLED"


def test_a_cancel_that_crashed_halfway_is_ended_by_a_worker(shop: Shop, order: Order) -> None:
    # Given a service that died after it took the job over and before it released the coins
    job = shop.unlock(order)
    shop.sql(
        "UPDATE jobs SET state = 'SETTLING', cancel_requested = true, attempt = 1, settling_attempt = 1,"
        " worker_id = 'chat_service', lease_expire_time = now(), due_time = now() WHERE job_id = %s",
        job.job_id,
    )
    # When a worker claims it, then it is told to give the coins back, and does
    claim = shop.claim(job)
    assert (claim.claimed, claim.cancelled, state_name(claim.job)) == (True, True, "SETTLING")
    shop.release(claim.job)
    assert state_name(shop.finish(claim.job, "CANCELLED")) == "CANCELLED"


def test_coins_that_came_back_before_are_no_obstacle(shop: Shop, order: Order) -> None:
    job = shop.unlock(order)
    shop.release(job)
    assert state_name(shop.cancel(job)) == "CANCELLED"


def test_coins_whose_reservation_expired_are_no_obstacle(alone: Alone) -> None:
    # Given a queued job whose reservation has expired
    with alone(job_reservation_ttl_s=1) as shop:
        order = shop.customer()
        job = shop.unlock(order)
        eventually(lambda: shop.account(order.user_id).reserved == 0)
        # When it is cancelled, then it ends at once all the same
        assert state_name(shop.cancel(job)) == "CANCELLED"


# Deleted chats.


def test_deleting_a_chat_cancels_its_queued_jobs_and_returns_the_coins(shop: Shop, order: Order) -> None:
    # Given a chat with a queued and a running job
    queued, running = shop.unlock(order), shop.claimed(order, "romantic")
    # When it is deleted
    shop.chats.delete(order.user_id, order.chat_id)
    # Then the queued one has ended, the running one is asked to stop
    assert shop.state(queued) == "CANCELLED"
    assert (shop.state(running), shop.job(running).cancel_requested) == ("RUNNING", True)
    # And the coins of the first are back
    assert shop.account(order.user_id).reserved == running.price


def test_a_deleted_chat_shows_no_insights_and_an_undeleted_one_does(shop: Shop, order: Order) -> None:
    job = shop.complete(shop.claimed(order))
    shop.chats.delete(order.user_id, order.chat_id)
    with refused("CHAT_NOT_FOUND"):
        shop.shown(order)
    assert shop.sql(
        "SELECT count(*) FROM insights WHERE delete_time IS NULL AND job_id = %s", job.job_id
    ) == [(0,)]
    shop.chats.undelete(order.user_id, order.chat_id)
    assert sorted(shop.shown(order)) == sorted(types_of(job))


def test_a_settlement_in_flight_is_not_disturbed_by_a_delete(shop: Shop, order: Order) -> None:
    # Given a job that is being charged
    job = shop.claimed(order)
    shop.make(job)
    shop.beat(job, settling=True)
    # When the chat is deleted, then the worker ends what it began
    shop.chats.delete(order.user_id, order.chat_id)
    done = shop.finish(job, "COMPLETED", transaction_id=shop.charge(job))
    assert state_name(done) == "COMPLETED"
    # And an undelete shows what was paid
    shop.chats.undelete(order.user_id, order.chat_id)
    assert sorted(shop.shown(order)) == sorted(types_of(job))


def test_a_payment_that_fails_after_a_delete_is_not_tried_again(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    shop.beat(job, settling=True)
    shop.chats.delete(order.user_id, order.chat_id)
    ended = shop.finish(job, "PAYMENT_FAILED", error=error("RESERVATION_EXPIRED"))
    assert (state_name(ended), ended.error.reason) == ("CANCELLED", "RESERVATION_EXPIRED")


def test_a_waiting_payment_ends_with_its_chat(shop: Shop, order: Order) -> None:
    # Given a job whose payment waits for its next try
    job = shop.fail_payment(shop.claimed(order))
    # When the chat is deleted, then nobody is to pay for what nobody can see
    shop.chats.delete(order.user_id, order.chat_id)
    assert shop.state(job) == "CANCELLED"
    # And after an undelete the category can be ordered again
    shop.chats.undelete(order.user_id, order.chat_id)
    assert state_name(shop.unlock(order)) == "QUEUED"


def test_a_running_payment_goes_on_after_a_delete(shop: Shop, order: Order) -> None:
    # Given a payment that a worker is trying again right now
    job = shop.fail_payment(shop.claimed(order))
    shop.sql("UPDATE jobs SET payment_retry_time = now(), due_time = now() WHERE job_id = %s", job.job_id)
    claimed = shop.claim(job).job
    shop.chats.delete(order.user_id, order.chat_id)
    # Then it may be charged already, so it is left to the worker
    assert shop.state(job) == "PAYMENT_FAILED"
    assert state_name(shop.finish(claimed, "COMPLETED", transaction_id=str(uuid.uuid4()))) == "COMPLETED"


def test_many_deletes_and_saves_at_once_end_well(shop: Shop) -> None:
    # Given running jobs
    for _ in range(5):
        order = shop.customer()
        job = shop.claimed(order)
        names = types_of(job)

        # When the chat is deleted while insights are being saved
        def delete_or_save(
            index: int, order: Order = order, job: pb.Job = job, names: list[str] = names
        ) -> str:
            if index == 0:
                return outcome(lambda: shop.chats.delete(order.user_id, order.chat_id))
            return outcome(lambda: shop.save_insight(job, names[index % len(names)]))

        # Then all of it works
        assert Counter(together(4, delete_or_save)) == {"ok": 4}
        assert shop.job(job).cancel_requested


def test_a_settlement_whose_worker_died_is_dropped_with_its_chat(shop: Shop, order: Order) -> None:
    # Given a job whose chat was deleted while it settled, and whose worker died then
    job = shop.claimed(order)
    shop.make(job)
    shop.beat(job, settling=True)
    shop.chats.delete(order.user_id, order.chat_id)
    shop.run_out(job)
    # When another worker claims it, then it is told to give the coins back
    claim = shop.claim(job)
    assert (claim.claimed, claim.cancelled, claim.payment_attempt) == (True, True, 0)
    # And it may end so
    shop.release(job)
    assert state_name(shop.finish(claim.job, "CANCELLED")) == "CANCELLED"


def test_a_payment_whose_worker_died_is_dropped_with_its_chat(shop: Shop, order: Order) -> None:
    # Given a later payment whose worker died, and whose chat was deleted then
    job = shop.fail_payment(shop.claimed(order))
    shop.sql("UPDATE jobs SET payment_retry_time = now(), due_time = now() WHERE job_id = %s", job.job_id)
    assert not shop.claim(job).cancelled
    shop.run_out(job)
    shop.chats.delete(order.user_id, order.chat_id)
    # When another worker claims it, then it is told to pay no more
    claim = shop.claim(job)
    assert (claim.claimed, claim.cancelled, claim.payment_attempt) == (True, True, 1)
    # And a payment that was not made is the end
    ended = shop.finish(claim.job, "PAYMENT_FAILED", error=error("SUBJECT_DELETED"))
    assert (state_name(ended), ended.error.reason) == ("CANCELLED", "SUBJECT_DELETED")
