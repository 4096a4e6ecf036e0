"""Every header family and marker: a small export, and beside it what it means, written by hand.

A row of "messages" has author, time, kind and body, and where they are not plain, "edited" and "attachment".
"""

import json
from pathlib import Path
from typing import Any

import pytest

from chat_service.parsers import ParsedMessage
from tests.chat_service.parsers.reading import read

FOLDER = Path(__file__).parent / "exports" / "whatsapp"
EXPORTS = sorted(FOLDER.glob("*.txt"))


def row_of(message: ParsedMessage) -> list[Any]:
    more: dict[str, Any] = {}
    if message.edited:
        more["edited"] = True
    if message.attachment_name:
        more["attachment"] = message.attachment_name
    plain = [message.author, message.sent_local_time.isoformat(), message.kind.name, message.body]
    return [*plain, more] if more else plain


@pytest.mark.parametrize("path", EXPORTS, ids=[path.stem for path in EXPORTS])
def test_an_export_is_read_as_it_was_meant(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text())

    messages, report = read(path.read_bytes())

    assert [row_of(message) for message in messages] == expected["messages"]
    assert report.date_order.name == expected["date_order"]
    assert report.date_evidence.name == expected["date_evidence"]
    assert report.skipped_line_count == expected["skipped_line_count"]
    assert report.skipped_lines == expected["skipped_lines"]
    assert report.message_count == len(messages)


def test_there_is_an_expectation_beside_every_export() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {path.stem for path in EXPORTS}
    assert len(EXPORTS) >= 31
