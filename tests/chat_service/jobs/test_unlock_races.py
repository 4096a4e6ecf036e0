"""Orders that come at the same time."""

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg2

from chat_service.settings import ChatSettings
from protos.insight.v1 import insight_pb2 as pb
from tests.chat_service.clients import export
from tests.chat_service.jobs.racing import outcome, together
from tests.chat_service.jobs.shop import Messages, Order, Shop, state_name, types_of
from tests.eventually import eventually


def test_fifty_callers_with_one_request_id_get_one_job(shop: Shop, order: Order, messages: Messages) -> None:
    # Given one order, when fifty callers send it at once
    request_id = str(uuid.uuid4())
    jobs = together(50, lambda _: shop.unlock(order, request_id=request_id))
    # Then all have the same job, in the same state
    assert {job.job_id for job in jobs} == {jobs[0].job_id}
    assert {state_name(job) for job in jobs} == {"QUEUED"}
    # And there is one reservation and one message
    assert len(shop.reservations(order.user_id)) == 1
    assert eventually(lambda: messages.of(jobs[0])) == ["run_job"]


def test_fifty_callers_with_one_request_id_get_one_refusal(shop: Shop) -> None:
    order, request_id = shop.customer(coins=1), str(uuid.uuid4())
    outcomes = together(50, lambda _: outcome(lambda: shop.unlock(order, request_id=request_id)))
    assert Counter(outcomes) == {"INSUFFICIENT_CREDITS": 50}
    assert shop.sql("SELECT count(*) FROM jobs WHERE user_id = %s", order.user_id) == [(1,)]


def test_one_request_id_for_many_chats_at_once_buys_one(shop: Shop) -> None:
    # Given a user with several chats, when one request id orders for all of them at once
    user_id = shop.chats.new_user()
    shop.grant(user_id, 10_000)
    orders, request_id = [shop.customer(0, user_id) for _ in range(8)], str(uuid.uuid4())
    outcomes = together(8, lambda index: outcome(lambda: shop.unlock(orders[index], request_id=request_id)))
    # Then one is taken, and the others are told
    assert Counter(outcomes) == {"ok": 1, "REQUEST_ID_REUSED": 7}
    assert shop.account(user_id).reserved == 200


def test_of_many_orders_at_once_one_buys(shop: Shop, order: Order) -> None:
    # Given coins for five, when the same category is ordered ten times under different request ids
    outcomes = together(10, lambda _: outcome(lambda: shop.unlock(order)))
    # Then one order is taken
    assert Counter(outcomes) == {"ok": 1, "NOTHING_TO_UNLOCK": 9}
    assert shop.account(order.user_id).reserved == 200


def test_types_that_another_category_makes_already_are_not_paid_again_one_by_one(shop: Shop) -> None:
    # Given a job that makes types which a category that is paid by its types has too
    order = shop.customer(1_000)
    whole = shop.unlock(shop.customer(1_000), "any_chat")
    making = set(types_of(shop.unlock(order)))
    assert making.intersection(types_of(whole))
    # When that category is ordered as well, then it leaves them out, and they are not in its price
    rest = shop.unlock(order, "any_chat")
    assert set(types_of(rest)) == set(types_of(whole)) - making
    assert rest.price < whole.price


def test_an_order_waits_until_another_one_of_the_chat_is_placed(
    shop: Shop, order: Order, job_settings: ChatSettings
) -> None:
    # Given an order for the chat that is being placed
    placing = psycopg2.connect(job_settings.chat_database_url)
    key = f"orders/{order.user_id}/{order.chat_id}"
    placing.cursor().execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (key,))
    # When another one comes, then it waits: what the first one makes is not to be seen before
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(shop.unlock, order)
        eventually(lambda: shop.sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
        placing.rollback()
        assert state_name(second.result(20)) == "QUEUED"
    placing.close()


def test_an_order_while_the_last_one_completes_buys_nothing_twice(shop: Shop) -> None:
    # Given jobs that are about to complete
    for _ in range(5):
        order = shop.customer()
        job = shop.claimed(order)
        shop.make(job)
        shop.beat(job, settling=True)
        transaction_id = shop.charge(job)

        # When one completes while the category is ordered again
        def finish_or_order(
            index: int, order: Order = order, job: pb.Job = job, paid: str = transaction_id
        ) -> str:
            if index == 0:
                return outcome(lambda: shop.finish(job, "COMPLETED", transaction_id=paid))
            return outcome(lambda: shop.unlock(order))

        outcomes = together(8, finish_or_order)
        # Then nobody could buy what is there or being made
        assert Counter(outcomes) == {"ok": 1, "NOTHING_TO_UNLOCK": 7}


def test_an_order_while_the_chat_is_deleted_leaves_no_job_behind(shop: Shop) -> None:
    user_id = shop.chats.new_user()
    shop.grant(user_id, 10_000)
    for _ in range(5):
        order = Order(user_id, shop.chats.import_file(export(3), user_id=user_id).chat_id)

        # When a chat is deleted while somebody unlocks it
        def delete_or_order(index: int, order: Order = order) -> str:
            if index == 0:
                return outcome(lambda: shop.chats.delete(order.user_id, order.chat_id))
            return outcome(lambda: shop.unlock(order))

        outcomes = together(4, delete_or_order)
        # Then the order came too late, or it was cancelled
        assert set(outcomes) <= {"ok", "CHAT_NOT_FOUND", "NOTHING_TO_UNLOCK"}
        left = shop.sql(
            "SELECT state FROM jobs WHERE subject_id = %s AND state <> 'CANCELLED' AND NOT cancel_requested",
            order.chat_id,
        )
        assert left == []
    # And no coin is held
    eventually(lambda: shop.account(user_id).reserved == 0)
