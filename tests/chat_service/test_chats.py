"""ChatService over gRPC: reading, renaming, deleting and bringing back."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from chat_service.settings import ChatSettings
from protos.chat.v1 import chat_pb2
from tests.chat_service.clients import ChatClient, export, refused
from tests.chat_service.conftest import Connection

Read = Callable[[ChatClient, str, str], Any]

#: Every RPC that names a chat, but for UndeleteChat and DeleteChat, which know deleted ones too.
LIVE_ONLY: dict[str, Read] = {
    "GetChat": lambda client, user_id, chat_id: client.get(user_id, chat_id),
    "ListMessages": lambda client, user_id, chat_id: client.list_messages(user_id, chat_id),
    "StreamMessages": lambda client, user_id, chat_id: client.all_messages(user_id, chat_id),
    "RenameChat": lambda client, user_id, chat_id: rename(client, user_id, chat_id, "Other"),
}
SOME_ID = "01890a5d-ac96-774b-bcce-b302099a8057"

ALL_RPCS: dict[str, Read] = {
    **LIVE_ONLY,
    "DeleteChat": lambda client, user_id, chat_id: client.delete(user_id, chat_id),
    "UndeleteChat": lambda client, user_id, chat_id: client.undelete(user_id, chat_id),
}


def rename(client: ChatClient, user_id: str, chat_id: str, display_name: str) -> chat_pb2.Chat:
    request = chat_pb2.RenameChatRequest(user_id=user_id, chat_id=chat_id, display_name=display_name)
    chat: chat_pb2.Chat = client.call(client.chats.RenameChat, request).chat
    return chat


def make_due(database: Connection, chat_id: str) -> None:
    """Move the purge time of a deleted chat into the past."""
    with database.cursor() as cursor:
        cursor.execute("UPDATE chats SET purge_time = now() WHERE chat_id = %s", (chat_id,))


@pytest.fixture
def chat(client: ChatClient, user_id: str) -> chat_pb2.Chat:
    """A chat of ten messages."""
    return client.import_file(export(10), user_id=user_id)


def test_a_chat_can_be_read_by_its_owner(client: ChatClient, chat: chat_pb2.Chat) -> None:
    assert client.get(chat.user_id, chat.chat_id) == chat
    assert not chat.HasField("delete_time")
    assert not chat.HasField("purge_time")


@pytest.mark.parametrize("rpc", ALL_RPCS)
def test_another_users_chat_is_not_found(client: ChatClient, chat: chat_pb2.Chat, rpc: str) -> None:
    stranger = client.new_user()

    with refused("CHAT_NOT_FOUND", chat_id=chat.chat_id):
        ALL_RPCS[rpc](client, stranger, chat.chat_id)

    assert client.get(chat.user_id, chat.chat_id) == chat
    assert not client.list_chats(stranger).chats


@pytest.mark.parametrize("rpc", ALL_RPCS)
def test_an_unknown_chat_is_not_found(client: ChatClient, user_id: str, rpc: str) -> None:
    with refused("CHAT_NOT_FOUND"):
        ALL_RPCS[rpc](client, user_id, str(uuid.uuid4()))


@pytest.mark.parametrize("rpc", ALL_RPCS)
@pytest.mark.parametrize(
    ("user_id", "chat_id", "wrong"),
    [
        ("", SOME_ID, "user_id"),
        ("x" * 129, SOME_ID, "user_id"),
        ("anna", "", "chat_id"),
        ("anna", "not-a-uuid", "chat_id"),
        ("anna", "{" + SOME_ID[:34] + "}", "chat_id"),
    ],
)
def test_malformed_ids_are_refused_by_every_rpc(
    client: ChatClient, rpc: str, user_id: str, chat_id: str, wrong: str
) -> None:
    with refused("INVALID_FIELD", field=wrong):
        ALL_RPCS[rpc](client, user_id, chat_id)


def test_a_renamed_chat_keeps_everything_but_its_name(client: ChatClient, chat: chat_pb2.Chat) -> None:
    renamed = rename(client, chat.user_id, chat.chat_id, "Us two")

    assert renamed.display_name == "Us two"
    assert renamed.update_time.ToNanoseconds() > chat.update_time.ToNanoseconds()
    assert client.get(chat.user_id, chat.chat_id) == renamed
    renamed.display_name, renamed.update_time.seconds = chat.display_name, chat.update_time.seconds
    renamed.update_time.nanos = chat.update_time.nanos
    assert renamed == chat


@pytest.mark.parametrize("name", ["", "x" * 257, "a\x00b"])
def test_a_chat_cannot_be_given_a_bad_name(client: ChatClient, chat: chat_pb2.Chat, name: str) -> None:
    with refused("INVALID_FIELD", field="display_name"):
        rename(client, chat.user_id, chat.chat_id, name)


def test_a_deleted_chat_is_gone_from_every_read(client: ChatClient, chat: chat_pb2.Chat) -> None:
    deleted = client.delete(chat.user_id, chat.chat_id)

    kept_for = deleted.purge_time.ToDatetime() - deleted.delete_time.ToDatetime()
    assert kept_for == timedelta(days=30)
    assert not client.list_chats(chat.user_id).chats
    for rpc in LIVE_ONLY.values():
        with refused("CHAT_NOT_FOUND"):
            rpc(client, chat.user_id, chat.chat_id)


def test_deleting_a_deleted_chat_answers_as_the_first_time(client: ChatClient, chat: chat_pb2.Chat) -> None:
    first = client.delete(chat.user_id, chat.chat_id)

    assert client.delete(chat.user_id, chat.chat_id) == first


def test_ten_deletes_at_once_answer_the_same(client: ChatClient, chat: chat_pb2.Chat) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: client.delete(chat.user_id, chat.chat_id), range(10)))

    assert all(answer == answers[0] for answer in answers)
    assert answers[0].HasField("delete_time")


def test_an_undeleted_chat_is_back_with_all_its_messages(client: ChatClient, chat: chat_pb2.Chat) -> None:
    client.delete(chat.user_id, chat.chat_id)

    back = client.undelete(chat.user_id, chat.chat_id)

    assert not back.HasField("delete_time")
    assert not back.HasField("purge_time")
    assert client.get(chat.user_id, chat.chat_id) == back
    assert [each.chat_id for each in client.list_chats(chat.user_id).chats] == [chat.chat_id]
    assert len(client.all_messages(chat.user_id, chat.chat_id)) == 10


def test_undeleting_a_live_chat_answers_with_it(client: ChatClient, chat: chat_pb2.Chat) -> None:
    assert client.undelete(chat.user_id, chat.chat_id) == chat


def test_a_chat_can_be_deleted_again_after_it_came_back(client: ChatClient, chat: chat_pb2.Chat) -> None:
    first = client.delete(chat.user_id, chat.chat_id)
    client.undelete(chat.user_id, chat.chat_id)

    second = client.delete(chat.user_id, chat.chat_id)

    assert second.delete_time.ToNanoseconds() > first.delete_time.ToNanoseconds()


@pytest.mark.parametrize("rpc", ["DeleteChat", "UndeleteChat"])
def test_after_its_purge_time_a_chat_is_gone_whether_or_not_it_was_purged(
    client: ChatClient, chat: chat_pb2.Chat, chat_database: Connection, rpc: str
) -> None:
    client.delete(chat.user_id, chat.chat_id)
    make_due(chat_database, chat.chat_id)

    with refused("CHAT_NOT_FOUND"):
        ALL_RPCS[rpc](client, chat.user_id, chat.chat_id)


def test_chats_are_listed_newest_first_in_pages(client: ChatClient, user_id: str) -> None:
    imported = [client.import_file(export(2), user_id=user_id).chat_id for _ in range(5)]

    listed, token = [], ""
    while True:
        page = client.list_chats(user_id, 2, token)
        listed.append([chat.chat_id for chat in page.chats])
        token = page.next_page_token
        if not token:
            break

    assert [len(page) for page in listed] == [2, 2, 1]
    assert [chat_id for page in listed for chat_id in page] == imported[::-1]


def test_pages_skip_and_repeat_no_chat_while_others_come_and_go(client: ChatClient, user_id: str) -> None:
    imported = [client.import_file(export(2), user_id=user_id).chat_id for _ in range(4)]
    first = client.list_chats(user_id, 2)

    # when a chat is added and one of the first page is deleted between the two pages
    client.import_file(export(2), user_id=user_id)
    client.delete(user_id, imported[3])
    second = client.list_chats(user_id, 2, first.next_page_token)

    assert [chat.chat_id for chat in first.chats] == [imported[3], imported[2]]
    assert [chat.chat_id for chat in second.chats] == [imported[1], imported[0]]
    assert not second.next_page_token


def test_a_page_that_holds_exactly_all_rows_is_the_last(client: ChatClient, user_id: str) -> None:
    for _ in range(2):
        client.import_file(export(2), user_id=user_id)

    assert not client.list_chats(user_id, 2).next_page_token


def test_an_unknown_user_has_no_chats(client: ChatClient) -> None:
    assert not client.list_chats("nobody").chats


def test_page_tokens_of_others_and_altered_ones_are_refused(client: ChatClient, user_id: str) -> None:
    for _ in range(2):
        client.import_file(export(2), user_id=user_id)
    token = client.list_chats(user_id, 1).next_page_token

    for wrong_user, wrong_token in ((client.new_user(), token), (user_id, token[:-2] + "AA"), (user_id, "x")):
        with refused("INVALID_FIELD", field="page_token"):
            client.list_chats(wrong_user, 1, wrong_token)


def test_page_sizes_below_zero_are_refused_and_huge_ones_are_cut(client: ChatClient, user_id: str) -> None:
    with refused("INVALID_FIELD", field="page_size"):
        client.list_chats(user_id, -1)

    assert not client.list_chats(user_id, 2**31 - 1).chats


def test_chats_with_very_many_long_names_come_in_pages_that_fit_a_message(
    client: ChatClient, user_id: str, chat_database: Connection, chat_settings: ChatSettings
) -> None:
    imported = [client.import_file(export(2), user_id=user_id).chat_id for _ in range(40)]
    # given chats whose names alone would fill twice what one message may hold
    with chat_database.cursor() as cursor:
        cursor.execute(
            "UPDATE chats SET participants = jsonb_build_array(jsonb_build_array(repeat('x', 200000), 1))"
            " WHERE user_id = %s",
            (user_id,),
        )

    first = client.list_chats(user_id, 1_000)

    assert first.ByteSize() < chat_settings.rpc_max_message_bytes
    listed = [chat.chat_id for chat in first.chats]
    token = first.next_page_token
    while token:
        page = client.list_chats(user_id, 1_000, token)
        listed += [chat.chat_id for chat in page.chats]
        token = page.next_page_token
    assert listed == imported[::-1]
