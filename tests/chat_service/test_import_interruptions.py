"""What is left of an import that is interrupted: nothing. The test holds a lock to stop it where it wants."""

import queue
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import psycopg2
import pytest

from chat_service.settings import ChatSettings
from protos.chat.v1 import chat_pb2
from servicekit.errors import ServiceError
from tests.chat_service.clients import ChatClient, export, header_part, parts, refused, served, upload
from tests.chat_service.conftest import Connection
from tests.chat_service.test_imports import rows_of
from tests.eventually import eventually


class SlowUpload:
    """A stream that the test feeds part by part."""

    def __init__(self, *first: chat_pb2.ImportChatRequest) -> None:
        self._parts: queue.SimpleQueue[chat_pb2.ImportChatRequest | None] = queue.SimpleQueue()
        self.taken = 0
        for part in first:
            self._parts.put(part)

    def end(self) -> None:
        self._parts.put(None)

    def __iter__(self) -> Iterator[chat_pb2.ImportChatRequest]:
        while (part := self._parts.get(timeout=60)) is not None:
            self.taken += 1
            yield part


def chunk(content: bytes) -> chat_pb2.ImportChatRequest:
    return chat_pb2.ImportChatRequest(chunk=content)


def waiting(database: Connection, like: str) -> list[int]:
    """The server processes of imports that wait for a lock in a statement like this."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
            " AND application_name = 'chat_service'",
            (like,),
        )
        return [row[0] for row in cursor.fetchall()]


def sessions_of_service(database: Connection) -> int:
    """The open transactions of the service that hold a lock on the table of messages."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE relation = 'messages'::regclass AND application_name = 'chat_service'"
        )
        row = cursor.fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def block_copy(chat_database: Connection) -> Iterator[Callable[[], None]]:
    """Keeps every COPY into the messages waiting until the returned function is called."""
    chat_database.autocommit = False
    with chat_database.cursor() as cursor:
        cursor.execute("LOCK TABLE messages IN SHARE MODE")
    yield chat_database.rollback
    chat_database.rollback()
    chat_database.autocommit = True


@pytest.fixture
def watcher(chat_settings: ChatSettings) -> Iterator[Connection]:
    """A second connection that sees what the service's sessions do."""
    connection = psycopg2.connect(chat_settings.chat_database_url)
    connection.autocommit = True
    yield connection
    connection.close()


def test_a_client_that_cancels_its_upload_leaves_nothing(
    client: ChatClient, user_id: str, chat_database: Connection
) -> None:
    stream = SlowUpload(header_part(user_id=user_id), chunk(export(1_000)))
    call = client.chats.ImportChat.future(iter(stream), timeout=60)
    eventually(lambda: stream.taken == 2)

    call.cancel()  # type: ignore[no-untyped-call]  # the stubs leave it untyped
    stream.end()

    assert rows_of(chat_database, user_id) == (0, 0)
    assert client.import_file(export(3), user_id=user_id).message_count == 3


def test_a_cancel_while_messages_are_being_stored_leaves_nothing(
    client: ChatClient,
    user_id: str,
    block_copy: Callable[[], None],
    watcher: Connection,
) -> None:
    header = {"user_id": user_id, "request_id": str(uuid.uuid4())}
    call = client.chats.ImportChat.future(upload(export(50_000), **header), timeout=60)
    eventually(lambda: waiting(watcher, "COPY %"))

    call.cancel()  # type: ignore[no-untyped-call]  # the stubs leave it untyped

    eventually(lambda: not waiting(watcher, "COPY %"))
    block_copy()
    eventually(lambda: sessions_of_service(watcher) == 0)
    assert rows_of(watcher, user_id) == (0, 0)
    # and the same request can be sent again
    assert client.import_file(export(50_000), **header).message_count == 50_000


def test_a_database_session_killed_while_it_stores_leaves_nothing_and_says_so(
    client: ChatClient,
    user_id: str,
    block_copy: Callable[[], None],
    watcher: Connection,
) -> None:
    header = {"user_id": user_id, "request_id": str(uuid.uuid4())}
    with ThreadPoolExecutor(1) as pool:
        importing = pool.submit(client.import_file, export(50_000), **header)
        session = eventually(lambda: waiting(watcher, "COPY %"))[0]

        with watcher.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", (session,))

        with refused("DATABASE_UNAVAILABLE"):
            importing.result(60)
    block_copy()
    assert rows_of(watcher, user_id) == (0, 0)
    assert client.import_file(export(50_000), **header).message_count == 50_000


