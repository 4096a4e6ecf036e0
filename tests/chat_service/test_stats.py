"""The free statistics of a chat: counted while its messages go by, and told to anybody who has its id."""

import runpy
import tracemalloc
import uuid
from datetime import datetime, timedelta

import pytest

from chat_service.bootstrap import MIGRATIONS
from chat_service.imports.stats import Stats
from chat_service.parsers import MessageBatch, MessageKind, ParsedMessage
from protos.chat.v1 import chat_pb2
from tests.chat_service.clients import ChatClient, refused
from tests.chat_service.conftest import Connection

MONDAY = datetime.fromisoformat("2024-03-04T23:59:59")
K = MessageKind


def counted(*messages: ParsedMessage) -> dict[str, object]:
    stats = Stats()
    # One at a time: batches of any size count the same.
    for message in messages:
        stats.add(MessageBatch.of([message]))
    together = Stats()
    together.add(MessageBatch.of(messages))
    assert together.as_row() == stats.as_row()
    return stats.as_row()


def sent(
    days: float, author: str | None = "Anna", kind: MessageKind = K.TEXT, **more: object
) -> ParsedMessage:
    given = {"body": "12345", **more}
    return ParsedMessage(author, MONDAY + timedelta(days=days), kind=kind, **given)  # type: ignore[arg-type]


def test_messages_are_counted_by_kind_weekday_and_hour() -> None:
    row = counted(
        sent(0),
        # A second later it is Tuesday, midnight.
        sent(1 / 86_400, edited=True),
        sent(6, kind=K.IMAGE, body=""),
        sent(7, author=None, kind=K.SYSTEM, body="You were added"),
    )

    assert row["kind_counts"] == {"1": 2, "2": 1, "3": 1}
    assert (row["authored_count"], row["edited_count"], row["character_count"]) == (3, 1, 10)
    assert row["weekday_counts"] == [1, 1, 0, 0, 0, 0, 1]
    assert row["hour_counts"] == [1] + [0] * 22 + [2]


@pytest.mark.parametrize(
    ("days", "active", "streak", "silence"),
    [
        ([0], 1, 1, 0),
        ([0, 0.00002, 0], 2, 2, 0),
        ([0, 1, 2, 5, 6], 5, 3, 2),
        # The order of the file does not matter.
        ([6, 2, 5, 1, 0], 5, 3, 2),
        ([0, 100], 2, 1, 99),
        (list(range(0, 800, 2)), 400, 1, 1),
        (list(range(800)), 800, 800, 0),
    ],
)
def test_days_are_counted_in_rows_and_gaps(days: list[float], active: int, streak: int, silence: int) -> None:
    row = counted(*map(sent, days))

    assert row["active_day_count"] == active
    assert row["longest_streak_day_count"] == streak
    assert row["longest_silence_day_count"] == silence


def test_a_chat_without_authors_has_no_days() -> None:
    row = counted(sent(0, author=None, kind=K.SYSTEM))

    assert (row["active_day_count"], row["longest_streak_day_count"], row["character_count"]) == (0, 0, 0)


def test_memory_does_not_grow_with_the_days() -> None:
    # Given messages of so many days that a set of them would take megabytes
    first = datetime.min  # noqa: DTZ901  # exports have no zone
    messages = [ParsedMessage("A", first + timedelta(days=15 * n), "") for n in range(240_000)]
    batches = [MessageBatch.of(messages[start : start + 1_000]) for start in range(0, len(messages), 1_000)]

    tracemalloc.start()
    stats = Stats()
    for batch in batches:
        stats.add(batch)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert stats.as_row()["active_day_count"] == 240_000
    # Servers that other tests keep running in this process allocate meanwhile too.
    assert peak_bytes < 6_000_000


# Over gRPC.

CONTENT = "".join(
    f"{day:02}/03/2024, {hour:02}:00 - {line}\n"
    for day, hour, line in [
        (13, 9, "Anna: a secret"),
        (13, 10, "Bert: <Media omitted>"),
        (14, 10, "Anna: x <This message was edited>"),
        (20, 23, "Anna: y"),
        (20, 23, "Bert changed the group description"),
    ]
).encode()


def stats_of(client: ChatClient, chat_id: str) -> chat_pb2.ChatStats:
    request = chat_pb2.GetChatStatsRequest(chat_id=chat_id)
    stats: chat_pb2.ChatStats = client.call(client.chats.GetChatStats, request).stats
    return stats


def test_anybody_who_has_the_id_is_told_counts_and_nothing_else(client: ChatClient, user_id: str) -> None:
    chat = client.import_file(CONTENT, user_id=user_id, display_name="Our names")

    stats = stats_of(client, chat.chat_id)

    assert (stats.chat_id, stats.message_count, stats.authored_count) == (chat.chat_id, 5, 4)
    assert (stats.participant_count, stats.edited_count) == (2, 1)
    assert {chat_pb2.MessageKind.Name(each.kind): each.count for each in stats.kind_counts} == {
        "MESSAGE_KIND_TEXT": 3,
        "MESSAGE_KIND_SYSTEM": 1,
        "MESSAGE_KIND_OTHER": 1,
    }
    assert (stats.first_day, stats.last_day) == ("2024-03-13", "2024-03-20")
    assert (stats.active_day_count, stats.longest_streak_day_count) == (3, 2)
    assert stats.longest_silence_day_count == 5
    assert list(stats.weekday_counts) == [0, 0, 3, 1, 0, 0, 0]
    assert [hour for hour, count in enumerate(stats.hour_counts) if count] == [9, 10, 23]
    told = str(stats)
    assert not any(word in told for word in ("Anna", "Bert", "secret", "Our names", user_id))


def test_a_deleted_chat_has_no_statistics_until_it_is_back(client: ChatClient, user_id: str) -> None:
    chat = client.import_file(CONTENT, user_id=user_id)
    before = stats_of(client, chat.chat_id)

    client.delete(user_id, chat.chat_id)
    with refused("CHAT_NOT_FOUND", chat_id=chat.chat_id):
        stats_of(client, chat.chat_id)

    client.undelete(user_id, chat.chat_id)
    assert stats_of(client, chat.chat_id) == before


def test_unknown_and_malformed_ids_are_refused(client: ChatClient) -> None:
    with refused("CHAT_NOT_FOUND"):
        stats_of(client, str(uuid.uuid4()))
    with refused("INVALID_FIELD", field="chat_id"):
        stats_of(client, "1")


def test_the_migration_counts_earlier_chats_as_the_import_does(
    client: ChatClient, user_id: str, chat_database: Connection
) -> None:
    # Given chats of before the statistics, among them one that has nothing but a system line
    contents = [CONTENT, CONTENT * 2, b"13/03/2024, 09:00 - Bert changed the group description\n"]
    chats = [client.import_file(content, user_id=user_id).chat_id for content in contents]
    before = [stats_of(client, chat) for chat in chats]
    migration = runpy.run_path(str(MIGRATIONS / "versions" / "0003_import_report_and_stats.py"))
    with chat_database.cursor() as cursor:
        cursor.execute("UPDATE chats SET stats = '{}' WHERE user_id = %s", (user_id,))

        # When the migration counts them
        cursor.execute(migration["_COUNT_EARLIER_CHATS"])

    # Then it counts the same
    assert [stats_of(client, chat) for chat in chats] == before
