"""Exports of every platform, with what must become of them written by hand beside them."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from chat_service.parsers import (
    ChatFormat,
    ExportReport,
    ParsedMessage,
    ParseOptions,
    UnreadableExport,
    open_export,
)

EXPORTS = Path(__file__).parent / "exports"
#: The file, or the folder whose files are packed into an archive.
FILES = {
    "telegram_chat": "telegram_chat.json",
    "messenger": "messenger",
    "messenger_encrypted": "messenger_encrypted.json",
    "instagram": "instagram.json",
    "signal_old": "signal_old.txt",
    "signal_new": "signal_new.md",
    "discord": "discord.json",
}
#: Counted by hand.
ENTRIES = {
    "telegram_chat": 15,
    "messenger": 15,
    "messenger_encrypted": 4,
    "instagram": 5,
    "signal_old": 4,
    "signal_new": 9,
    "discord": 7,
}


def content_of(name: str) -> bytes:
    path = EXPORTS / FILES[name]
    return packed(path) if path.is_dir() else path.read_bytes()


def packed(folder: Path, inside: str = "messages/inbox/renee_1/") -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.iterdir()):
            file.write(path, inside + path.name)
    return archive.getvalue()


def read_export(
    content: bytes, options: ParseOptions | None = None, chat_format: ChatFormat | None = None
) -> tuple[list[ParsedMessage], ExportReport]:
    export = open_export(io.BytesIO(content), options or ParseOptions(), chat_format)
    return list(export), export.report


def as_written(message: ParsedMessage) -> list[Any]:
    """A message as the expected files have it: what is empty at the end is left out."""
    written = [
        message.author,
        message.sent_local_time.isoformat(),
        message.kind.name,
        message.body,
        message.attachment_name,
        "edited" if message.edited else "",
    ]
    while len(written) > 4 and not written[-1]:
        written.pop()
    return written


@pytest.mark.parametrize("name", FILES)
def test_an_export_is_read_as_it_is_written_beside_it(name: str) -> None:
    expected = json.loads((EXPORTS / f"{name}.expected.json").read_text())

    messages, report = read_export(content_of(name))

    assert [as_written(message) for message in messages] == expected["messages"]
    assert report.skipped_lines == expected["skipped"]
    assert report.skipped_line_count == len(expected["skipped"])
    assert report.message_count == len(expected["messages"])
    assert (report.format.name, report.time_zone, report.chat_name) == (
        expected["format"],
        expected["time_zone"],
        expected["chat_name"],
    )


@pytest.mark.parametrize("name", FILES)
def test_reading_again_gives_the_same(name: str) -> None:
    export = open_export(io.BytesIO(content_of(name)), ParseOptions())

    first, report = list(export), export.report

    assert list(export) == first
    assert export.report == report


@pytest.mark.parametrize(("name", "entries"), ENTRIES.items())
def test_every_entry_is_in_a_message_or_in_the_report(name: str, entries: int) -> None:
    messages, report = read_export(content_of(name))

    assert len(messages) + report.skipped_line_count == entries


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        # The instants of the file, in the zone that was asked for: Berlin changes its clocks in between.
        ("telegram_chat", "2024-03-30T18:00:00", "2024-03-31T03:09:00"),
        ("messenger", "2024-01-01T11:03:00", "2024-01-01T11:15:00"),
        ("messenger_encrypted", "2024-07-01T13:00:00", "2024-07-01T13:03:00"),
        ("discord", "2024-10-02T03:00:00", "2024-10-02T03:06:00"),
        # A format without instants stays as it is written.
        ("signal_new", "2024-05-01T09:00:00", "2024-05-01T09:07:00"),
    ],
)
def test_instants_become_local_times_of_the_zone_that_is_given(name: str, first: str, last: str) -> None:
    messages, report = read_export(content_of(name), ParseOptions(time_zone="Europe/Berlin"))

    assert messages[0].sent_local_time.isoformat() == first
    assert messages[-1].sent_local_time.isoformat() == last
    assert report.time_zone == "Europe/Berlin"


def test_telegram_s_instants_are_used_where_a_zone_is_given() -> None:
    messages, _ = read_export(content_of("telegram_chat"), ParseOptions(time_zone="Asia/Tokyo"))

    # 17:00 UTC, which the file writes as 18:00
    assert messages[0].sent_local_time.isoformat() == "2024-03-31T02:00:00"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("chat_format", ChatFormat)
def test_a_wrong_format_is_refused_with_what_was_expected(name: str, chat_format: ChatFormat) -> None:
    meta = {ChatFormat.MESSENGER_JSON, ChatFormat.INSTAGRAM_JSON}
    own = read_export(content_of(name))[1].format
    # What Meta's two write is the same, and signal-export writes what an iPhone could have written.
    alike = {own} | (meta if own in meta else set())
    if own is ChatFormat.SIGNAL_TEXT:
        alike.add(ChatFormat.WHATSAPP_TEXT)
    if chat_format in alike:
        assert read_export(content_of(name), chat_format=chat_format)[1].format is chat_format
    else:
        with pytest.raises(UnreadableExport, match=r"expected|JSON"):
            read_export(content_of(name), chat_format=chat_format)
