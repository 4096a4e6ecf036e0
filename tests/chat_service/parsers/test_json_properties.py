"""Conversations written as each platform writes them come back, and damaged files only ever are refused."""

import io
import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_service.parsers import ChatFormat, MessageKind, ParseOptions, UnreadableExport, open_export
from tests.chat_service.parsers.test_exports import FILES, content_of, read_export

START = datetime(2024, 3, 30, 12, tzinfo=UTC)
#: Nobody is called so that a name and a text look like a notice of Messenger.
NAMES = st.sampled_from(["Anna", "Bert Ünal", "🌻", "Ngọc: the 2nd", "~ x", "أحمد"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)


class Said(NamedTuple):
    """One message of a conversation."""

    author: str
    body: str
    moment: datetime


def conversation(turns: list[tuple[str, str, int]]) -> list[Said]:
    moment, said = START, []
    for author, body, gap_s in turns:
        said.append(Said(author, body, moment))
        moment += timedelta(seconds=gap_s)
    return said


def as_telegram(said: list[Said]) -> bytes:
    messages = [
        {
            "id": number,
            "type": "message",
            "date": "2000-01-01T00:00:00",
            "date_unixtime": str(int(each.moment.timestamp())),
            "from": each.author,
            "from_id": f"user{each.author}",
            # As a whole, or in pieces
            "text": each.body if number % 2 else [each.body[:1], {"type": "bold", "text": each.body[1:]}],
        }
        for number, each in enumerate(said)
    ]
    return json.dumps({"name": "x", "type": "private_group", "id": 1, "messages": messages}).encode()


def escaped(text: str) -> str:
    """Meta's spelling: the bytes of UTF-8, each as the Latin-1 character of that number."""
    return text.encode().decode("latin-1")


def as_messenger(said: list[Said]) -> bytes:
    """Several files of three messages, the first and in it the first being the newest."""
    newest_first = [
        {
            "sender_name": escaped(each.author),
            "timestamp_ms": int(each.moment.timestamp()) * 1000,
            "content": escaped(each.body),
        }
        for each in reversed(said)
    ]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for number, start in enumerate(range(0, len(newest_first), 3), 1):
            thread = {"participants": [], "messages": newest_first[start : start + 3], "title": "x"}
            file.writestr(f"inbox/x_1/message_{number}.json", json.dumps(thread))
    return archive.getvalue()


def as_encrypted_messenger(said: list[Said]) -> bytes:
    messages = [
        {"senderName": each.author, "timestamp": int(each.moment.timestamp()) * 1000, "text": each.body}
        for each in said
    ]
    thread = {"participants": ["x"], "threadName": "x_1", "messages": messages}
    return b"\xef\xbb\xbf" + json.dumps(thread, ensure_ascii=False).encode()


def as_discord(said: list[Said]) -> bytes:
    messages = [
        {
            "type": "Default",
            "timestamp": each.moment.isoformat(),
            "content": each.body,
            "author": {"id": each.author, "name": "x", "nickname": each.author},
        }
        for each in said
    ]
    return json.dumps({"guild": {"name": "g"}, "channel": {"name": "c"}, "messages": messages}).encode()


TURNS = st.lists(st.tuples(NAMES, TEXTS, st.integers(1, 90_000)), min_size=1, max_size=12)


@pytest.mark.parametrize("write", [as_telegram, as_messenger, as_encrypted_messenger, as_discord])
@settings(max_examples=25)
@given(turns=TURNS, time_zone=st.sampled_from(["UTC", "Europe/Berlin"]))
def test_a_written_conversation_comes_back(
    write: Callable[[list[Said]], bytes], turns: list[tuple[str, str, int]], time_zone: str
) -> None:
    said = conversation(turns)

    messages, report = read_export(write(said), ParseOptions(time_zone=time_zone))

    zone = {"UTC": UTC, "Europe/Berlin": None}[time_zone]
    assert [message.author for message in messages] == [each.author for each in said]
    assert [message.body for message in messages] == [each.body for each in said]
    assert {message.kind for message in messages} == {MessageKind.TEXT}
    assert report.skipped_line_count == 0
    if zone is not None:
        assert [message.sent_local_time.replace(tzinfo=UTC) for message in messages] == [
            each.moment for each in said
        ]


@pytest.mark.parametrize("write", [as_telegram, as_messenger, as_encrypted_messenger, as_discord])
def test_instants_around_a_change_of_clocks_are_local_times(write: Callable[[list[Said]], bytes]) -> None:
    # Given two messages an hour apart, in the night in which Berlin's clocks leave out 02:00 to 03:00
    said = [Said("Anna", "a", START + timedelta(hours=h)) for h in (12, 13)]

    messages, _ = read_export(write(said), ParseOptions(time_zone="Europe/Berlin"))

    assert [message.sent_local_time.hour for message in messages] == [1, 3]


# Damage.

SEEDS = {name: content_of(name) for name in FILES}


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=40)
@given(data=st.data())
def test_a_damaged_export_is_read_or_refused(name: str, data: st.DataObject) -> None:
    damaged = bytearray(SEEDS[name])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=6))
    for chat_format in (None, data.draw(st.sampled_from(ChatFormat))):
        with suppress(UnreadableExport):
            export = open_export(io.BytesIO(bytes(damaged)), ParseOptions(max_messages=50), chat_format)
            assert all("\0" not in message.body for message in export)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
ENTRIES = [
    entry
    for name in ("telegram_chat", "discord", "instagram", "messenger_encrypted")
    for entry in json.loads(SEEDS[name])["messages"]
    if isinstance(entry, dict)
]
FIELDS = sorted({key for entry in ENTRIES for key in entry})


@settings(max_examples=150)
@given(data=st.data())
def test_entries_with_fields_of_any_type_are_read_or_counted(data: st.DataObject) -> None:
    # Given entries of all platforms, in each of which a field is something else
    changed = [
        data.draw(st.sampled_from(ENTRIES)) | {data.draw(st.sampled_from(FIELDS)): data.draw(JSON)}
        for _ in range(3)
    ]
    content = json.dumps({"messages": changed, "participants": data.draw(JSON), "guild": data.draw(JSON)})

    for chat_format in ChatFormat:
        with suppress(UnreadableExport):
            messages, report = read_export(content.encode(), chat_format=chat_format)
            assert len(messages) + report.skipped_line_count == 3
