"""What all exports in JSON have in common: streaming, limits, damage, and what is told about it."""

import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import pytest

from chat_service.parsers import (
    ChatFormat,
    OversizedExport,
    ParsedMessage,
    ParseOptions,
    SeveralChats,
    UnreadableExport,
    open_export,
    reversal,
)
from chat_service.parsers.entries import storable, whole_of
from tests.chat_service.parsers.test_exports import EXPORTS, read_export

ACCOUNT = (EXPORTS / "telegram_account.json").read_bytes()


def telegram(*messages: object, **fields: object) -> bytes:
    chat = {"name": "x", "type": "personal_chat", "id": 1, **fields, "messages": messages}
    return json.dumps(chat, indent=1).encode()


def said(text: object, **fields: object) -> dict[str, object]:
    at = "2024-01-01T10:00:00"
    return {
        "id": 1,
        "type": "message",
        "date": at,
        "from": "Anna",
        "from_id": "user1",
        "text": text,
        **fields,
    }


def meta(*messages: object, **fields: object) -> bytes:
    return json.dumps({"participants": [], "messages": messages, "title": "x", **fields}).encode()


def refusal_of(content: bytes, **options: Any) -> UnreadableExport:
    with pytest.raises(UnreadableExport) as raised:
        read_export(content, ParseOptions(**options))
    return raised.value


# Which chat of an account.


def test_an_account_lists_its_chats_that_have_messages() -> None:
    with pytest.raises(SeveralChats) as raised:
        read_export(ACCOUNT)

    assert [(chat.id, chat.name, chat.message_count) for chat in raised.value.chats] == [
        ("22", "Bert", 2),
        ("11", "saved messages", 1),
        ("99", "Bert", 1),
    ]


@pytest.mark.parametrize(
    ("wanted", "name", "texts"),
    [
        ("22", "Bert", ["hi", "ho"]),
        ("99", "Bert", ["bye"]),
        ("11", "", ["buy milk"]),
        ("saved messages", "", ["buy milk"]),
    ],
)
def test_a_chat_of_an_account_is_chosen_by_its_id_or_name(wanted: str, name: str, texts: list[str]) -> None:
    messages, report = read_export(ACCOUNT, ParseOptions(export_chat=wanted))

    assert [message.body for message in messages] == texts
    assert report.chat_name == name


def test_a_name_that_two_chats_have_is_no_choice() -> None:
    with pytest.raises(SeveralChats, match="2 chats of that name") as raised:
        read_export(ACCOUNT, ParseOptions(export_chat="Bert"))
    assert [chat.id for chat in raised.value.chats] == ["22", "99"]


@pytest.mark.parametrize("wanted", ["23", "Nobody", "4711", "bert"])
def test_what_no_chat_is_called_is_no_choice(wanted: str) -> None:
    with pytest.raises(SeveralChats, match="no chat of that id or name"):
        read_export(ACCOUNT, ParseOptions(export_chat=wanted))


def test_an_account_of_one_chat_needs_no_choice() -> None:
    one = json.dumps({"chats": {"list": [{"id": 7, "name": "A", "messages": [said("hi")]}]}}).encode()

    assert [message.body for message in read_export(one)[0]] == ["hi"]


def test_an_account_without_a_message_is_refused() -> None:
    assert "no message in the file" in str(refusal_of(b'{"chats": {"list": [{"id": 1, "messages": []}]}}'))


# What is not there, cut off, or not what it seems.


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (telegram(said("a"), said("b"))[:-30], 19, "the JSON ends in the middle: the file was cut off"),
        (b"{", 1, "the JSON ends in the middle: the file was cut off"),
        (b"{\n]", 2, "this is not valid JSON from here on"),
        (telegram(said("a")).replace(b'"Anna"', b"Anna"), 10, "this is not valid JSON from here on"),
        (telegram(said("a")) + b"\n{}", 16, "this is not valid JSON from here on"),
        # Behind the end, in a later block.
        (telegram(said("a")) + b" " * 100_000 + b"\n{}", 16, "this is not valid JSON from here on"),
        (telegram(said("a")).replace(b'"a"', b'"\xff"'), 12, "this is not valid JSON from here on"),
    ],
)
def test_what_is_no_json_is_refused_with_its_line(content: bytes, line: int, problem: str) -> None:
    error = refusal_of(content)

    assert (error.line, error.problem) == (line, problem)


def test_a_wrong_byte_far_behind_the_first_block_is_found() -> None:
    content = telegram(*[said("x" * 1_000) for _ in range(300)], said("y"))
    damaged = content.replace(b'"y"', b"y")

    assert refusal_of(damaged).line == content[: content.index(b'"y"')].count(b"\n") + 1