def test_storing_that_takes_too_long_is_given_up_and_leaves_nothing(
    chat_settings: ChatSettings,
    user_id: str,
    block_copy: Callable[[], None],
    watcher: Connection,
) -> None:
    hasty = chat_settings.model_copy(update={"import_store_timeout_s": 0.5})

    with served(hasty) as client, refused("DEADLINE_EXCEEDED"):
        client.import_file(export(50_000), user_id=user_id)

    block_copy()
    assert rows_of(watcher, user_id) == (0, 0)


def test_the_same_import_waits_while_another_stores_it_and_gets_its_chat(
    client: ChatClient,
    user_id: str,
    block_copy: Callable[[], None],
    watcher: Connection,
) -> None:
    header = {"user_id": user_id, "request_id": str(uuid.uuid4())}
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.import_file, export(100), **header)
        eventually(lambda: waiting(watcher, "COPY %"))
        second = pool.submit(client.import_file, export(100), **header)
        eventually(lambda: waiting(watcher, "%pg_advisory_xact_lock%"))

        block_copy()

        assert first.result(60) == second.result(60)
    assert rows_of(watcher, user_id) == (1, 100)


def test_a_client_that_falls_silent_is_given_up(chat_settings: ChatSettings, user_id: str) -> None:
    impatient = chat_settings.model_copy(update={"import_idle_timeout_s": 0.2})
    stream = SlowUpload(header_part(user_id=user_id), chunk(export(10)))

    with served(impatient) as client, refused("DEADLINE_EXCEEDED"):
        client.call(client.chats.ImportChat, iter(stream))
    stream.end()


def test_a_client_that_never_begins_is_given_up(chat_settings: ChatSettings) -> None:
    impatient = chat_settings.model_copy(update={"import_idle_timeout_s": 0.2})
    stream = SlowUpload()

    with served(impatient) as client, refused("DEADLINE_EXCEEDED"):
        client.call(client.chats.ImportChat, iter(stream))
    stream.end()


def test_an_upload_that_drips_for_too_long_is_given_up(chat_settings: ChatSettings, user_id: str) -> None:
    impatient = chat_settings.model_copy(update={"import_upload_timeout_s": 0.5})

    with served(impatient) as client, refused("DEADLINE_EXCEEDED"):
        drops = parts(header_part(user_id=user_id), iter(lambda: b"x", b""))
        client.call(client.chats.ImportChat, drops)


def test_more_uploads_than_the_limit_are_rate_limited_and_one_that_ends_makes_room(
    chat_settings: ChatSettings, user_id: str
) -> None:
    single = chat_settings.model_copy(update={"import_max_concurrent": 1})
    with served(single) as client:
        stream = SlowUpload(header_part(user_id=user_id), chunk(export(10)))
        first = client.chats.ImportChat.future(iter(stream), timeout=60)
        eventually(lambda: stream.taken == 2)

        def limited() -> bool:
            try:
                client.import_file(export(1), user_id=user_id)
            except ServiceError as error:
                return error.reason == "RATE_LIMITED"
            return False

        eventually(limited)
        stream.end()
        assert first.result().chat.message_count == 10
        assert client.import_file(export(1), user_id=user_id).message_count == 1


def test_a_killed_connection_leaves_nothing(
    chat_app: Any, user_id: str, chat_database: Connection, client: ChatClient
) -> None:
    stream = SlowUpload(header_part(user_id=user_id), chunk(export(1_000)))
    with grpc.insecure_channel(chat_app.target) as channel:
        call = ChatClient(channel).chats.ImportChat.future(iter(stream), timeout=60)
        eventually(lambda: stream.taken == 2)
    stream.end()

    error = call.exception()
    assert isinstance(error, grpc.RpcError)
    assert error.code() == grpc.StatusCode.CANCELLED
    assert rows_of(chat_database, user_id) == (0, 0)
    assert not client.list_chats(user_id).chats
