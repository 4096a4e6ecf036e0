"""ImportChat over gRPC: what arrives is stored as a whole, once."""

import io
import tempfile
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chat_service.settings import ChatSettings
from protos.chat.v1 import chat_pb2
from servicekit.errors import ServiceError
from tests.chat_service.accounts import long_thread
from tests.chat_service.clients import (
    ChatClient,
    export,
    header_part,
    parts,
    refused,
    served,
    upload,
)
from tests.chat_service.conftest import Connection


def rows_of(database: Connection, user_id: str) -> tuple[int, int]:
    """Count the chats and the messages of a user, deleted or not."""
    with database.cursor() as cursor:
        counts = []
        for table in ("chats", "messages"):
            cursor.execute(f"SELECT count(*) FROM {table} WHERE user_id = %s", (user_id,))
            row = cursor.fetchone()
            assert row is not None
            counts.append(int(row[0]))
    return counts[0], counts[1]


def zipped(encrypted: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("_chat.txt", export(3))
    content = bytearray(buffer.getvalue())
    content[6] |= int(encrypted)
    return bytes(content)


def send(client: ChatClient, stream: Iterable[chat_pb2.ImportChatRequest]) -> chat_pb2.Chat:
    chat: chat_pb2.Chat = client.call(client.chats.ImportChat, iter(stream)).chat
    return chat


def test_an_export_becomes_a_chat(client: ChatClient, user_id: str) -> None:
    content = export(5, ["Anna", "Bert", "Anna"]).replace(
        b"message 2", b"Gr\xc3\xbc\xc3\x9fe \xf0\x9f\x8d\x80"
    )

    chat = client.import_file(content, user_id=user_id, time_zone="Europe/Berlin")

    uuid.UUID(chat.chat_id)
    assert (chat.user_id, chat.file_name) == (user_id, "WhatsApp Chat with Anna.txt")
    assert (chat.display_name, chat.time_zone) == ("Anna", "Europe/Berlin")
    assert chat.format == chat_pb2.CHAT_FORMAT_WHATSAPP_TEXT
    assert chat.state == chat_pb2.CHAT_STATE_READY
    assert chat.message_count == 5
    assert [(person.name, person.message_count) for person in chat.participants] == [("Anna", 3), ("Bert", 2)]
    assert chat.participant_count == 2
    assert chat.first_message_local_time == "2024-03-01T00:00:00"
    assert chat.last_message_local_time == "2024-03-01T00:04:00"
    assert client.all_messages(user_id, chat.chat_id)[1].body == "Grüße 🍀"


@pytest.mark.parametrize(
    ("file_name", "display_name"),
    [
        ("WhatsApp Chat mit Familie Müller.txt", "Familie Müller"),
        ("WhatsApp Chat - Anna.zip", "Anna"),
        ("Chat de WhatsApp con Ana.txt", "Ana"),
        ("与小明的 WhatsApp 聊天.txt", "小明"),
        ("holiday 2024.txt", "holiday 2024"),
        ("_chat.txt", "Chat"),
        (".txt", "Chat"),
    ],
)
def test_a_chat_without_a_given_name_is_named_after_its_file(
    client: ChatClient, user_id: str, file_name: str, display_name: str
) -> None:
    chat = client.import_file(export(2), user_id=user_id, file_name=file_name)

    assert (chat.file_name, chat.display_name) == (file_name, display_name)


def test_a_given_name_wins(client: ChatClient, user_id: str) -> None:
    assert client.import_file(export(2), user_id=user_id, display_name="Us").display_name == "Us"


def test_the_caller_decides_which_number_is_the_day(client: ChatClient, user_id: str) -> None:
    content = b"02/03/2024, 10:00 - Anna: hi\n02/03/2024, 10:01 - Bert: ho\n"

    day_first = client.import_file(content, user_id=user_id, date_order=chat_pb2.DATE_ORDER_DAY_FIRST)
    month_first = client.import_file(content, user_id=user_id, date_order=chat_pb2.DATE_ORDER_MONTH_FIRST)

    assert day_first.first_message_local_time == "2024-03-02T10:00:00"
    assert month_first.first_message_local_time == "2024-02-03T10:00:00"


def test_participants_are_sorted_by_messages_and_cut_at_a_thousand(client: ChatClient, user_id: str) -> None:
    authors = [f"author {number:04}" for number in range(1_005)]

    chat = client.import_file(export(1_006, authors), user_id=user_id)

    assert chat.participant_count == 1_005
    assert len(chat.participants) == 1_000
    assert [(each.name, each.message_count) for each in chat.participants[:2]] == [
        ("author 0000", 2),
        ("author 0001", 1),
    ]


def test_a_repeated_import_answers_the_chat_of_the_first(
    client: ChatClient, user_id: str, chat_database: Connection
) -> None:
    header = {"user_id": user_id, "request_id": str(uuid.uuid4())}
    first = client.import_file(export(100), **header)

    again = client.import_file(export(100), **header)

    assert again == first
    assert rows_of(chat_database, user_id) == (1, 100)


def test_a_repeated_import_answers_the_chat_as_it_is_now(client: ChatClient, user_id: str) -> None:
    header = {"user_id": user_id, "request_id": str(uuid.uuid4())}
    first = client.import_file(export(3), **header)
    deleted = client.delete(user_id, first.chat_id)

    assert client.import_file(export(3), **header) == deleted


def test_ten_same_imports_at_once_make_one_chat(
    client: ChatClient, user_id: str, chat_database: Connection
) -> None:
    header = {"user_id": user_id, "request_id": str(uuid.uuid4())}
    content = export(2_000)

    with ThreadPoolExecutor(10) as pool:
        chats = list(pool.map(lambda _: client.import_file(content, **header), range(10)))

    assert all(chat == chats[0] for chat in chats)
    assert rows_of(chat_database, user_id) == (1, 2_000)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"file_name": "other.txt"}, "file_name"),
        ({"display_name": "Other"}, "display_name"),
        ({"format": chat_pb2.CHAT_FORMAT_WHATSAPP_TEXT}, "format"),
        ({"date_order": chat_pb2.DATE_ORDER_DAY_FIRST}, "date_order"),
        ({"time_zone": "UTC"}, "time_zone"),
        ({"export_chat": "Anna"}, "export_chat"),
    ],
)
def test_another_header_under_a_used_request_id_is_refused(
    client: ChatClient, user_id: str, changed: dict[str, Any], field: str
) -> None:
    header = {"user_id": user_id, "request_id": str(uuid.uuid4())}
    client.import_file(export(2), **header)

    with refused("REQUEST_ID_REUSED", request_id=header["request_id"], field=field):
        client.import_file(export(2), **header, **changed)