@pytest.mark.parametrize("content", [b"{}", b"[]", b"[{}]", b'{"messages": 5}', b'{"messages": []}'])
def test_json_that_is_no_chat_is_refused(content: bytes) -> None:
    assert "the format is not known" in str(refusal_of(content))


def test_entries_that_are_all_something_else_are_refused_with_the_first_of_them() -> None:
    error = refusal_of(telegram({"type": "message", "from_id": "user1"}, {"type": "message"}))

    assert error.problem.startswith(
        'no message in 2 entries; entry 1: expected a "date" or "date_unixtime"; '
    )
    assert "result.json of Telegram Desktop" in error.problem


def test_five_of_many_entries_that_are_no_messages_are_shown() -> None:
    _, report = read_export(telegram(said("hi"), *[{"type": "unsupported"}] * 10))

    assert report.skipped_line_count == 10
    assert len(report.skipped_lines) == 5
    assert report.skipped_lines[4].startswith("entry 6: ")


@pytest.mark.parametrize(
    "fields",
    [
        {"date": "2024-13-01T10:00:00"},
        {"date": 5},
        {"date": None},
        {"date": None, "date_unixtime": "soon"},
        {"date": None, "date_unixtime": True},
        {"date": None, "date_unixtime": 10**14},
        {"date": None, "date_unixtime": "9" * 40},
        {"from": "x" * 1_025},
        {"text": 5},
        {"text": [5]},
        {"text": [{"type": "bold"}]},
        {"type": 5},
    ],
)
def test_an_entry_of_wrong_types_is_counted(fields: dict[str, object]) -> None:
    messages, report = read_export(telegram(said("good"), said("bad") | fields))

    assert [message.body for message in messages] == ["good"]
    assert report.skipped_line_count == 1


@pytest.mark.parametrize("number", ["1E+999999999", "9" * 5_000, "-" + "1" * 100_000, "9223372036854775808"])
def test_a_number_that_no_machine_holds_is_refused(number: str) -> None:
    content = meta({"sender_name": "A", "timestamp_ms": 5, "content": "hi", "more": "NUMBER"})

    assert "not valid JSON" in str(refusal_of(content.replace(b'"NUMBER"', number.encode())))


def test_what_is_passed_on_in_discord_is_in_the_message() -> None:
    author = {"id": "1", "name": "anna"}
    passed = {"content": "the original", "attachments": [{"fileName": "a.png"}]}
    entries = [
        {
            "timestamp": "2024-01-01T10:00:00+00:00",
            "author": author,
            "content": own,
            "forwardedMessage": passed,
        }
        for own in ("", "see this")
    ]

    messages, _ = read_export(json.dumps({"guild": {}, "channel": {}, "messages": entries}).encode())

    assert [(message.body, message.attachment_name) for message in messages] == [
        ("the original", "a.png"),
        ("see this", ""),
    ]


# Texts that a database cannot keep.


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (r"a\u0000b", "a\ufffdb"),
        (r"a\ud800b", "a?b"),
        (r"\ud83d\ude00", "😀"),
        (r"e\u0301\u200d", "e\u0301\u200d"),
    ],
)
def test_texts_are_kept_but_for_what_cannot_be_stored(written: str, kept: str) -> None:
    content = telegram(said("TEXT", **{"from": "NAME"}))
    content = content.replace(b"TEXT", written.encode()).replace(b"NAME", written.encode())

    messages, _ = read_export(content)

    assert (messages[0].body, messages[0].author) == (kept, kept)


def test_what_another_parser_would_let_through_is_not_stored_either() -> None:
    assert storable("a\ud800b\0") == "a?b\ufffd"
    assert whole_of(float("inf")) is None


# Limits.


def test_more_messages_than_allowed_are_refused() -> None:
    assert len(read_export(telegram(*[said("a")] * 3), ParseOptions(max_messages=3))[0]) == 3

    error = refusal_of(telegram(*[said("a")] * 4), max_messages=3)
    assert isinstance(error, OversizedExport)
    assert (error.size, error.limit, error.unit) == (4, 3, "messages")
    # What is none counts too: a file of nothing else would keep a thread busy for minutes.
    assert isinstance(refusal_of(telegram(said("a"), 1, 2, 3), max_messages=3), OversizedExport)


