"""What holds for every conversation and every file: it comes back as it was, or is refused."""

import io
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_service.parsers import (
    ChatFormat,
    MessageBatch,
    MessageKind,
    ParsedExport,
    ParseOptions,
    UnreadableExport,
    open_export,
)
from chat_service.parsers.whatsapp_bodies import needs_reading
from chat_service.parsers.whatsapp_header import HeadShape, shape_of
from tests.chat_service.parsers.families import FAMILIES
from tests.chat_service.parsers.reading import messages_of

NAMES = st.sampled_from(["Anna", "Ben", "João P.", "Mom ❤️", "+49 170 1234567", "李雷", "a:b"])
# Text of any script; what would be read as something else than words has its own tests.
LINES = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u200e<>()"), min_size=1, max_size=60
).filter(lambda line: line.strip() and shape_of(line) is None)
BODIES = st.lists(LINES, min_size=1, max_size=3).map("\n".join).filter(lambda body: not needs_reading(body))
CONVERSATIONS = st.lists(st.tuples(NAMES, BODIES, st.integers(0, 40 * 24 * 3600)), min_size=1, max_size=30)


class SteppedFile(io.BytesIO):
    """A file that gives only a few bytes at a time, so that every place is once the end of a block."""

    def __init__(self, content: bytes, step_bytes: int) -> None:
        super().__init__(content)
        self._step_bytes = step_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._step_bytes)


@settings(max_examples=200)
@given(
    family=st.sampled_from(sorted(FAMILIES)),
    conversation=CONVERSATIONS,
    line_end=st.sampled_from(["\n", "\r\n"]),
    step_bytes=st.sampled_from([1, 7, 50, 100_000]),
)
def test_a_rendered_conversation_comes_back(
    family: str, conversation: list[tuple[str, str, int]], line_end: str, step_bytes: int
) -> None:
    # Given a conversation whose first day is the 25th, so that the order of the date is certain
    moment = datetime.fromisoformat("2023-11-25T09:30")
    sent: list[tuple[str, str, datetime]] = []
    for name, body, gap in conversation:
        precise = moment if "%S" in family else moment.replace(second=0)
        sent.append((name, body, precise))
        moment += timedelta(seconds=gap)
    lines = [f"{FAMILIES[family](moment)}{name}: {body}\n" for name, body, moment in sent]

    # When it is read
    content = "".join(lines).replace("\n", line_end).encode()
    export = open_export(SteppedFile(content, step_bytes), ParseOptions(), ChatFormat.WHATSAPP_TEXT)
    messages = list(export)

    # Then it is the same conversation
    assert [(message.author, message.body, message.sent_local_time) for message in messages] == sent
    assert {message.kind for message in messages} == {MessageKind.TEXT}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_read_at_every_hour(family: str) -> None:
    # Given a message an hour, from the 25th on
    begin = datetime.fromisoformat("2023-11-25T00:07")
    moments = [begin + timedelta(hours=hour) for hour in range(24 * 40)]
    content = "".join(f"{FAMILIES[family](moment)}Anna: hour\n" for moment in moments)

    # When it is read
    export = whatsapp(content)

    # Then each has its own
    assert [message.sent_local_time for message in export] == moments
    assert export.report.skipped_line_count == 0


@settings(max_examples=60)
@given(
    first=st.sampled_from(sorted(FAMILIES)),
    second=st.sampled_from(sorted(FAMILIES)),
    quoted=st.booleans(),
)
def test_a_second_export_is_read_on_and_a_quoted_one_stays_in_its_message(
    first: str, second: str, quoted: bool
) -> None:
    # Given an export, and behind it a later one or within its last message an earlier one, each with
    # days that leave no doubt about the order of their dates
    begin = datetime.fromisoformat("2023-11-20T09:30")
    own = [begin + timedelta(days=day) for day in range(5)]
    other = [moment + timedelta(days=-40 if quoted else 7) for moment in own]
    own_lines = [f"{FAMILIES[first](moment)}Anna: own\n" for moment in own]
    other_lines = [f"{FAMILIES[second](moment)}Max: other\n" for moment in other]

    messages = list(whatsapp("".join(own_lines + other_lines)))

    # Then heads of the file's own shape begin messages, and others where they go on with the time
    alike = shape_without_half(own_lines[0]) == shape_without_half(other_lines[0])
    assert [message.sent_local_time for message in messages] == (own + other if alike or not quoted else own)


