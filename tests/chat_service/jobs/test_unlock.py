"""Unlock: what is checked in which order, what is bought, and what a repeated order gets."""

import uuid

import pytest

from protos.insight.v1 import insight_pb2 as pb
from servicekit.errors import ServiceError
from tests.chat_service.clients import refused
from tests.chat_service.jobs.conftest import Alone
from tests.chat_service.jobs.shop import CATEGORY, Messages, Order, Shop, state_name, types_of
from tests.eventually import eventually

PRICE = 200


def test_an_order_reserves_the_price_and_queues_the_job(shop: Shop, order: Order) -> None:
    # Given a chat of a user with coins, when a category is unlocked
    job = shop.unlock(order)
    # Then the job waits for a worker, with all of the category's types
    assert state_name(job) == "QUEUED"
    assert job.kind == "chat_insights"
    assert job.subject_id == order.chat_id
    assert job.price == PRICE
    assert job.requested_count == len(types_of(job)) > 0
    assert job.params["category_id"] == CATEGORY
    # And its coins are set aside, named by the job
    (reservation,) = shop.reservations(order.user_id)
    assert reservation.reservation_id == job.reservation_id
    assert (reservation.reference_type, reservation.reference_id) == ("job", job.job_id)
    assert reservation.amount == PRICE
    assert shop.account(order.user_id).available == 1_000 - PRICE


def test_an_order_is_sent_to_the_workers_at_once(shop: Shop, order: Order, messages: Messages) -> None:
    job = shop.unlock(order)
    assert eventually(lambda: messages.of(job)) == ["run_job"]


def test_the_same_order_again_gets_the_same_job(shop: Shop, order: Order) -> None:
    # Given an order, when it is repeated, also after the job has moved on
    request_id = str(uuid.uuid4())
    job = shop.unlock(order, request_id=request_id)
    assert shop.unlock(order, request_id=request_id).job_id == job.job_id
    claimed = shop.claim(job).job
    again = shop.unlock(order, request_id=request_id)
    # Then it is the same job as of now, and nothing more was reserved
    assert (again.job_id, state_name(again), again.attempt) == (job.job_id, "RUNNING", claimed.attempt)
    assert len(shop.reservations(order.user_id)) == 1


def test_the_replay_is_decided_before_any_state(shop: Shop, order: Order) -> None:
    # Given an order whose chat is gone since
    request_id = str(uuid.uuid4())
    job = shop.unlock(order, request_id=request_id)
    shop.chats.delete(order.user_id, order.chat_id)
    # Then the repeated order still answers with its job
    assert shop.unlock(order, request_id=request_id).job_id == job.job_id


@pytest.mark.parametrize("field", ["chat_id", "category_id"])
def test_another_order_under_the_request_id_is_refused(shop: Shop, order: Order, field: str) -> None:
    # Given an order
    request_id = str(uuid.uuid4())
    shop.unlock(order, request_id=request_id)
    # When its request id comes with another chat or category, whether or not there is such a thing
    chat_id = str(uuid.uuid4()) if field == "chat_id" else order.chat_id
    category_id = "nonsense" if field == "category_id" else CATEGORY
    # Then the error names the field
    with refused("REQUEST_ID_REUSED", request_id=request_id, field=field):
        shop.unlock(Order(order.user_id, chat_id), category_id, request_id)


def test_two_users_may_use_one_request_id(shop: Shop) -> None:
    request_id = str(uuid.uuid4())
    first = shop.unlock(shop.customer(), request_id=request_id)
    second = shop.unlock(shop.customer(), request_id=request_id)
    assert first.job_id != second.job_id


def test_too_few_coins_are_refused_at_once_and_for_ever(shop: Shop) -> None:
    # Given a user with fewer coins than the price
    order, request_id = shop.customer(coins=PRICE - 1), str(uuid.uuid4())
    with refused("INSUFFICIENT_CREDITS", required=PRICE, available=PRICE - 1):
        shop.unlock(order, request_id=request_id)
    # When coins come in, then the repeated order gets the same refusal
    shop.grant(order.user_id, 1_000)
    with refused("INSUFFICIENT_CREDITS", required=PRICE, available=PRICE - 1):
        shop.unlock(order, request_id=request_id)
    # And a new order is taken
    assert state_name(shop.unlock(order)) == "QUEUED"


def test_a_rejected_job_says_why(shop: Shop) -> None:
    order = shop.customer(coins=1)
    with refused("INSUFFICIENT_CREDITS"):
        shop.unlock(order)
    (job,) = shop.call(shop.insights.ListJobs, pb.ListJobsRequest(user_id=order.user_id)).jobs
    assert state_name(job) == "REJECTED"
    assert job.error.reason == "INSUFFICIENT_CREDITS"
    assert dict(job.error.metadata) == {"required": str(PRICE), "available": "1"}
    assert not job.HasField("reservation_id")
    assert job.HasField("finish_time")


def test_a_user_without_an_account_has_too_few_coins(shop: Shop) -> None:
    # Given a user who was never granted a coin
    order, request_id = shop.customer(coins=0), str(uuid.uuid4())
    with refused("INSUFFICIENT_CREDITS", required=PRICE, available=0):
        shop.unlock(order, request_id=request_id)
    # When coins come in, then the refusal stays, though credit_service has not remembered it
    shop.grant(order.user_id, 1_000)
    with refused("INSUFFICIENT_CREDITS", required=PRICE, available=0):
        shop.unlock(order, request_id=request_id)


def test_an_unknown_chat_or_category_is_not_found(shop: Shop, order: Order) -> None:
    with refused("CHAT_NOT_FOUND"):
        shop.unlock(Order(order.user_id, str(uuid.uuid4())))
    with refused("CATEGORY_NOT_FOUND", category_id="nonsense"):
        shop.unlock(order, "nonsense")


