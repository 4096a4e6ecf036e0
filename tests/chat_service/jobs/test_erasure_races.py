"""A user leaves while something of theirs is on its way: nothing stays, and nobody pays for another."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chat_service.imports import repository as imports
from chat_service.jobs import credit
from chat_service.jobs.ending import JobEnder
from protos.chat.v1 import chat_pb2
from protos.credit.v1 import credit_pb2
from servicekit.errors import ServiceError
from tests.chat_service.clients import export, refused
from tests.chat_service.jobs.leaving import (
    WAIT_S,
    Gate,
    delete,
    erased_account,
    jobs_of,
    login,
    verify,
    wait_for,
)
from tests.chat_service.jobs.shop import Order, Shop
from tests.eventually import eventually


def reservations(shop: Shop, user_id: str) -> list[str]:
    """Answer the states of an account's reservations."""
    request = credit_pb2.ListReservationsRequest(user_id=user_id)
    found = shop.call(shop.credits.ListReservations, request).reservations
    return [credit_pb2.ReservationState.Name(row.state).removeprefix("RESERVATION_STATE_") for row in found]


def gone(shop: Shop, erasure_id: str, states: list[str], coins: int) -> None:
    """See that the erasure's jobs have ended so, and how many coins the ledger has under the pseudonym."""
    wait_for(shop, erasure_id)
    assert jobs_of(shop, erasure_id) == states
    account = erased_account(shop, erasure_id)
    assert (account.balance, account.reserved) == (coins, 0)
    assert "RESERVED" not in reservations(shop, account.user_id)
    verify(shop, account.user_id)


def test_a_job_that_waits_is_cancelled_and_its_coins_return(shop: Shop, order: Order) -> None:
    shop.unlock(order)

    gone(shop, delete(shop, order.user_id).erasure_id, ["CANCELLED"], 1_000)


def test_a_running_job_hears_of_it_and_charges_nothing(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)

    erasure_id = delete(shop, order.user_id).erasure_id

    assert shop.save_step(job, "a step").cancelled
    with refused("RESERVATION_ALREADY_RELEASED"):
        shop.charge(job)
    shop.finish(job, "CANCELLED")
    gone(shop, erasure_id, ["CANCELLED"], 1_000)