def whatsapp(content: str) -> ParsedExport:
    """The content as a file of WhatsApp: signal-export writes one of its families too."""
    return open_export(io.BytesIO(content.encode()), ParseOptions(), ChatFormat.WHATSAPP_TEXT)


def shape_without_half(line: str) -> HeadShape:
    shape = shape_of(line)
    assert shape is not None
    return shape.without_half


SEED = (
    "\ufeff25.03.22, 13:31 - Anna: Hello\n25.03.22, 13:32 - \u200eIMG-20210428-WA0001.jpg (file attached)\r\n"
    "[3/18/22, 14:56:01] ~\u202fB: \u200e<attached: 1.jpg> <This message was edited>\nPOLL:\n"
    "31.02.22, 25:00 - :::\n"
).encode()
PIECES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=20).map(str.encode),
    st.sampled_from([SEED[i : i + 30] for i in range(0, len(SEED), 15)]),
)


@settings(max_examples=200)
@given(pieces=st.lists(PIECES, max_size=12), limit=st.sampled_from([10, 100, 1_000_000]))
def test_any_bytes_are_read_or_refused(pieces: list[bytes], limit: int) -> None:
    options = ParseOptions(max_line_chars=limit, max_message_chars=limit, max_messages=limit)
    with suppress(UnreadableExport):
        assert all("\0" not in message.body for message in messages_of(b"".join(pieces), options))


@settings(max_examples=120)
@given(data=st.data())
def test_a_damaged_export_is_read_or_refused(data: st.DataObject) -> None:
    damaged = bytearray(SEED * 3)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    with suppress(UnreadableExport):
        assert messages_of(bytes(damaged))


@pytest.mark.parametrize(
    "line", [":" * 50_000, "a:" * 50_000, "(" * 50_000, "<" * 50_000, "\u200e" * 50_000, "." * 50_000]
)
@pytest.mark.timeout(20)
def test_a_hostile_line_costs_no_more_than_its_length(line: str) -> None:
    for head in ("", "25.03.22, 13:31 - ", "25.03.22, 13:31 - Anna: ", "25.03.22, 13:31 - Anna: \u200e"):
        export = f"25.03.22, 13:31 - Anna: a\n{head}{line}\n" * 4

        assert len(messages_of(export)) in (4, 8)


class EndlessFile(io.RawIOBase):
    """A file that makes up its content while it is read, a few bytes at a time if asked to."""

    def __init__(self, messages: int, step_bytes: int) -> None:
        self._messages = messages
        self._step_bytes = step_bytes
        self._lines = self._content()
        self._rest = b""

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        assert (offset, whence) == (0, 0)
        self._lines, self._rest = self._content(), b""
        return 0

    def read(self, size: int = -1, /) -> bytes:
        wanted = min(size, self._step_bytes)
        while len(self._rest) < wanted and (line := next(self._lines, b"")):
            self._rest += line
        chunk, self._rest = self._rest[:wanted], self._rest[wanted:]
        return chunk

    def _content(self) -> Iterator[bytes]:
        for number in range(self._messages):
            day, minute = number // 1_440 % 28 + 1, number % 1_440
            clock = f"{minute // 60:02}:{minute % 60:02}"
            yield f"{day:02}.03.22, {clock} - Anna: message {number} with some 🐌 words\n".encode()


def made_up_file(messages: int, step_bytes: int = 65_536) -> BinaryIO:
    return cast(BinaryIO, EndlessFile(messages, step_bytes))


def test_a_file_that_gives_a_byte_at_a_time_is_read_in_full() -> None:
    export = open_export(made_up_file(200, step_bytes=1), ParseOptions())

    assert sum(1 for _ in export) == 200


def test_memory_does_not_grow_with_the_file() -> None:
    # Given a file of 3.3 MB
    export = open_export(made_up_file(60_000), ParseOptions())

    # When its messages are read one by one
    tracemalloc.start()
    count = sum(1 for _ in export)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # Then a few blocks at most were held, and what servers in other threads of this process took meanwhile
    assert count == 60_000
    assert peak_bytes < 3_000_000


def test_reading_again_starts_from_the_beginning() -> None:
    export = open_export(made_up_file(5_000), ParseOptions())
    batches = export.batches()
    next(batches)

    assert sum(1 for _ in export) == export.report.message_count == 5_000


def test_a_batch_gives_the_messages_that_it_was_made_of() -> None:
    messages = list(open_export(made_up_file(100), ParseOptions()))

    batch = MessageBatch.of(messages)

    assert (list(batch), len(batch)) == (messages, 100)
    assert batch.bodies == [message.body for message in messages]
