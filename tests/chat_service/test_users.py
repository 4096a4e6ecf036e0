"""UserService over gRPC, with a real credit_service that keeps the coins."""

import asyncio
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from chat_service.core import Core
from chat_service.settings import ChatSettings
from chat_service.users import signup_bonus
from chat_service.users.signup_bonus import bonus_request_id
from protos.chat.v1 import chat_pb2
from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from tests.chat_service.clients import ChatClient, refused, served
from tests.chat_service.conftest import Connection
from tests.eventually import eventually

BONUS = 50


@pytest.fixture(scope="module")
def credit(credit_target: str) -> Iterator[credit_pb2_grpc.CreditServiceStub]:
    with grpc.insecure_channel(credit_target) as channel:
        yield credit_pb2_grpc.CreditServiceStub(channel)


def balance(credit: credit_pb2_grpc.CreditServiceStub, user_id: str) -> int:
    request = credit_pb2.GetAccountRequest(user_id=user_id)
    return credit.GetAccount(request, timeout=10).account.balance


def store(client: ChatClient, user_id: str, **profile: str) -> chat_pb2.StoreUserResponse:
    request = chat_pb2.StoreUserRequest(user_id=user_id, **profile)
    answer: chat_pb2.StoreUserResponse = client.call(client.users.StoreUser, request)
    return answer


def new_id() -> str:
    return f"user-{uuid.uuid4()}"


def test_the_first_login_makes_the_user_and_grants_the_bonus(
    client: ChatClient, credit: credit_pb2_grpc.CreditServiceStub
) -> None:
    user_id = new_id()

    answer = store(client, user_id, display_name="Anna", email="anna@example.org")

    assert answer.created
    assert (answer.user.user_id, answer.user.display_name) == (user_id, "Anna")
    assert answer.user.email == "anna@example.org"
    assert balance(credit, user_id) == BONUS


def test_later_logins_grant_nothing(client: ChatClient, credit: credit_pb2_grpc.CreditServiceStub) -> None:
    user_id = new_id()
    store(client, user_id)

    answers = [store(client, user_id), store(client, user_id, display_name="Anna")]

    assert not any(answer.created for answer in answers)
    assert balance(credit, user_id) == BONUS


def test_twenty_first_logins_at_once_make_one_user_with_one_bonus(
    client: ChatClient, credit: credit_pb2_grpc.CreditServiceStub
) -> None:
    user_id = new_id()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: store(client, user_id), range(20)))

    assert [answer.created for answer in answers].count(True) == 1
    assert balance(credit, user_id) == BONUS


def test_absent_fields_keep_what_is_stored_and_empty_ones_clear_it(client: ChatClient) -> None:
    user_id = new_id()
    store(client, user_id, display_name="Anna", email="anna@example.org")

    kept = store(client, user_id, display_name="Anna B.").user
    cleared = store(client, user_id, email="").user

    assert (kept.display_name, kept.email) == ("Anna B.", "anna@example.org")
    assert (cleared.display_name, cleared.email) == ("Anna B.", "")


def test_the_update_time_changes_only_with_the_profile(client: ChatClient) -> None:
    user_id = new_id()
    first = store(client, user_id, display_name="Anna").user

    same = store(client, user_id, display_name="Anna").user
    other = store(client, user_id, display_name="Anna B.").user

    assert same == first
    assert other.update_time.ToNanoseconds() > first.update_time.ToNanoseconds()
    assert other.create_time == first.create_time


def test_a_stored_user_can_be_read_and_an_unknown_one_is_not_found(client: ChatClient) -> None:
    user = store(client, new_id(), display_name="Anna").user

    read = client.call(client.users.GetUser, chat_pb2.GetUserRequest(user_id=user.user_id)).user

    assert read == user
    with refused("USER_NOT_FOUND", user_id="nobody"):
        client.call(client.users.GetUser, chat_pb2.GetUserRequest(user_id="nobody"))


def test_while_credit_service_is_away_the_user_is_stored_and_the_next_login_grants_the_bonus(
    client: ChatClient, chat_settings: ChatSettings, credit: credit_pb2_grpc.CreditServiceStub
) -> None:
    user_id = new_id()
    # given a chat_service whose credit_service does not answer: nothing listens on port 1
    away = chat_settings.model_copy(update={"credit_target": "127.0.0.1:1", "rpc_timeout_s": 3.0})

    with served(away) as lonely, refused("UNAVAILABLE"):
        store(lonely, user_id)

    assert client.call(client.users.GetUser, chat_pb2.GetUserRequest(user_id=user_id)).user.user_id == user_id
    assert not store(client, user_id).created
    assert balance(credit, user_id) == BONUS


