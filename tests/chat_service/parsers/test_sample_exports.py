"""The sample exports are what their generator writes, and are read as they were meant."""

import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from chat_service.parsers import DateEvidence, DateOrder, MessageKind, ParsedMessage
from tests.chat_service.parsers.reading import read

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
FILES = ["anna-and-ben.txt", "the-flat-share.txt", "too-short.txt"]
K = MessageKind

# Counted with grep, apart from the parser.
ANNA_AND_BEN_COUNT = 4_059
ANNA_AND_BEN_AUTHORS = {"Anna": 2187, "Ben": 1866, None: 6}
ANNA_AND_BEN_KINDS = {
    K.TEXT: 3773,
    K.SYSTEM: 2,
    K.IMAGE: 129,
    K.AUDIO: 23,
    K.STICKER: 90,
    K.CALL: 4,
    K.DELETED: 8,
    K.OTHER: 30,
}
FLAT_SHARE_COUNT = 873
FLAT_SHARE_AUTHORS = {"Luca": 188, "Priya": 180, "Jonas": 176, "Tom": 175, "Mia": 151, None: 3}
FLAT_SHARE_KINDS = {
    K.TEXT: 840,
    K.SYSTEM: 3,
    K.IMAGE: 13,
    K.AUDIO: 4,
    K.CONTACT: 1,
    K.LOCATION: 1,
    K.POLL: 1,
    K.DELETED: 10,
}


def messages_in(file_name: str) -> list[ParsedMessage]:
    messages, report = read((EXAMPLES / file_name).read_bytes())
    assert (report.message_count, report.skipped_line_count) == (len(messages), 0)
    return messages


def authors_of(messages: list[ParsedMessage]) -> dict[str | None, int]:
    return dict(Counter(message.author for message in messages))


def kinds_of(messages: list[ParsedMessage]) -> dict[MessageKind, int]:
    return dict(Counter(message.kind for message in messages))


def test_the_generator_writes_the_same_bytes_again(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "make_sample.py"), str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)

    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (EXAMPLES / name).read_bytes(), name


def test_anna_and_ben_is_read_in_full() -> None:
    messages = messages_in("anna-and-ben.txt")

    assert len(messages) == ANNA_AND_BEN_COUNT
    assert authors_of(messages) == ANNA_AND_BEN_AUTHORS
    assert kinds_of(messages) == ANNA_AND_BEN_KINDS
    assert messages[0].kind is K.SYSTEM
    assert messages[1].body.startswith("hi, this is anna from the pottery course!")
    assert messages[-1].body == "good night, lighthouse keeper. see you at the door 💛"


def test_anna_and_ben_has_a_story_to_find() -> None:
    messages = messages_in("anna-and-ben.txt")
    moments = [message.sent_local_time for message in messages]
    days = {moment.date() for moment in moments}

    # Fourteen months, in order
    assert (moments[0].date(), moments[-1].date()) == (date(2024, 3, 1), date(2025, 4, 29))
    assert moments == sorted(moments)
    # Nine days of silence, and then a message every day until the end
    assert timedelta(days=9) < max(after - before for before, after in pairwise(moments)) < timedelta(days=10)
    assert all(date(2024, 11, 27) + timedelta(days=offset) in days for offset in range(154))
    # One autumn in which Ben is slow to answer
    assert median(answer_minutes(messages, "Ben", 2024, 10)) > 6 * median(
        answer_minutes(messages, "Ben", 2024, 7)
    )


def answer_minutes(messages: list[ParsedMessage], name: str, year: int, month: int) -> list[float]:
    """The minutes after which somebody answered somebody else in a month."""
    return [
        (after.sent_local_time - before.sent_local_time) / timedelta(minutes=1)
        for before, after in pairwise(messages)
        if before.author not in (None, name) and after.author == name
        if (after.sent_local_time.year, after.sent_local_time.month) == (year, month)
        if after.sent_local_time - before.sent_local_time < timedelta(hours=4)
    ]


def test_the_flat_share_is_read_in_full() -> None:
    messages = messages_in("the-flat-share.txt")

    assert len(messages) == FLAT_SHARE_COUNT
    assert authors_of(messages) == FLAT_SHARE_AUTHORS
    assert kinds_of(messages) == FLAT_SHARE_KINDS
    assert messages[1].body == "Mia created group “The flat share”"
    assert not any("\r" in message.body for message in messages)


def test_too_short_is_two_lines_of_one_person() -> None:
    messages = messages_in("too-short.txt")

    assert [(message.author, message.body) for message in messages] == [
        ("Mara", "hello?"),
        ("Mara", "wrong number, sorry!"),
    ]
    assert messages[0].sent_local_time == datetime.fromisoformat("2025-03-02T10:14")


@pytest.mark.parametrize("file_name", FILES[:2])
def test_the_samples_are_read_day_first_for_certain(file_name: str) -> None:
    _, report = read((EXAMPLES / file_name).read_bytes())

    assert (report.date_order, report.date_evidence) == (DateOrder.DAY_FIRST, DateEvidence.LARGE_NUMBER)