def test_a_running_job_whose_worker_died_ends_without_one(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    erasure_id = delete(shop, order.user_id).erasure_id

    shop.run_out(job)

    gone(shop, erasure_id, ["CANCELLED"], 1_000)
    with refused("STALE_LEASE"):
        shop.finish(job, "CANCELLED")


def test_a_job_that_was_charged_before_its_worker_died_is_completed(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    shop.make(job)
    shop.beat(job, settling=True)
    shop.charge(job)
    erasure_id = delete(shop, order.user_id).erasure_id

    shop.run_out(job)

    gone(shop, erasure_id, ["COMPLETED"], 1_000 - job.price)


def test_a_job_that_settles_while_its_user_leaves_is_charged_or_not_but_ends(shop: Shop) -> None:
    for _ in range(3):
        order = shop.customer()
        job = shop.claimed(order)
        shop.make(job)
        shop.beat(job, settling=True)
        with ThreadPoolExecutor(2) as pool:
            deleting = pool.submit(delete, shop, order.user_id)
            paying = pool.submit(_paid, shop, job)
            erasure_id, paid = deleting.result().erasure_id, paying.result()
        outcome = {"transaction_id": paid} if paid else {}
        shop.finish(job, "COMPLETED" if paid else "CANCELLED", **outcome)

        expected = ["COMPLETED"] if paid else ["CANCELLED"]
        gone(shop, erasure_id, expected, 1_000 - (job.price if paid else 0))


def _paid(shop: Shop, job: Any) -> str:
    try:
        return shop.charge(job)
    except ServiceError as error:
        if error.reason != "RESERVATION_ALREADY_RELEASED":
            raise
        return ""


def test_a_payment_that_failed_is_not_tried_again(shop: Shop, order: Order) -> None:
    shop.fail_payment(shop.claimed(order))

    gone(shop, delete(shop, order.user_id).erasure_id, ["CANCELLED"], 1_000)


@pytest.mark.parametrize("came_back", [False, True])
def test_an_order_between_its_reservation_and_the_queue_gives_the_coins_back(
    shop: Shop, order: Order, monkeypatch: pytest.MonkeyPatch, came_back: bool
) -> None:
    gate, reserve = Gate(), credit.reserve

    async def held_up(context: Any, job: Any) -> Any:
        answer = await reserve(context, job)
        if job.user_id == order.user_id:
            await gate.wait()
        return answer

    monkeypatch.setattr(credit, "reserve", held_up)
    with ThreadPoolExecutor(1) as pool:
        unlocking = pool.submit(shop.unlock, order)
        assert gate.reached.wait(WAIT_S)

        erasure_id = delete(shop, order.user_id).erasure_id
        if came_back:
            login(shop, order.user_id)
            shop.grant(order.user_id, 500)
        gate.open()
        with refused("ACCOUNT_CLOSED"):
            unlocking.result()

    gone(shop, erasure_id, ["REJECTED"], 1_000)
    if came_back:
        assert shop.account(order.user_id).available == 500
        assert reservations(shop, order.user_id) == []


def test_an_order_whose_reservation_was_not_asked_for_yet_takes_nothing_from_the_new_user(
    shop: Shop, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, reserve = Gate(), credit.reserve

    async def held_up(context: Any, job: Any) -> Any:
        await gate.wait()
        return await reserve(context, job)

    monkeypatch.setattr(credit, "reserve", held_up)
    with ThreadPoolExecutor(1) as pool:
        unlocking = pool.submit(shop.unlock, order)
        assert gate.reached.wait(WAIT_S)
        erasure_id = delete(shop, order.user_id).erasure_id
        login(shop, order.user_id)
        shop.grant(order.user_id, 500)
        gate.open()
        with refused("ACCOUNT_CLOSED"):
            unlocking.result()

    gone(shop, erasure_id, ["REJECTED"], 1_000)
    account = shop.account(order.user_id)
    assert (account.balance, account.reserved) == (500, 0)
    verify(shop, order.user_id)


def test_a_reservation_without_an_answer_is_not_asked_for_again(
    shop: Shop, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given two orders whose reservations got no answer, and nobody who ends the first one's job
    asked: list[str] = []

    async def unanswered(_: Any, job: Any) -> None:
        asked.append(job.user_id)

    async def not_ended(*_: Any) -> bool:
        return False

    monkeypatch.setattr(credit, "reserve", unanswered)
    monkeypatch.setattr(JobEnder, "end_all", not_ended)
    other = shop.customer()
    for one in (order, other):
        shop.unlock(one)
    erasure_id = delete(shop, order.user_id).erasure_id
    asked.clear()

    shop.sql("UPDATE jobs SET due_time = now() WHERE user_id IN (%s, %s)", order.user_id, other.user_id)

    eventually(lambda: other.user_id in asked)
    assert order.user_id not in asked
    monkeypatch.undo()
    gone(shop, erasure_id, ["REJECTED"], 1_000)


@pytest.mark.parametrize("came_back", [False, True])
def test_an_upload_that_is_being_stored_when_its_user_leaves_makes_no_chat(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, came_back: bool
) -> None:
    user_id = shop.chats.new_user()
    gate, copy = Gate(), imports.copy_messages

    async def held_up(session: Any, rows: Any) -> None:
        await copy(session, rows)
        await gate.wait()

    monkeypatch.setattr(imports, "copy_messages", held_up)
    with ThreadPoolExecutor(1) as pool:
        uploading = pool.submit(shop.chats.import_file, export(500), user_id=user_id)
        assert gate.reached.wait(WAIT_S)
        delete(shop, user_id)
        if came_back:
            login(shop, user_id)
        gate.open()
        with refused("USER_NOT_FOUND"):
            uploading.result()

    assert list(shop.chats.list_chats(user_id).chats) == []
    for table in ("chats", "messages"):
        assert shop.sql(f"SELECT count(*) FROM {table} WHERE user_id = %s", user_id) == [(0,)]


def test_many_uploads_orders_and_a_delete_at_once_leave_nothing_to_be_seen(shop: Shop, order: Order) -> None:
    expected = ("USER_NOT_FOUND", "CHAT_NOT_FOUND", "NOTHING_TO_UNLOCK", "ACCOUNT_CLOSED")

    def act(number: int) -> None:
        try:
            if number % 2:
                shop.chats.import_file(export(3), user_id=order.user_id)
            else:
                shop.unlock(order, ("friendship", "family")[number % 4 // 2])
        except ServiceError as error:
            if error.reason not in expected:
                raise

    with ThreadPoolExecutor(9) as pool:
        acting = [pool.submit(act, number) for number in range(8)]
        erasure_id = pool.submit(delete, shop, order.user_id).result().erasure_id
        for each in acting:
            each.result()

    wait_for(shop, erasure_id)
    assert list(shop.chats.list_chats(order.user_id).chats) == []
    assert shop.sql(
        "SELECT count(*) FROM chats WHERE user_id = %s AND erasure_id IS NULL", order.user_id
    ) == [(0,)]
    assert set(jobs_of(shop, erasure_id)) <= {"CANCELLED", "REJECTED"}
    assert erased_account(shop, erasure_id).balance == 1_000


def test_a_login_and_a_delete_at_once_leave_one_user_or_none(shop: Shop) -> None:
    for _ in range(5):
        user_id = shop.chats.new_user()
        with ThreadPoolExecutor(2) as pool:
            deleting = pool.submit(delete, shop, user_id)
            stored = pool.submit(_stored, shop, user_id).result()
            deleting.result()

        live = shop.sql("SELECT count(*) FROM users WHERE user_id = %s AND delete_time IS NULL", user_id)
        assert live == [(int(stored.created),)]


def _stored(shop: Shop, user_id: str) -> chat_pb2.StoreUserResponse:
    while True:
        try:
            return login(shop, user_id, display_name=uuid.uuid4().hex)
        except ServiceError as error:
            if error.reason != "ERASURE_IN_PROGRESS":
                raise