def test_the_chat_of_another_user_is_not_found(shop: Shop, order: Order) -> None:
    other = shop.customer()
    with refused("CHAT_NOT_FOUND", chat_id=order.chat_id):
        shop.unlock(Order(other.user_id, order.chat_id))


def test_a_deleted_chat_is_not_found(shop: Shop, order: Order) -> None:
    shop.chats.delete(order.user_id, order.chat_id)
    with refused("CHAT_NOT_FOUND"):
        shop.unlock(order)


def test_a_chat_that_is_not_ready_is_refused_with_its_state(shop: Shop, order: Order) -> None:
    shop.sql("UPDATE chats SET state = 0 WHERE chat_id = %s", order.chat_id)
    with refused("CHAT_NOT_READY", chat_id=order.chat_id, state="UNSPECIFIED"):
        shop.unlock(order)


def test_refusals_before_the_reservation_burn_nothing(shop: Shop, order: Order) -> None:
    # Given an order that was refused because the chat was not ready
    request_id = str(uuid.uuid4())
    shop.sql("UPDATE chats SET state = 0 WHERE chat_id = %s", order.chat_id)
    with refused("CHAT_NOT_READY"):
        shop.unlock(order, request_id=request_id)
    # When it is ready, then the same order is taken
    shop.sql("UPDATE chats SET state = 1 WHERE chat_id = %s", order.chat_id)
    assert state_name(shop.unlock(order, request_id=request_id)) == "QUEUED"


def test_there_is_nothing_to_unlock_while_a_job_makes_it(shop: Shop, order: Order) -> None:
    job = shop.unlock(order)
    with refused("NOTHING_TO_UNLOCK", chat_id=order.chat_id, category_id=CATEGORY, state="ORDERED"):
        shop.unlock(order)
    shop.claim(job)
    with refused("NOTHING_TO_UNLOCK", state="ORDERED"):
        shop.unlock(order)


def test_there_is_nothing_to_unlock_when_all_is_there(shop: Shop, order: Order) -> None:
    shop.complete(shop.claimed(order))
    with refused("NOTHING_TO_UNLOCK", state="UNLOCKED"):
        shop.unlock(order)


def test_after_a_failed_job_the_category_can_be_ordered_again(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    shop.cancel(job)
    shop.release(job)
    shop.finish(job, "CANCELLED")
    assert state_name(shop.unlock(order)) == "QUEUED"


def test_types_that_the_chat_has_are_not_requested_again(shop: Shop, order: Order) -> None:
    # Given a chat with one unlocked category
    first = shop.complete(shop.claimed(order))
    # When another one is unlocked that shares types with it
    second = shop.unlock(order, "workplace")
    # Then only what is missing is made, for the whole price
    shared = set(types_of(first)) & {row.insight_type_id for row in _types(shop, "workplace")}
    assert shared, "the catalogue has to have a type in both categories for this test"
    assert not shared & set(types_of(second))
    assert second.requested_count == len(types_of(second))
    assert second.price == PRICE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", ""),
        ("user_id", "x" * 129),
        ("chat_id", "no-uuid"),
        ("category_id", ""),
        ("category_id", "x" * 65),
        ("category_id", "a\x00b"),
        ("request_id", ""),
        ("request_id", "123"),
    ],
)
def test_a_malformed_order_is_refused_by_its_field(shop: Shop, field: str, value: str) -> None:
    fields = {
        "user_id": "somebody",
        "chat_id": str(uuid.uuid4()),
        "category_id": CATEGORY,
        "request_id": str(uuid.uuid4()),
    }
    with pytest.raises(ServiceError) as raised:
        shop.call(shop.insights.Unlock, pb.UnlockRequest(**{**fields, field: value}))
    assert raised.value.reason == "INVALID_FIELD"
    assert raised.value.metadata["field"] == field


def _types(shop: Shop, category_id: str) -> list[pb.InsightType]:
    request = pb.ListInsightTypesRequest(category_id=category_id)
    return list(shop.call(shop.insights.ListInsightTypes, request).insight_types)


def test_a_category_that_other_jobs_are_making_is_not_sold(shop: Shop) -> None:
    # Given orders that together make all that a further category has
    order = shop.customer(coins=2_000)
    others = [shop.unlock(order, category_id) for category_id in ("romantic", "friendship", "workplace")]
    # When that one is ordered, then there is nothing to pay for
    reserved = shop.account(order.user_id).reserved
    with refused("NOTHING_TO_UNLOCK", state="ORDERED"):
        shop.unlock(order, "family")
    assert shop.account(order.user_id).reserved == reserved
    # When one of them does not get made, then it can be bought
    assert state_name(shop.cancel(others[0])) == "CANCELLED"
    family = shop.unlock(order, "family")
    assert set(types_of(family)) & set(types_of(others[0]))


def test_after_the_last_try_to_pay_the_category_can_be_ordered_anew(alone: Alone) -> None:
    # Given a job that was not paid and will not be
    with alone(payment_retry_max_tries=0) as shop:
        order = shop.customer()
        unpaid = shop.fail_payment(shop.claimed(order))
        assert not unpaid.HasField("payment_retry_time")
        # When the category is ordered again, then it is made again, paid once, and shown
        done = shop.complete(shop.claimed(order))
        assert sorted(shop.shown(order)) == sorted(types_of(done)) == sorted(types_of(unpaid))
        assert shop.account(order.user_id).balance == 1_000 - PRICE
        # And the old one stays as it was
        assert shop.state(unpaid) == "PAYMENT_FAILED"
