"""A deleted user is gone at once, gone for good after the retention time, and never comes back."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from chat_service.erasure import repository as erasures
from chat_service.jobs import repository as jobs
from protos.chat.v1 import chat_pb2
from protos.insight.v1 import insight_pb2 as pb
from servicekit.embedded import EmbeddedPostgres
from servicekit.errors import DatabaseUnavailable
from tests.chat_service.clients import export, refused
from tests.chat_service.jobs.conftest import Alone
from tests.chat_service.jobs.leaving import (
    ask,
    delete,
    dump,
    erased_account,
    everything_of,
    jobs_of,
    let_retention_end,
    login,
    purged,
    step,
    verify,
    wait_for,
)
from tests.chat_service.jobs.shop import Messages, Order, Shop
from tests.eventually import eventually


@pytest.fixture
def left(shop: Shop, order: Order) -> chat_pb2.DeleteUserResponse:
    """The answer to a user with a chat, paid insights and 1,000 coins, who has left."""
    shop.complete(shop.claimed(order))
    return delete(shop, order.user_id)


def test_user_chats_insights_and_jobs_are_gone_from_every_read_at_once(shop: Shop, order: Order) -> None:
    job = shop.complete(shop.claimed(order))

    delete(shop, order.user_id)

    with refused("USER_NOT_FOUND"):
        shop.call(shop.chats.users.GetUser, chat_pb2.GetUserRequest(user_id=order.user_id))
    with refused("CHAT_NOT_FOUND"):
        shop.chats.get(order.user_id, order.chat_id)
    with refused("CHAT_NOT_FOUND"):
        shop.chats.list_messages(order.user_id, order.chat_id)
    with refused("CHAT_NOT_FOUND"):
        shop.shown(order)
    with refused("JOB_NOT_FOUND"):
        shop.job(job)
    with refused("JOB_NOT_FOUND"):
        shop.cancel(job)
    with refused("JOB_NOT_FOUND"):
        next(shop.watch(job))
    assert everything_of(shop, order) == {"chats": [], "jobs": []}


def test_the_account_is_closed_under_a_pseudonym_and_its_coins_are_forfeited(
    shop: Shop, order: Order, left: chat_pb2.DeleteUserResponse
) -> None:
    with refused("ACCOUNT_NOT_FOUND"):
        shop.account(order.user_id)
    account = erased_account(shop, left.erasure_id)
    assert account.HasField("close_time")
    assert shop.sql("SELECT forfeited_coins FROM erasures WHERE erasure_id = %s", left.erasure_id) == [
        (account.balance,)
    ]
    verify(shop, account.user_id)


def test_the_profile_is_blank_at_once(shop: Shop) -> None:
    user_id = shop.chats.new_user()
    login(shop, user_id, display_name="Anna", email="anna@example.org")

    delete(shop, user_id)

    assert shop.sql("SELECT display_name, email FROM users WHERE user_id = %s", user_id) == [("", "")]


def test_nothing_of_the_user_is_left_in_any_database_after_the_retention_time(
    shop: Shop, order: Order, messages: Messages, postgres: EmbeddedPostgres
) -> None:
    user_id = order.user_id
    # given a name, a mail, a text, a file and an author that nobody else has, in all tables
    mark = uuid.uuid4().hex
    login(shop, user_id, display_name=f"Name {mark}", email=f"{mark}@example.org")
    content = export(3, authors=(f"Author {mark}", "Bert")).replace(b"message 2", b"text " + mark.encode())
    chat = shop.chats.import_file(content, user_id=user_id, file_name=f"chat {mark}.txt")
    job = shop.claimed(Order(user_id, chat.chat_id), "family")
    shop.save_step(job, f"step {mark}", {"found": mark})
    for name in (str(kind) for kind in job.params["insight_type_ids"]):  # type: ignore[union-attr]
        shop.save_insight(job, name, sentences=[f"{mark} writes."])
    shop.beat(job, settling=True)
    shop.finish(job, "COMPLETED", transaction_id=shop.charge(job))
    ask(shop, Order(user_id, chat.chat_id), f"Who wrote {mark}?")
    waiting = shop.unlock(order)
    urls = [postgres.url("jobs"), postgres.url("credit")]
    assert dump(urls[0]).count(mark) > 8
    assert all(user_id in dump(url) for url in urls)

    erasure_id = delete(shop, user_id).erasure_id
    # then what the apps could read is kept, hidden
    assert mark in dump(urls[0])
    assert f"Name {mark}" not in dump(urls[0])
    purged(shop, erasure_id)

    for url in urls:
        left = dump(url)
        for word in (mark, user_id, chat.chat_id, order.chat_id):
            assert word not in left, (url, word)
    assert all(user_id not in str(message) for message in messages.all())
    # and the ledger has its amounts, under the pseudonym
    account = erased_account(shop, erasure_id)
    assert account.balance == 1_000 - job.price
    verify(shop, account.user_id)
    assert waiting.job_id in dump(urls[1])


def test_before_the_retention_time_is_over_nothing_is_removed(
    shop: Shop, left: chat_pb2.DeleteUserResponse, order: Order
) -> None:
    wait_for(shop, left.erasure_id)

    assert (left.purge_time.ToDatetime() - left.delete_time.ToDatetime()).days == 30
    assert shop.sql("SELECT count(*) FROM messages WHERE user_id = %s", order.user_id) == [(3,)]
    assert step(shop, left.erasure_id) == "FORGET_EVENTS"


def test_a_chat_that_was_deleted_before_goes_no_later_than_it_would_have(shop: Shop, order: Order) -> None:
    shop.chats.delete(order.user_id, order.chat_id)
    shop.sql(
        "UPDATE chats SET purge_time = now() + interval '1 day' WHERE chat_id = %s RETURNING 1", order.chat_id
    )

    answer = delete(shop, order.user_id)

    [(purge_time,)] = shop.sql("SELECT purge_time FROM chats WHERE chat_id = %s", order.chat_id)
    assert purge_time.timestamp() < answer.purge_time.seconds


# A later login.


def test_a_later_login_is_a_new_user_who_sees_nothing_of_the_old_one(
    shop: Shop, order: Order, left: chat_pb2.DeleteUserResponse
) -> None:
    answer = login(shop, order.user_id, display_name="Anna again")

    assert answer.created
    assert answer.user.create_time.ToNanoseconds() > left.delete_time.ToNanoseconds()
    assert everything_of(shop, order) == {"chats": [], "jobs": []}
    for read in (shop.chats.get, shop.chats.undelete, shop.chats.delete):
        with refused("CHAT_NOT_FOUND"):
            read(order.user_id, order.chat_id)
    with refused("ACCOUNT_NOT_FOUND"):
        shop.account(order.user_id)


def test_the_new_user_has_an_account_of_their_own(
    shop: Shop, order: Order, left: chat_pb2.DeleteUserResponse
) -> None:
    login(shop, order.user_id)

    again = shop.customer(300, order.user_id)
    shop.complete(shop.claimed(again))

    before = erased_account(shop, left.erasure_id)
    assert shop.account(order.user_id).balance == before.balance - 700
    verify(shop, order.user_id)


def test_old_request_ids_are_fresh_for_the_new_user(shop: Shop) -> None:
    user_id, request_id = shop.chats.new_user(), str(uuid.uuid4())
    shop.grant(user_id, 1_000)
    old_chat = shop.chats.import_file(export(3), user_id=user_id, request_id=request_id)
    old_job = shop.unlock(Order(user_id, old_chat.chat_id), request_id=request_id)
    delete(shop, user_id)
    login(shop, user_id)
    shop.grant(user_id, 1_000)

    chat = shop.chats.import_file(export(3), user_id=user_id, request_id=request_id)
    job = shop.unlock(Order(user_id, chat.chat_id), request_id=request_id)

    assert chat.chat_id != old_chat.chat_id
    assert job.job_id != old_job.job_id


def test_the_purge_of_the_old_user_leaves_the_new_one_alone(
    shop: Shop, order: Order, left: chat_pb2.DeleteUserResponse
) -> None:
    login(shop, order.user_id, display_name="Anna again")
    again = shop.customer(100, order.user_id)

    purged(shop, left.erasure_id)

    assert [chat.chat_id for chat in everything_of(shop, again)["chats"]] == [again.chat_id]
    assert shop.account(order.user_id).balance == 100
    assert login(shop, order.user_id).user.display_name == "Anna again"


def test_somebody_may_leave_again_and_again(shop: Shop, order: Order) -> None:
    first = delete(shop, order.user_id)
    login(shop, order.user_id)
    shop.customer(70, order.user_id)
    second = delete(shop, order.user_id)

    purged(shop, first.erasure_id)
    assert shop.sql("SELECT count(*) FROM users WHERE user_id = %s", order.user_id) == [(1,)]
    purged(shop, second.erasure_id)

    assert shop.sql("SELECT count(*) FROM users WHERE user_id = %s", order.user_id) == [(0,)]
    assert [erased_account(shop, one.erasure_id).balance for one in (first, second)] == [1_000, 70]


# Repeated calls.


def test_a_repeated_delete_is_the_first_one_also_after_a_new_login(shop: Shop, order: Order) -> None:
    request_id = str(uuid.uuid4())
    first = delete(shop, order.user_id, request_id)
    again = delete(shop, order.user_id, request_id)
    login(shop, order.user_id)

    late = delete(shop, order.user_id, request_id)

    assert first == again == late
    assert not login(shop, order.user_id).created


def test_a_delete_of_a_deleted_user_answers_as_the_first_time(shop: Shop, order: Order) -> None:
    assert delete(shop, order.user_id) == delete(shop, order.user_id)


def test_nobody_can_delete_who_never_was_or_is_no_more(shop: Shop, left: chat_pb2.DeleteUserResponse) -> None:
    [(user_id,)] = shop.sql("SELECT user_id FROM erasures WHERE erasure_id = %s", left.erasure_id)
    purged(shop, left.erasure_id)

    for gone in (user_id, "nobody"):
        with refused("USER_NOT_FOUND", user_id=gone):
            delete(shop, gone)


@pytest.mark.parametrize("same_id", [True, False])
def test_ten_deletes_at_once_are_one(shop: Shop, order: Order, same_id: bool) -> None:
    request_id = str(uuid.uuid4()) if same_id else None

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: delete(shop, order.user_id, request_id), range(10)))

    assert len({answer.erasure_id for answer in answers}) == 1
    assert shop.sql("SELECT count(*) FROM erasures WHERE user_id = %s", order.user_id) == [(1,)]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [({"user_id": ""}, "user_id"), ({"request_id": ""}, "request_id"), ({"request_id": "x"}, "request_id")],
)
def test_a_malformed_delete_is_refused(shop: Shop, fields: dict[str, str], wrong: str) -> None:
    given = {"user_id": "a", "request_id": str(uuid.uuid4()), **fields}
    with refused("INVALID_FIELD", field=wrong):
        shop.call(shop.chats.users.DeleteUser, chat_pb2.DeleteUserRequest(**given))


# Crashes.


@pytest.mark.parametrize("crashed", ["CLOSE_ACCOUNT", "DELETE_BELONGINGS", "END_JOBS", "FORGET_EVENTS"])
def test_after_a_crash_between_any_two_steps_another_copy_goes_on(
    shop: Shop, order: Order, monkeypatch: pytest.MonkeyPatch, crashed: str
) -> None:
    job = shop.unlock(order)
    crashes: list[str] = []
    advance = erasures.advance

    async def crash_once(session: object, erasure_id: uuid.UUID, step: str, values: object) -> None:
        # The step was done, and nobody has noted it.
        if step == crashed and not crashes:
            crashes.append(step)
            raise DatabaseUnavailable
        await advance(session, erasure_id, step, values)  # type: ignore[arg-type]

    monkeypatch.setattr(erasures, "advance", crash_once)

    erasure_id = delete(shop, order.user_id).erasure_id
    with refused("JOB_NOT_FOUND"):
        shop.job(job)
    purged(shop, erasure_id)

    assert crashes == [crashed]
    account = erased_account(shop, erasure_id)
    assert (account.balance, account.reserved) == (1_000, 0)
    assert jobs_of(shop, erasure_id) == []
    verify(shop, account.user_id)


def test_after_a_crash_in_the_purge_all_of_it_is_done_again(
    shop: Shop, order: Order, left: chat_pb2.DeleteUserResponse, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashes: list[uuid.UUID] = []
    purge = jobs.purge_of_erasure

    async def crash_once(session: object, erasure_id: uuid.UUID) -> None:
        await purge(session, erasure_id)  # type: ignore[arg-type]
        if not crashes:
            crashes.append(erasure_id)
            raise DatabaseUnavailable

    monkeypatch.setattr(jobs, "purge_of_erasure", crash_once)

    purged(shop, left.erasure_id)

    assert crashes
    assert shop.sql("SELECT count(*) FROM users WHERE user_id = %s", order.user_id) == [(0,)]


@pytest.mark.parametrize("coins", [0, 1_000])
def test_a_new_account_is_untouched_when_the_close_is_repeated_late(shop: Shop, coins: int) -> None:
    order = shop.customer(coins)
    erasure_id = delete(shop, order.user_id).erasure_id
    login(shop, order.user_id)
    shop.grant(order.user_id, 40)
    # given a copy that was held up after it had read the first step
    shop.sql("UPDATE erasures SET step = 'CLOSE_ACCOUNT', due_time = now() WHERE erasure_id = %s", erasure_id)

    wait_for(shop, erasure_id)

    assert shop.account(order.user_id).available == 40
    assert not shop.account(order.user_id).HasField("close_time")


def test_while_credit_service_is_away_the_user_is_gone_and_cannot_come_back_yet(
    alone: Alone, shop: Shop
) -> None:
    with alone(credit_target="127.0.0.1:1", rpc_timeout_s=2.0, job_credit_timeout_s=2.0) as lonely:
        user_id = lonely.chats.new_user()
        chat = lonely.chats.import_file(export(3), user_id=user_id)

        erasure_id = delete(lonely, user_id).erasure_id

        with refused("CHAT_NOT_FOUND"):
            lonely.chats.get(user_id, chat.chat_id)
        with refused("ERASURE_IN_PROGRESS", user_id=user_id):
            login(lonely, user_id)
        assert step(lonely, erasure_id) == "CLOSE_ACCOUNT"


def test_with_no_retention_time_all_of_it_goes_at_once(alone: Alone) -> None:
    with alone(user_retention_days=0) as shop:
        order = shop.customer(10)

        erasure_id = delete(shop, order.user_id).erasure_id

        wait_for(shop, erasure_id, "DONE")
        for table in ("users", "chats", "messages", "jobs"):
            assert shop.sql(f"SELECT count(*) FROM {table}") == [(0,)]


def test_a_service_that_was_down_purges_what_came_due_meanwhile(
    shop: Shop, left: chat_pb2.DeleteUserResponse
) -> None:
    wait_for(shop, left.erasure_id)
    let_retention_end(shop, left.erasure_id)

    eventually(lambda: step(shop, left.erasure_id) == "DONE")

    [(user_id, request_id)] = shop.sql(
        "SELECT user_id, request_id FROM erasures WHERE erasure_id = %s", left.erasure_id
    )
    assert (user_id, request_id) == (None, None)


def test_the_runner_does_not_see_a_deleted_users_payment(shop: Shop, order: Order) -> None:
    job = shop.fail_payment(shop.claimed(order))
    shop.sql("UPDATE jobs SET payment_retry_time = now() - interval '1 s' WHERE job_id = %s", job.job_id)
    retry = shop.claim(job)
    assert retry.claimed

    erasure_id = delete(shop, order.user_id).erasure_id

    # then the attempt hears of it before it charges, and nobody begins another one
    assert shop.beat(retry.job).cancelled
    shop.run_out(job)
    assert not shop.claim(job).claimed
    wait_for(shop, erasure_id)
    assert shop.column(job, "state") == "CANCELLED"
    assert pb.JobState.Name(retry.job.state) == "JOB_STATE_PAYMENT_FAILED"
