"""ListMessages and StreamMessages over gRPC."""

import uuid
from typing import Any

import pytest

from protos.chat.v1 import chat_pb2
from tests.chat_service.clients import ChatClient, export, refused

TEXT = """\
01/03/2024, 10:00 - Anna created group "Trip"
01/03/2024, 10:01 - Anna: Grüße aus MÜNCHEN 🍀
01/03/2024, 10:02 - Bert: 100% sure?
and a second line
01/03/2024, 10:03 - Anna: file_name
01/03/2024, 10:04 - Bert: IMG-20240301-WA0001.jpg (file attached)
01/03/2024, 10:05 - Anna: filename <This message was edited>
01/03/2024, 10:06 - Bert: a\\b
""".encode()


@pytest.fixture
def chat(client: ChatClient, user_id: str) -> chat_pb2.Chat:
    return client.import_file(TEXT, user_id=user_id)


def positions(client: ChatClient, chat: chat_pb2.Chat, **wanted: Any) -> list[int]:
    return [
        message.position for message in client.list_messages(chat.user_id, chat.chat_id, **wanted).messages
    ]


def test_messages_are_listed_as_the_file_has_them(client: ChatClient, chat: chat_pb2.Chat) -> None:
    messages = client.list_messages(chat.user_id, chat.chat_id).messages

    assert [message.position for message in messages] == [1, 2, 3, 4, 5, 6, 7]
    system, greeting, two_lines, _, photo, edited, _ = messages
    assert not system.HasField("author")
    assert system.kind == chat_pb2.MESSAGE_KIND_SYSTEM
    assert (greeting.author, greeting.body) == ("Anna", "Grüße aus MÜNCHEN 🍀")
    assert greeting.sent_local_time == "2024-03-01T10:01:00"
    assert two_lines.body == "100% sure?\nand a second line"
    assert photo.kind == chat_pb2.MESSAGE_KIND_IMAGE
    assert photo.attachment_name == "IMG-20240301-WA0001.jpg"
    assert (edited.body, edited.edited, greeting.edited) == ("filename", True, False)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2, 3, 4, 5, 6, 7]),
        ("münchen", [2]),
        ("GRÜSSE", []),
        ("FILENAME", [6]),
        ("100%", [3]),
        ("%", [3]),
        ("file_name", [4]),
        ("_", [4]),
        ("\\", [7]),
        ("/", []),
        ("?\nand", [3]),
        ("🍀", [2]),
        ("' OR 1=1 --", []),
    ],
)
def test_a_query_finds_the_text_itself_with_case_ignored(
    client: ChatClient, chat: chat_pb2.Chat, query: str, found: list[int]
) -> None:
    assert positions(client, chat, query=query) == found


def test_an_author_is_matched_exactly(client: ChatClient, chat: chat_pb2.Chat) -> None:
    assert positions(client, chat, author="Anna") == [2, 4, 6]
    assert positions(client, chat, author="anna") == []
    assert positions(client, chat, author="Anna", query="file") == [4, 6]


def test_pages_of_found_messages_hold_each_of_them_once(client: ChatClient, user_id: str) -> None:
    chat = client.import_file(export(100), user_id=user_id)

    found, token = [], ""
    while True:
        page = client.list_messages(
            user_id, chat.chat_id, author="Bert", query="message", page_size=7, page_token=token
        )
        assert len(page.messages) <= 7
        found += [message.position for message in page.messages]
        token = page.next_page_token
        if not token:
            break

    assert found == list(range(2, 101, 2))


def test_a_page_token_belongs_to_its_query(client: ChatClient, chat: chat_pb2.Chat) -> None:
    token = client.list_messages(chat.user_id, chat.chat_id, author="Anna", page_size=1).next_page_token

    for other in ({}, {"author": "Bert"}, {"author": "Anna", "query": "a"}):
        with refused("INVALID_FIELD", field="page_token"):
            client.list_messages(chat.user_id, chat.chat_id, page_token=token, **other)