def test_another_file_under_a_used_request_id_is_refused(client: ChatClient, user_id: str) -> None:
    header = {"user_id": user_id, "request_id": str(uuid.uuid4())}
    client.import_file(export(2), **header)

    with refused("REQUEST_ID_REUSED", field="chunk"):
        client.import_file(export(3), **header)


def test_two_files_at_once_under_one_request_id_make_one_chat_and_one_refusal(
    client: ChatClient, user_id: str, chat_database: Connection
) -> None:
    header = {"user_id": user_id, "request_id": str(uuid.uuid4())}

    def attempt(count: int) -> str:
        try:
            return f"{client.import_file(export(count), **header).message_count}"
        except ServiceError as error:
            return error.reason

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(attempt, (1_000, 1_001)))

    assert outcomes[1] == "REQUEST_ID_REUSED"
    assert rows_of(chat_database, user_id) == (1, int(outcomes[0]))


def test_a_request_id_belongs_to_one_user(client: ChatClient, user_id: str) -> None:
    request_id = str(uuid.uuid4())
    first = client.import_file(export(2), user_id=user_id, request_id=request_id)

    other = client.import_file(export(3), user_id=client.new_user(), request_id=request_id)

    assert other.chat_id != first.chat_id


def test_the_request_id_of_a_failed_import_can_be_used_again(client: ChatClient, user_id: str) -> None:
    header = {"user_id": user_id, "request_id": str(uuid.uuid4())}
    with refused("IMPORT_UNREADABLE"):
        client.import_file(b"no chat at all", **header)

    assert client.import_file(export(2), **header).message_count == 2


