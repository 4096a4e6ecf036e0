"""A fuzzer: whatever bytes come, they are refused with a reason, or every line of them is accounted for."""

import codecs
import io
import os
import random
from contextlib import suppress
from pathlib import Path

import pytest

from chat_service.parsers import (
    ChatFormat,
    MessageKind,
    ParseOptions,
    UnreadableExport,
    open_export,
    whatsapp_text,
)

EXPORTS = sorted((Path(__file__).parent / "exports" / "whatsapp").glob("*.txt"))
# More of them with HOLDFAST_FUZZ_ROUNDS=1000.
ROUNDS = int(os.environ.get("HOLDFAST_FUZZ_ROUNDS", "12"))
PIECES = [
    *("\n", "\r\n", "\r", ": ", ":", " - ", "[", "]", "] ", "<", ">", "(", ")", ", ", "،", " "),
    *("\u202f", "\u00a0", "\u200e", "\u200f", "\ufeff", "\u202a", "\u2028", "\x85", "\x0b", "\ud7ff", "😀"),
    *(
        "12",
        "99",
        "31/02/2022",
        "25:61",
        "1/2/3",
        "2024/13/45",
        "٣",
        "۳",
        "߁",
        "①",
        "R4",
        "BE",
        "PM",
        "p. m.",
    ),
    *(
        "下午",
        "ص",
        "nachm.",
        "klo",
        "August",
        "POLL:",
        "OPTION: a (1 vote)",
        "<attached: ",
        "(file attached)",
    ),
    *("image omitted", "null", "~", "@", "h", "[25/03/2022, 13:31:00] Max: "),
    "25/03/2022, 13:31 - Max: ",
    "3/26/22, 1:31 PM - Max: ",
]


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The content with some pieces put in, taken out, doubled or moved, and now and then a damaged byte."""
    text = content.decode()
    for _ in range(chance.randint(1, 12)):
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + chance.choice([0, 0, 1, 2, 5, 40]))
        put = chance.choice([chance.choice(PIECES), text[at:end] * 2, text[-20:], ""])
        text = text[:at] + put + text[end:]
    damaged = bytearray(text.encode())
    if chance.random() < 0.1:
        damaged[chance.randrange(len(damaged) + 1) : 0] = bytes([chance.randrange(256)])
    return bytes(damaged)


def lines_of(text: str) -> int:
    """The lines of a text that are not blank."""
    return sum(1 for line in text.split("\n") if line.strip())


def account_for(content: bytes, step_bytes: int) -> None:
    """Read a file, and look for every line of it in the messages and in the report.

    It is read twice: as it is, and without what takes the words of a format out of the bodies.
    """
    export = open_export(Stepped(content, step_bytes), ParseOptions(), ChatFormat.WHATSAPP_TEXT)
    messages = list(export)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(whatsapp_text, "needing_reading", lambda bodies, text: ())
        raw = list(export)

    # Each message begins in a line of its own, and its body has the lines up to the next.
    in_messages = sum(1 + lines_of("".join(message.body.partition("\n")[1:])) for message in raw)
    total = lines_of(content.decode("utf-8-sig").replace("\r\n", "\n"))
    assert in_messages <= total <= in_messages + export.report.skipped_line_count
    assert export.report.message_count == len(messages) == len(raw)
    for message, untouched in zip(messages, raw, strict=True):
        lost = lines_of(untouched.body) - lines_of(message.body)
        assert lost <= 1 + (message.attachment_name != "") + message.edited
        if message.kind is MessageKind.TEXT and not message.edited:
            assert message.body == untouched.body


class Stepped(io.BytesIO):
    """A file that gives a few bytes at a time, so that every place is once the end of a block."""

    def __init__(self, content: bytes, step_bytes: int) -> None:
        super().__init__(content)
        self._step_bytes = step_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._step_bytes)


def account_or_refuse(content: bytes, step_bytes: int) -> None:
    """Every line is accounted for, or the file is refused with a reason; nothing else is ever raised."""
    with suppress(UnreadableExport):
        account_for(content, step_bytes)


@pytest.mark.parametrize("path", EXPORTS, ids=[path.stem for path in EXPORTS])
def test_a_mutated_export_is_refused_or_every_line_is_accounted_for(path: Path) -> None:
    chance = random.Random(path.stem)
    content = path.read_bytes()
    for _ in range(ROUNDS):
        account_or_refuse(mutated(content, chance), chance.choice([17, 400, 100_000]))


def test_random_bytes_are_refused_or_accounted_for() -> None:
    chance = random.Random(4)
    for _ in range(60):
        account_or_refuse(chance.randbytes(chance.randint(0, 300)), 100_000)


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_a_file_says_the_same_whatever_pieces_it_comes_in(mark: bytes) -> None:
    content = mark + EXPORTS[0].read_bytes()
    whole = list(open_export(io.BytesIO(content), ParseOptions()))

    for step_bytes in (1, 3, 50):
        assert list(open_export(Stepped(content, step_bytes), ParseOptions())) == whole
