"""Every format through ImportChat: what is stored of it, and how a file that is none is refused."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from chat_service.settings import ChatSettings
from protos.chat.v1 import chat_pb2
from servicekit.error_room import JsonValue, Listed
from servicekit.errors import ServiceError
from tests.chat_service.clients import ChatClient, export, refused, served
from tests.chat_service.conftest import Connection
from tests.chat_service.parsers.test_archives import IOS, archive, overlapping, threads
from tests.chat_service.parsers.test_exports import EXPORTS, FILES, content_of

ACCOUNT = (EXPORTS / "telegram_account.json").read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_an_export_of_any_platform_becomes_a_chat(client: ChatClient, user_id: str, name: str) -> None:
    expected = json.loads((EXPORTS / f"{name}.expected.json").read_text())

    chat = client.import_file(content_of(name), user_id=user_id, file_name="upload")

    assert chat_pb2.ChatFormat.Name(chat.format) == f"CHAT_FORMAT_{expected['format']}"
    assert chat.display_name == (expected["chat_name"] or "upload")
    assert chat.time_zone == expected["time_zone"]
    assert list(chat.import_report.skipped) == expected["skipped"]
    assert chat.import_report.skipped_count == len(expected["skipped"])
    stored = [
        [message.author if message.HasField("author") else None, message.sent_local_time, message.body]
        for message in client.all_messages(user_id, chat.chat_id)
    ]
    assert stored == [[author, time, body] for author, time, _, body, *_ in expected["messages"]]
    assert client.get(user_id, chat.chat_id) == chat


def test_local_times_are_those_of_the_zone_that_was_given(client: ChatClient, user_id: str) -> None:
    chat = client.import_file(content_of("messenger"), user_id=user_id, time_zone="Asia/Tokyo")

    assert (chat.time_zone, chat.first_message_local_time) == ("Asia/Tokyo", "2024-01-01T19:03:00")


def test_a_given_name_wins_over_that_of_the_export(client: ChatClient, user_id: str) -> None:
    chat = client.import_file(content_of("discord"), user_id=user_id, display_name="Us")

    assert chat.display_name == "Us"


def test_a_header_of_before_there_was_a_choice_is_the_same_as_one_without_it(
    client: ChatClient, user_id: str, chat_database: Connection
) -> None:
    header = {"user_id": user_id, "request_id": str(uuid.uuid4())}
    first = client.import_file(export(2), **header)
    with chat_database.cursor() as cursor:
        cursor.execute(
            "UPDATE chats SET import_header = import_header - 'export_chat' WHERE user_id = %s", (user_id,)
        )

    assert client.import_file(export(2), **header) == first
    with refused("REQUEST_ID_REUSED", field="export_chat"):
        client.import_file(export(2), **header, export_chat="x")


def test_a_file_with_two_readings_of_its_dates_says_that_it_was_guessed(
    client: ChatClient, user_id: str
) -> None:
    content = b"02/03/2024, 10:00 - Anna: hi\n"

    guessed = client.import_file(content, user_id=user_id).import_report
    given = client.import_file(
        content, user_id=user_id, date_order=chat_pb2.DATE_ORDER_MONTH_FIRST
    ).import_report

    assert (guessed.date_order, guessed.date_order_guessed) == (chat_pb2.DATE_ORDER_DAY_FIRST, True)
    assert (given.date_order, given.date_order_guessed) == (chat_pb2.DATE_ORDER_MONTH_FIRST, False)


def test_lines_before_the_first_message_are_reported(client: ChatClient, user_id: str) -> None:
    report = client.import_file(b"My holiday\n\nin full\n" + export(1), user_id=user_id).import_report

    assert (report.skipped_count, list(report.skipped)) == (2, ["line 1: My holiday", "line 3: in full"])


def test_the_chats_to_choose_from_are_in_the_error(client: ChatClient, user_id: str) -> None:
    offered: list[JsonValue] = [
        {"id": "22", "name": "Bert", "message_count": 2},
        {"id": "11", "name": "saved messages", "message_count": 1},
        {"id": "99", "name": "Bert", "message_count": 1},
    ]
    with pytest.raises(ServiceError) as raised:
        client.import_file(ACCOUNT, user_id=user_id, file_name="result.json")
    error = raised.value
    assert (error.reason, error.metadata["file_name"]) == ("IMPORT_CHOOSE_CHAT", "result.json")
    assert error.lists == {"chats": Listed(tuple(offered))}
    # and so they are for callers in other languages
    assert json.loads(error.metadata["chats"]) == offered
    assert (error.metadata["chat_count"], error.metadata["chats_left_out"]) == ("3", "0")

    chat = client.import_file(ACCOUNT, user_id=user_id, file_name="result.json", export_chat="22")
    assert (chat.display_name, chat.message_count) == ("Bert", 2)


def test_a_thread_of_a_download_is_chosen_by_its_folder(client: ChatClient, user_id: str) -> None:
    chat = client.import_file(threads(), user_id=user_id, file_name="meta.zip", export_chat="inbox/b_2")

    assert (chat.display_name, chat.format) == ("mia.🌻", chat_pb2.CHAT_FORMAT_INSTAGRAM_JSON)


def test_a_chat_in_an_archive_is_named_after_the_archive(client: ChatClient, user_id: str) -> None:
    chat = client.import_file(
        archive({"_chat.txt": IOS}), user_id=user_id, file_name="WhatsApp Chat - Anna.zip"
    )

    assert (chat.display_name, chat.message_count) == ("Anna", 1)


@pytest.fixture(scope="module")
def small(chat_settings: ChatSettings) -> Iterator[ChatClient]:
    """A client of a service with small limits for archives."""
    limits = {"import_zip_max_entries": 10, "import_zip_max_unpacked_bytes": 3 << 20}
    with served(chat_settings.model_copy(update=limits)) as client:
        yield client


REFUSED: dict[str, tuple[bytes, str, dict[str, Any]]] = {
    "a bomb": (
        archive({"_chat.txt": IOS + b"0" * (2 << 20)}),
        "IMPORT_TOO_LARGE",
        {"unit": "times its packed size", "limit": 250},
    ),
    "a large unpacked size": (
        archive({"_chat.txt": IOS, "a.bin": bytes(range(256)) * 4_200, "b.bin": bytes(range(255)) * 9_000}),
        "IMPORT_TOO_LARGE",
        {"unit": "bytes unpacked", "limit": 3 << 20},
    ),
    "many entries": (
        archive({"_chat.txt": IOS} | {str(n): b"" for n in range(10)}),
        "IMPORT_TOO_LARGE",
        {"unit": "entries", "size": 11, "limit": 10},
    ),
    "entries that overlap": (overlapping(), "IMPORT_UNREADABLE", {"line": 0}),
    "no chat": (archive({"a.jpg": b"x"}), "IMPORT_UNREADABLE", {"line": 0}),
    "damaged JSON": (content_of("discord")[:-9], "IMPORT_UNREADABLE", {"line": 46}),
}


@pytest.mark.parametrize(("content", "reason", "metadata"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_imported_says_why_and_leaves_nothing(
    small: ChatClient,
    chat_database: Connection,
    content: bytes,
    reason: str,
    metadata: dict[str, object],
) -> None:
    user_id = small.new_user()
    with refused(reason, file_name="x.zip", **metadata):
        small.import_file(content, user_id=user_id, file_name="x.zip")

    with chat_database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM messages WHERE user_id = %s", (user_id,))
        assert cursor.fetchone() == (0,)