def test_a_bonus_that_was_granted_before_the_setting_changed_is_not_granted_again(
    client: ChatClient, credit: credit_pb2_grpc.CreditServiceStub
) -> None:
    user_id = new_id()
    # given a grant of another amount whose answer was lost
    request = credit_pb2.GrantRequest(
        user_id=user_id,
        amount=70,
        type=credit_pb2.TRANSACTION_TYPE_BONUS,
        request_id=str(bonus_request_id(user_id)),
    )
    credit.Grant(request, timeout=10)

    store(client, user_id)

    assert balance(credit, user_id) == 70


def test_without_a_bonus_no_account_is_made(
    chat_settings: ChatSettings, credit: credit_pb2_grpc.CreditServiceStub
) -> None:
    user_id = new_id()

    with served(chat_settings.model_copy(update={"chat_signup_bonus": 0})) as client:
        store(client, user_id)

    with pytest.raises(grpc.RpcError) as raised:
        balance(credit, user_id)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


def leave(client: ChatClient, user_id: str) -> chat_pb2.DeleteUserResponse:
    request = chat_pb2.DeleteUserRequest(user_id=user_id, request_id=str(uuid.uuid4()))
    answer: chat_pb2.DeleteUserResponse = client.call(client.users.DeleteUser, request)
    return answer


def test_who_leaves_and_comes_back_gets_no_second_bonus(
    client: ChatClient, credit: credit_pb2_grpc.CreditServiceStub, chat_database: Connection
) -> None:
    user_id = new_id()
    store(client, user_id)
    leave(client, user_id)

    assert store(client, user_id).created
    assert not store(client, user_id).created

    with pytest.raises(grpc.RpcError) as raised:
        balance(credit, user_id)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    with chat_database.cursor() as cursor:
        cursor.execute("SELECT * FROM signup_bonus_claims")
        assert user_id not in str(cursor.fetchall())


def test_after_long_enough_the_bonus_is_granted_again(
    client: ChatClient, credit: credit_pb2_grpc.CreditServiceStub, chat_database: Connection
) -> None:
    user_id = new_id()
    store(client, user_id)
    leave(client, user_id)
    with chat_database.cursor() as cursor:
        cursor.execute("UPDATE signup_bonus_claims SET expire_time = now()")

    store(client, user_id)

    assert balance(credit, user_id) == BONUS
    # and what is over is forgotten
    eventually(lambda: claims(chat_database) == 0)


def claims(database: Connection) -> int:
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM signup_bonus_claims")
        [(count,)] = cursor.fetchall()
        return int(count)


def waiting_for_locks(database: Connection) -> bool:
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return cursor.fetchall() != [(0,)]


def test_a_bonus_that_is_being_granted_when_its_user_leaves_goes_to_the_old_account(
    client: ChatClient,
    credit: credit_pb2_grpc.CreditServiceStub,
    chat_database: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user_id = new_id()
    reached, opened, grant = threading.Event(), threading.Event(), signup_bonus._grant

    async def held_up(core: Core, whose: str) -> None:
        reached.set()
        await asyncio.to_thread(opened.wait, 20.0)
        await grant(core, whose)

    monkeypatch.setattr(signup_bonus, "_grant", held_up)
    with ThreadPoolExecutor(2) as pool:
        storing = pool.submit(store, client, user_id)
        assert reached.wait(20.0)
        leaving = pool.submit(leave, client, user_id)
        # given a delete that has had every chance to overtake
        eventually(lambda: leaving.done() or waiting_for_locks(chat_database))
        opened.set()
        storing.result()
        erasure_id = leaving.result().erasure_id

    assert balance(credit, f"erased-{erasure_id}") == BONUS
    with pytest.raises(grpc.RpcError):
        balance(credit, user_id)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"user_id": ""}, "user_id"),
        ({"user_id": "x" * 129}, "user_id"),
        ({"user_id": "a\x00b"}, "user_id"),
        ({"user_id": "a", "display_name": "x" * 257}, "display_name"),
        ({"user_id": "a", "display_name": "\x00"}, "display_name"),
        ({"user_id": "a", "email": "x" * 321}, "email"),
    ],
)
def test_a_malformed_user_is_refused(client: ChatClient, fields: dict[str, Any], wrong: str) -> None:
    with refused("INVALID_FIELD", field=wrong):
        client.call(client.users.StoreUser, chat_pb2.StoreUserRequest(**fields))