UNREADABLE = {
    "an empty stream": b"",
    "an empty line": b"\n",
    "prose": b"Dear Anna,\nhow are you?\n",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 64,
    "NUL bytes": b"\x00" * 5_000,
    "Latin-1": "01/03/2024, 10:00 - Anna: Grüße\n".encode("latin-1"),
    "a ZIP archive that was cut off": zipped()[:-30],
    "a database": b"SQLite format 3\x00" + b"\x00" * 100,
    "JSON": b'{"messages": []}',
    "dates that are none": b"99/99/2024, 10:00 - Anna: hi\n",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_no_export_is_refused_and_nothing_is_stored(
    client: ChatClient, user_id: str, chat_database: Connection, content: bytes
) -> None:
    with refused("IMPORT_UNREADABLE", file_name="x.txt"):
        client.import_file(content, user_id=user_id, file_name="x.txt")

    assert rows_of(chat_database, user_id) == (0, 0)


def test_an_encrypted_file_is_told_apart(client: ChatClient, user_id: str) -> None:
    with refused("IMPORT_ENCRYPTED", file_name="x.zip"):
        client.import_file(zipped(encrypted=True), user_id=user_id, file_name="x.zip")


@pytest.mark.parametrize("damage", [b"\xff\xfe broken", b"a\x00b"])
def test_a_broken_line_ten_thousand_is_named_and_nothing_of_the_file_is_stored(
    client: ChatClient, user_id: str, chat_database: Connection, damage: bytes
) -> None:
    lines = export(20_000).splitlines(keepends=True)
    lines[9_999] = lines[9_999].rstrip(b"\n") + damage + b"\n"

    with refused("IMPORT_UNREADABLE", line=10_000):
        client.import_file(b"".join(lines), user_id=user_id)

    assert rows_of(chat_database, user_id) == (0, 0)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"user_id": ""}, "user_id"),
        ({"user_id": "x" * 129}, "user_id"),
        ({"file_name": ""}, "file_name"),
        ({"file_name": "x" * 256}, "file_name"),
        ({"file_name": "../etc/passwd"}, "file_name"),
        ({"file_name": "C:\\chat.txt"}, "file_name"),
        ({"file_name": "a\x00.txt"}, "file_name"),
        ({"display_name": "x" * 257}, "display_name"),
        ({"format": 99}, "format"),
        ({"date_order": 7}, "date_order"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"request_id": ""}, "request_id"),
        ({"request_id": "1"}, "request_id"),
    ],
)
def test_a_malformed_header_is_refused(
    client: ChatClient, user_id: str, fields: dict[str, Any], wrong: str
) -> None:
    with refused("INVALID_FIELD", field=wrong):
        client.import_file(export(2), **{"user_id": user_id, **fields})


def test_a_user_nobody_stored_cannot_import(client: ChatClient) -> None:
    with refused("USER_NOT_FOUND", user_id="nobody"):
        client.import_file(export(2), user_id="nobody")


def streams() -> dict[str, tuple[list[chat_pb2.ImportChatRequest], str]]:
    chunk = chat_pb2.ImportChatRequest(chunk=export(2))
    header = header_part(user_id="replaced")
    return {
        "nothing": ([], "header"),
        "a chunk first": ([chunk, header], "header"),
        "an empty part first": ([chat_pb2.ImportChatRequest()], "header"),
        "two headers": ([header, chunk, header], "header"),
        "an empty part": ([header, chat_pb2.ImportChatRequest()], "part"),
        "an empty chunk": ([header, chat_pb2.ImportChatRequest(chunk=b"")], "chunk"),
        "a huge chunk": ([header, chat_pb2.ImportChatRequest(chunk=b"x" * ((1 << 20) + 1))], "chunk"),
    }


@pytest.mark.parametrize("name", streams())
def test_a_stream_of_another_order_is_refused(client: ChatClient, user_id: str, name: str) -> None:
    stream, wrong = streams()[name]
    for part in stream:
        if part.HasField("header"):
            part.header.user_id = user_id

    with refused("INVALID_FIELD", field=wrong):
        send(client, stream)


def test_the_largest_chunk_is_taken(client: ChatClient, user_id: str) -> None:
    content = export(40_000)[: 1 << 20]

    chat = send(client, parts(header_part(user_id=user_id), [content]))

    assert chat.message_count > 20_000


def test_a_file_over_the_limit_is_refused_as_soon_as_it_passes_it(
    chat_settings: ChatSettings, user_id: str, chat_database: Connection
) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1_000

    with served(chat_settings.model_copy(update={"import_max_bytes": 10_000})) as client:
        with refused("IMPORT_TOO_LARGE", size=11_000, limit=10_000, unit="bytes", file_name="x.txt"):
            send(client, parts(header_part(user_id=user_id, file_name="x.txt"), endless()))
        exact = export(300)[:9_999] + b"\n"
        assert send(client, upload(exact, user_id=user_id)).message_count > 100

    assert sent < 1_000_000
    assert rows_of(chat_database, user_id)[0] == 1