def test_a_message_that_is_too_long_is_refused_with_its_place() -> None:
    assert read_export(telegram(said("x" * 100)), ParseOptions(max_message_chars=100))

    error = refusal_of(telegram(said("a"), said("x" * 101)), max_message_chars=100)
    assert error.problem == "entry 2: the message is longer than 100 characters"


def test_an_entry_that_is_nested_too_deep_is_refused() -> None:
    deep: list[object] = []
    for _ in range(65):
        deep = [deep]

    assert "nested more than 64 deep" in str(refusal_of(telegram(said("a", more=deep))))


def test_an_entry_of_too_many_values_is_refused() -> None:
    assert "more than 100,000 values" in str(refusal_of(telegram(said("a", more=[0] * 100_001))))


def test_a_text_without_an_end_is_refused() -> None:
    content = telegram(said("a"), said("x" * 5_000_000))

    assert "a text of more than 4,194,304 bytes" in str(refusal_of(content))


class EndlessExport(io.RawIOBase):
    """A Telegram chat, or one of Meta's, that makes up its messages while it is read."""

    def __init__(self, head: bytes, entry: str, messages: int, step_bytes: int = 65_536) -> None:
        self._head, self._entry, self._messages, self._step_bytes = head, entry, messages, step_bytes
        self.seek(0)

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        assert (offset, whence) == (0, 0)
        self._pieces, self._rest = self._content(), b""
        return 0

    def read(self, size: int = -1, /) -> bytes:
        wanted = min(size, self._step_bytes)
        while len(self._rest) < wanted and (piece := next(self._pieces, b"")):
            self._rest += piece
        chunk, self._rest = self._rest[:wanted], self._rest[wanted:]
        return chunk

    def _content(self) -> Iterator[bytes]:
        yield self._head + b'"messages": ['
        for number in range(self._messages):
            comma = "," if number else ""
            yield (comma + self._entry.replace("NUMBER", str(1_700_000_000 - number))).encode()
        yield b"]}"


TELEGRAM_HEAD = b'\xef\xbb\xbf{"name": "x", "type": "personal_chat", "id": 1, '
TELEGRAM_ENTRY = json.dumps(said("words", date_unixtime="NUMBER"))
META_ENTRY = '{"sender_name": "A", "timestamp_ms": NUMBER000, "content": "words of NUMBER"}'


def made_up(head: bytes, entry: str, messages: int, step_bytes: int = 65_536) -> BinaryIO:
    return cast(BinaryIO, EndlessExport(head, entry, messages, step_bytes))


def test_a_file_that_gives_a_byte_at_a_time_is_read_in_full() -> None:
    export = open_export(made_up(TELEGRAM_HEAD, TELEGRAM_ENTRY, 20, 1), ParseOptions())

    assert sum(1 for _ in export) == 20


@pytest.mark.parametrize(
    ("head", "entry"), [(TELEGRAM_HEAD, TELEGRAM_ENTRY), (b"{", META_ENTRY)], ids=["telegram", "newest first"]
)
def test_memory_does_not_grow_with_the_file(monkeypatch: pytest.MonkeyPatch, head: bytes, entry: str) -> None:
    # Given more messages than a reversal keeps in memory; they would take some 11 MB
    monkeypatch.setattr(reversal, "_MEMORY_BYTES", 100_000)
    export = open_export(made_up(head, entry, 22_000), ParseOptions())

    tracemalloc.start()
    count = sum(1 for _ in export)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 22_000
    # Servers that other tests keep running in this process allocate meanwhile too.
    assert peak_bytes < 8_000_000


def test_what_is_written_newest_first_is_read_oldest_first() -> None:
    messages: list[ParsedMessage] = list(open_export(made_up(b"{", META_ENTRY, 5_000), ParseOptions()))

    assert messages[0].body == "words of 1699995001"
    assert [message.sent_local_time for message in messages] == sorted(
        message.sent_local_time for message in messages
    )


def test_the_numbered_files_of_a_thread_need_not_come_in_order() -> None:
    entries = [{"sender_name": "A", "timestamp_ms": 1000 * n, "content": str(n)} for n in range(60)]
    # Given twelve files, of which the first is the newest, as the names sort: 1, 10, 11, 12, 2, …
    files = {f"message_{12 - n}.json": meta(*entries[5 * n : 5 * n + 5][::-1]) for n in range(12)}
    archive = io.BytesIO()

    with zipfile.ZipFile(archive, "w") as file:
        for name in sorted(files):
            file.writestr(f"inbox/a_1/{name}", files[name])

    messages, report = read_export(archive.getvalue())

    assert [message.body for message in messages] == [str(n) for n in range(60)]
    assert report.format is ChatFormat.MESSENGER_JSON
