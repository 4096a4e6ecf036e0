"""Reads a thread of Messenger or Instagram: message_1.json, message_2.json, … as Meta's download writes them.

The numbers and the entries run from the newest to the oldest; the download of encrypted chats runs the
other way. Which way it is tells the file itself.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import BinaryIO

from chat_service.parsers.entries import objects_of, storable, whole_of
from chat_service.parsers.errors import UnreadableExport
from chat_service.parsers.json_events import json_events
from chat_service.parsers.json_export import JsonExport, PlacedEntry
from chat_service.parsers.json_records import head_keys, records
from chat_service.parsers.meta_messages import MetaReader, escaped_text_of, undone
from chat_service.parsers.model import (
    ChatFormat,
    DateEvidence,
    DateOrder,
    ExportPart,
    ExportReport,
    ParseOptions,
)
from chat_service.parsers.reversal import newest_last

EXPECTED = "expected message_1.json of a Messenger or Instagram chat, as Meta's download in JSON has it"

PART_NAME = re.compile(r"message_(?P<number>[0-9]{1,6})\.json", re.IGNORECASE)
# What makes the folder of an encrypted chat unique, and is no part of its name.
_FOLDER_NUMBER = re.compile(r"_[0-9]{1,20}$")
# So many entries tell whether a file runs forwards or backwards.
_ENTRIES_FOR_ORDER = 1_000
_OLD = {"sender_name", "timestamp_ms"}
_ENCRYPTED = {"senderName", "timestamp"}
# The folder of Instagram's download, in the paths of attachments.
_INSTAGRAM = re.compile(rb'"uri": ?"[^"]{0,40}instagram')


class MetaParser:
    """Reads the threads of one of Meta's two messengers; they differ in little more than their name."""

    def __init__(self, chat_format: ChatFormat) -> None:
        self.format = chat_format

    def recognises(self, head: bytes) -> bool:
        """Whether the first entries are Meta's, and the rest does not say that it is the other one."""
        entry = head_keys(head, "messages.item")
        if not (entry >= _OLD or entry >= _ENCRYPTED):
            return False
        return (self.format is ChatFormat.INSTAGRAM_JSON) == bool(_INSTAGRAM.search(head))

    def open(self, file: BinaryIO, options: ParseOptions) -> JsonExport:
        """Opens a thread of one file. Raises UnreadableExport."""
        return self.open_parts([ExportPart("", file)], options)

    def open_parts(self, parts: Sequence[ExportPart], options: ParseOptions) -> JsonExport:
        """Opens a thread of one or more files, in any order. Raises UnreadableExport."""
        ordered = sorted(parts, key=_number)
        backwards = _runs_backwards(ordered[0].file)
        if backwards:
            ordered.reverse()
        sources = [partial(_entries, part) for part in ordered]
        report = ExportReport(self.format, DateOrder.UNSPECIFIED, DateEvidence.FORMAT)
        reorder = partial(newest_last, directory=options.scratch_dir) if backwards else iter
        return JsonExport(report, options, MetaReader, sources, expected=EXPECTED, reorder=reorder)


def _number(part: ExportPart) -> int:
    match = PART_NAME.fullmatch(part.name)
    return int(match["number"]) if match else 0


def _runs_backwards(file: BinaryIO) -> bool:
    """Whether most entries of a file are older than the one before them.

    Raises UnreadableExport where there is no entry with a time.
    """
    before: int | None = None
    steps = 0
    for _, entry in islice(records(json_events(file), {"messages.item"}), _ENTRIES_FOR_ORDER):
        fields = entry if isinstance(entry, dict) else {}
        now = whole_of(fields.get("timestamp_ms", fields.get("timestamp")))
        if now is not None:
            steps += 0 if before is None else (now > before) - (now < before)
            before = now
    if before is None:
        raise UnreadableExport(f"no message in the first entries; {EXPECTED}")
    return steps < 0


def _entries(part: ExportPart, report: ExportReport) -> Iterator[PlacedEntry]:
    number = 0
    wanted = {"messages.item", "title", "threadName", "participants"}
    for path, value in records(json_events(part.file), wanted):
        if path == "messages.item":
            number += 1
            yield PlacedEntry(number, value, part.name)
        elif path in ("title", "threadName") and isinstance(value, str):
            name = undone(value) if path == "title" else _FOLDER_NUMBER.sub("", value)
            report.chat_name = storable(name)[:256]
        elif path == "participants" and not report.chat_name:
            report.chat_name = ", ".join(participants(value))[:256]


def participants(value: object) -> list[str]:
    """The names in a list of participants: objects with a name, or plain names."""
    named = {"participants": value}
    names = [escaped_text_of(person, "name") for person in objects_of(named, "participants")]
    if isinstance(value, list):
        names += [storable(name) for name in value if isinstance(name, str)]
    return [name for name in names if name]


def thread_name(file: BinaryIO) -> str:
    """What to call a thread without reading all of it: the people in it, who stand before its messages."""
    wanted = {"participants", "messages.item"}
    found = records(json_events(file), wanted, keep=lambda path: path == "participants")
    people = next((value for path, value in found if path in wanted), None)
    return ", ".join(participants(people))[:256]