def test_more_messages_than_the_limit_are_refused_and_nothing_is_stored(
    chat_settings: ChatSettings, user_id: str, chat_database: Connection
) -> None:
    with served(chat_settings.model_copy(update={"import_max_messages": 5_000})) as client:
        with refused("IMPORT_TOO_LARGE", limit=5_000, unit="messages"):
            client.import_file(export(5_001), user_id=user_id)
        assert rows_of(chat_database, user_id) == (0, 0)
        assert client.import_file(export(5_000), user_id=user_id).message_count == 5_000


def test_a_line_over_the_limit_is_refused(client: ChatClient, user_id: str) -> None:
    content = export(3) + b"01/03/2024, 10:00 - Anna: " + b"x" * 300_000 + b"\n"

    with refused("IMPORT_UNREADABLE", line=4):
        client.import_file(content, user_id=user_id)


def test_chunks_may_cut_the_file_anywhere(client: ChatClient, user_id: str) -> None:
    content = "01/03/2024, 10:00 - Änna: 🍀\r\n01/03/2024, 10:01 - Bert: ü\r\n".encode()

    chat = send(
        client, parts(header_part(user_id=user_id), (content[i : i + 1] for i in range(len(content))))
    )

    messages = client.all_messages(user_id, chat.chat_id)
    assert [(message.author, message.body) for message in messages] == [("Änna", "🍀"), ("Bert", "ü")]


def test_the_temporary_file_is_gone_after_success_and_failure(
    chat_settings: ChatSettings, user_id: str, tmp_path: Any
) -> None:
    with served(chat_settings.model_copy(update={"import_spool_dir": tmp_path})) as client:
        client.import_file(export(10), user_id=user_id)
        with refused("IMPORT_UNREADABLE"):
            client.import_file(b"nothing", user_id=user_id)

        assert not list(tmp_path.iterdir())


def test_a_missing_disk_is_answered_as_unavailable(
    chat_settings: ChatSettings, user_id: str, tmp_path: Any
) -> None:
    missing = chat_settings.model_copy(update={"import_spool_dir": tmp_path / "missing"})

    with served(missing) as client, refused("UNAVAILABLE"):
        client.import_file(export(10), user_id=user_id)


class FullDisk:
    """Has the first temporary files on the disk, and those after them on the device that is always full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fit: int) -> None:
        self._real, self._left = tempfile.TemporaryFile, fit
        monkeypatch.setattr(tempfile, "TemporaryFile", self._file)

    def _file(self, *given: Any, **more: Any) -> Any:
        self._left -= 1
        if self._left >= 0:
            return self._real(*given, **more)
        # What is written there fails as it does on any full disk, at once or when a buffer is emptied.
        return open("/dev/full", "r+b", buffering=more.get("buffering", -1))


@pytest.mark.parametrize("count", [10, 20_000], ids=["a small file", "a large file"])
def test_a_full_disk_is_answered_as_unavailable_and_leaves_nothing(
    client: ChatClient,
    user_id: str,
    chat_database: Connection,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    FullDisk(monkeypatch, fit=0)

    with refused("UNAVAILABLE"):
        client.import_file(export(count), user_id=user_id)

    assert rows_of(chat_database, user_id) == (0, 0)


def test_a_disk_that_is_full_when_a_thread_is_turned_around_is_said_so_and_leaves_nothing(
    client: ChatClient, user_id: str, chat_database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a disk that takes the upload, and not what does not fit into memory while it is read
    FullDisk(monkeypatch, fit=1)

    with refused("UNAVAILABLE"):
        client.import_file(long_thread(), user_id=user_id, file_name="message_1.json")

    assert rows_of(chat_database, user_id) == (0, 0)


def test_a_long_thread_of_messenger_is_turned_around_in_the_directory_of_uploads(
    chat_settings: ChatSettings, user_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a system without a directory for temporary files, and a directory for uploads
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with served(chat_settings.model_copy(update={"import_spool_dir": tmp_path})) as client:
        # when a thread comes that does not fit into memory, newest message first
        chat = client.import_file(long_thread(), user_id=user_id, file_name="message_1.json")
        # then it is there, oldest first
        bodies = [message.body for message in client.all_messages(user_id, chat.chat_id)]
    assert [body.split()[0] for body in bodies] == [str(number) for number in range(12_000)]
    assert not list(tmp_path.iterdir())
