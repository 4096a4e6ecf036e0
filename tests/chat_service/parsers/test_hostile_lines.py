"""Lines that were made to be tried in every possible way are read like any others.

Python's regular expressions hold the interpreter while they search, so that one line that takes an hour
would stop all of chat_service for an hour. Nothing is timed here: where a pattern tries too much, its test
does not end before pytest's time limit.
"""

import io
import zipfile

import pytest

from chat_service.parsers import MessageKind, ParseOptions, UnreadableExport, open_export
from tests.chat_service.parsers.reading import messages_of

_COUNT = 200_000
_MARKS = "\u200e" * _COUNT
_WHATSAPP = "31/12/2023, 13:31 - Anna: "
_SIGNAL = "[2023-12-31, 13:31] Anna: "


def _messages(text: str) -> list[tuple[MessageKind, int]]:
    return [(message.kind, len(message.body)) for message in messages_of(text)]


@pytest.mark.parametrize(
    "line",
    [_MARKS, f"31/12/2023{_MARKS}", f"13:31:05{_MARKS}", f"[{_MARKS}31/12/2023, 13:31"],
    ids=["marks", "behind a date", "behind a time", "behind a bracket"],
)
def test_marks_of_direction_without_end_before_the_first_head(line: str) -> None:
    assert _messages(f"{line}\n{_WHATSAPP}hello\n") == [(MessageKind.TEXT, 5)]


def test_marks_of_direction_without_end_in_a_line_of_a_message_that_looks_like_a_head() -> None:
    line = f"13:31{_MARKS}"
    assert _messages(f"{_WHATSAPP}hello\n{line}\n") == [(MessageKind.TEXT, 6 + len(line))]


@pytest.mark.parametrize(
    "votes", ["1" * _COUNT, _MARKS, "(1" * (_COUNT // 2)], ids=["digits", "marks", "many"]
)
def test_votes_without_end_in_what_begins_like_a_poll(votes: str) -> None:
    poll = f"Spørsmål:\nWhen?\nSvar: ({votes}"
    assert _messages(f"{_WHATSAPP}{poll}\n{_WHATSAPP}hello\n") == [
        (MessageKind.TEXT, len(poll)),
        (MessageKind.TEXT, 5),
    ]


def test_brackets_without_end_in_a_message_of_signal() -> None:
    brackets = "[" * _COUNT
    assert _messages(f"{_SIGNAL}{brackets}\n{_SIGNAL}hello\n") == [
        (MessageKind.TEXT, _COUNT),
        (MessageKind.TEXT, 5),
    ]


def test_a_long_name_in_an_archive_that_says_again_and_again_that_it_is_a_chat() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number in range(60):
            archive.writestr(f"{'chat.' * 13_000}{number}", "")
    with pytest.raises(UnreadableExport, match="no text or JSON that is a chat"):
        open_export(content, ParseOptions())