@pytest.mark.parametrize(
    ("wanted", "wrong"),
    [
        ({"page_size": -1}, "page_size"),
        ({"query": "x" * 257}, "query"),
        ({"query": "a\x00"}, "query"),
        ({"author": "a\x00"}, "author"),
        ({"page_token": "x"}, "page_token"),
    ],
)
def test_malformed_filters_are_refused(
    client: ChatClient, chat: chat_pb2.Chat, wanted: dict[str, Any], wrong: str
) -> None:
    with refused("INVALID_FIELD", field=wrong):
        client.list_messages(chat.user_id, chat.chat_id, **wanted)


def test_a_huge_page_size_gives_a_thousand(client: ChatClient, user_id: str) -> None:
    chat = client.import_file(export(1_001), user_id=user_id)

    page = client.list_messages(user_id, chat.chat_id, page_size=2**31 - 1)

    assert len(page.messages) == 1_000
    assert page.next_page_token


def test_the_stream_brings_every_message_once_in_order(client: ChatClient, user_id: str) -> None:
    chat = client.import_file(export(2_500), user_id=user_id)

    batches = list(client.stream(chat_pb2.StreamMessagesRequest(user_id=user_id, chat_id=chat.chat_id)))

    assert all(1 <= len(batch.messages) <= 1_000 for batch in batches)
    messages = [message for batch in batches for message in batch.messages]
    assert [message.position for message in messages] == list(range(1, 2_501))
    assert messages[-1].body == "message 2500"


@pytest.mark.parametrize(("after", "left"), [(0, 1_000), (1, 999), (999, 1), (1_000, 0), (2**62, 0)])
def test_the_stream_begins_after_a_position(client: ChatClient, user_id: str, after: int, left: int) -> None:
    chat = client.import_file(export(1_000), user_id=user_id)

    assert len(client.all_messages(user_id, chat.chat_id, after)) == left


def test_a_position_below_zero_is_refused(client: ChatClient, chat: chat_pb2.Chat) -> None:
    with refused("INVALID_FIELD", field="after_position"):
        client.all_messages(chat.user_id, chat.chat_id, -1)


def test_a_chat_deleted_in_the_middle_of_its_stream_is_not_found(client: ChatClient, user_id: str) -> None:
    # given a chat that is too large for the buffers between the server and a client that does not read
    body = "x" * 4_000
    lines = (f"01/03/2024, 10:00 - Anna: {body}\n" for _ in range(10_000))
    chat = client.import_file("".join(lines).encode(), user_id=user_id)
    stream = client.stream(chat_pb2.StreamMessagesRequest(user_id=user_id, chat_id=chat.chat_id))

    first = next(stream)
    client.delete(user_id, chat.chat_id)

    assert first.messages[0].position == 1
    with refused("CHAT_NOT_FOUND", chat_id=chat.chat_id):
        list(stream)


def test_messages_of_the_largest_size_come_in_answers_that_fit_a_message(
    client: ChatClient, user_id: str
) -> None:
    body = "🍀" * 260_000
    lines = (f"01/03/2024, 10:{index:02} - Anna: {body}\n" for index in range(10))
    chat = client.import_file("".join(lines).encode(), user_id=user_id)

    streamed = client.all_messages(user_id, chat.chat_id)
    listed: list[chat_pb2.Message] = []
    token = ""
    while True:
        page = client.list_messages(user_id, chat.chat_id, page_size=1_000, page_token=token)
        listed += page.messages
        token = page.next_page_token
        if not token:
            break

    assert [message.body == body for message in streamed] == [True] * 10
    assert listed == streamed


def test_messages_of_an_unknown_chat_are_not_found_rather_than_none(client: ChatClient, user_id: str) -> None:
    with refused("CHAT_NOT_FOUND"):
        client.list_messages(user_id, str(uuid.uuid4()), query="x")
