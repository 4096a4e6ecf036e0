"""Files that are no exports: refused with the line and with what was expected."""

import io
import sqlite3
from pathlib import Path

import pytest

from chat_service.parsers import (
    ChatFormat,
    EncryptedExport,
    OversizedExport,
    ParseOptions,
    UnreadableExport,
    detect,
    open_export,
)
from tests.chat_service.parsers.reading import messages_of, read

GOOD = "25.03.22, 13:31 - Anna: Hello\n"


def refusal_of(content: str | bytes, options: ParseOptions | None = None) -> UnreadableExport:
    with pytest.raises(UnreadableExport) as caught:
        messages_of(content, options)
    return caught.value


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_file_is_refused(content: bytes) -> None:
    assert "the file is empty" in str(refusal_of(content))


@pytest.mark.parametrize(
    "content",
    [
        "hello\nworld\n",
        "Anna: no date\n" * 5_000,
        # The wrong number of digits, and clocks that do not exist.
        "125.03.22, 13:31 - Anna: a\n",
        "25.03.222, 13:31 - Anna: a\n",
        "25.03.22, 25:31 - Anna: a\n",
        "25.03.22, 13:61 - Anna: a\n",
        "25.03/22, 13:31 - Anna: a\n",
    ],
)
def test_a_text_without_a_message_is_refused_with_an_example(content: str) -> None:
    problem = str(refusal_of(content))

    assert problem.startswith("line 1: no message head in the first lines")
    assert "31/12/2024, 18:30 - Anna: Hello" in problem


def test_a_first_message_far_down_is_not_looked_for() -> None:
    assert refusal_of("something else\n" * 1_000 + GOOD)
    assert read("something else\n" * 999 + GOOD)[1].skipped_line_count == 999


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (GOOD.encode() + b"two \xff\n", 2),
        (GOOD.encode() * 30_000 + b"\xc3(\n", 30_001),
        # A character that is cut off at the end of the file.
        (GOOD.encode() + "ü".encode()[:1], 2),
        # Latin-1
        ("25.03.22, 13:31 - Anna: Grüße\n".encode("latin-1"), 1),
        # In a line that is no message: before the first one, and with an impossible date.
        ("Grüße\n".encode("latin-1") + GOOD.encode(), 1),
        ((GOOD + "31.02.22, 13:31 - Anna: Grüße\n").encode("latin-1"), 2),
    ],
)
def test_bytes_that_are_no_text_are_refused_with_their_line(content: bytes, line: int) -> None:
    error = refusal_of(content)

    assert error.problem == "bytes that are not UTF-8 text"
    assert error.line == line


def test_a_nul_is_refused_with_its_line() -> None:
    error = refusal_of(GOOD * 10_000 + "x\0")

    assert (error.line, error.problem) == (10_001, "a NUL character: this is no text file")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_with_its_mark_is_read(encoding: str) -> None:
    content = "\ufeff25.03.22, 13:31 - Anna: Grüße 👋\r\nzwei\r\n"
    raw = (
        content.removeprefix("\ufeff").encode(encoding) if encoding == "utf-16" else content.encode(encoding)
    )

    assert [message.body for message in messages_of(raw)] == ["Grüße 👋\nzwei"]


def test_utf_16_without_its_mark_is_refused() -> None:
    assert "NUL" in str(refusal_of(GOOD.encode("utf-16-le")))


@pytest.mark.parametrize(
    "content",
    [
        # Open at the end of the file, and closed within it.
        GOOD + "x" * 101,
        GOOD + "x" * 101 + "\n" + GOOD,
        GOOD + "x" * 101 + "\n" + "y\n" * 100_000,
    ],
)
def test_a_line_too_long_is_refused_with_its_number(content: str) -> None:
    error = refusal_of(content, ParseOptions(max_line_chars=100))

    assert (error.line, error.problem) == (2, "the line is longer than 100 characters")


@pytest.mark.parametrize("lines", [60, 100_000])
def test_a_message_too_long_is_refused_with_the_line_it_begins_in(lines: int) -> None:
    error = refusal_of(GOOD * 3 + "y\n" * lines + GOOD, ParseOptions(max_message_chars=100))

    assert (error.line, error.problem) == (3, "the message is longer than 100 characters")


def test_more_messages_than_allowed_are_refused() -> None:
    assert len(messages_of(GOOD * 3, ParseOptions(max_messages=3))) == 3
    with pytest.raises(OversizedExport) as caught:
        messages_of(GOOD * 4, ParseOptions(max_messages=3))

    assert (caught.value.size, caught.value.limit, caught.value.unit) == (4, 3, "messages")


def test_an_encrypted_zip_and_a_backup_are_refused_as_encrypted() -> None:
    with pytest.raises(EncryptedExport):
        messages_of(b"PK\x03\x04\x14\x00\x09\x00" + bytes(40))
    with pytest.raises(EncryptedExport):
        open_export(io.BytesIO(b"\x1f\x02"), ParseOptions(), file_name="msgstore.db.crypt15")


def test_a_database_is_refused(tmp_path: Path) -> None:
    database = tmp_path / "ChatStorage.sqlite"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE messages (body text)")
    connection.close()

    assert "this is a database" in str(refusal_of(database.read_bytes()))


def test_the_format_is_told_from_the_beginning_of_a_file() -> None:
    # Given a beginning that ends within a character
    head = (GOOD + "ü").encode()[:-1]

    assert detect(head) is ChatFormat.WHATSAPP_TEXT
    for other in (b"", b"\xff\xff", b"\0", b"hello"):
        with pytest.raises(UnreadableExport):
            detect(other)


def test_an_error_takes_the_name_of_the_file() -> None:
    error = refusal_of(b"")
    error.file_name = "chat.txt"

    assert error.file_name == "chat.txt"
