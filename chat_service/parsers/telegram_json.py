"""Reads result.json of Telegram Desktop: one chat, or a whole account of which one chat is chosen."""

from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from chat_service.parsers.chats import chosen
from chat_service.parsers.entries import storable, whole_of
from chat_service.parsers.errors import ChatChoice, OversizedExport, UnreadableExport
from chat_service.parsers.json_events import json_events
from chat_service.parsers.json_export import JsonExport, PlacedEntry
from chat_service.parsers.json_records import BEGIN, head_keys, records
from chat_service.parsers.model import ChatFormat, DateEvidence, DateOrder, ExportReport, ParseOptions
from chat_service.parsers.telegram_messages import TelegramReader

EXPECTED = "expected the result.json of Telegram Desktop's export"

MAX_CHATS = 20_000
# Lists of chats in a whole account; the second one is of groups that were left.
_LISTS = ("chats.list.item", "left_chats.list.item")
_ACCOUNT = frozenset(
    {"chats", "left_chats", "personal_information", "profile_pictures", "contacts", "frequent_contacts"}
    | {"sessions", "other_data", "stories"}
)
_ENTRY = frozenset({"date_unixtime", "from_id", "text_entities"})
_HEADS = {f"{path}.{key}" for path in _LISTS for key in ("id", "name", "type", "messages.item")}


class TelegramParser:
    """Reads Telegram Desktop's JSON."""

    format = ChatFormat.TELEGRAM_JSON

    def recognises(self, head: bytes) -> bool:
        """Whether the first keys are those of a chat or of an account."""
        keys, entry = head_keys(head, ""), head_keys(head, "messages.item")
        if "messages" in keys:
            typed = {"type", "date", "text"} <= entry and "author" not in entry
            return bool(entry & _ENTRY) or typed or (not entry and {"name", "type", "id"} <= keys)
        return bool(keys & _ACCOUNT)

    def open(self, file: BinaryIO, options: ParseOptions) -> JsonExport:
        """Finds out which chat is to be read. Raises SeveralChats and UnreadableExport."""
        index = _choose(file, options.export_chat)
        source = partial(_entries_of_account, file, index) if index else partial(_entries, file)
        report = ExportReport(self.format, DateOrder.UNSPECIFIED, DateEvidence.FORMAT)
        return JsonExport(report, options, TelegramReader, [source], expected=EXPECTED)


class _Chats:
    """The chats of a whole account, counted while their heads go by."""

    def __init__(self) -> None:
        self.choices: dict[int, ChatChoice] = {}
        self._number = 0
        self._fields: dict[str, str] = {}
        self._messages = 0

    def begin(self) -> None:
        """A chat begins."""
        self.end()
        self._number += 1
        self._fields = {}
        self._messages = 0
        if self._number > MAX_CHATS:
            raise OversizedExport("chats", size=self._number, limit=MAX_CHATS)

    def add(self, key: str, value: object) -> None:
        """Takes in one field of the chat, or one of its entries."""
        if key == "item":
            self._messages += 1
        else:
            self._fields[key] = _word(value)

    def end(self) -> None:
        """The chat is over; one without an entry cannot be chosen."""
        if self._messages:
            # "Saved messages" has a type and no name.
            name = self._fields.get("name") or self._fields.get("type", "").replace("_", " ")
            chat_id = self._fields.get("id") or str(self._number)
            self.choices[self._number] = ChatChoice(chat_id, name, self._messages)


def _choose(file: BinaryIO, wanted: str) -> int:
    """The number of the chat in a whole account, from 1; 0 for a file that is one chat."""
    chats = _Chats()
    for path, value in records(json_events(file), {"messages.item", *_HEADS}, keep=lambda _: False):
        if path == "messages.item":
            return 0
        if path in _LISTS:
            chats.begin()
        elif value is not BEGIN:
            chats.add(path.rpartition(".")[2], value)
    chats.end()
    if not chats.choices:
        raise UnreadableExport(f"no message in the file; {EXPECTED}", line=1)
    choice = chosen(list(chats.choices.values()), wanted)
    return next(number for number, chat in chats.choices.items() if chat is choice)


def _word(value: object) -> str:
    number = whole_of(value)
    if isinstance(value, str):
        return storable(value)[:256]
    return "" if number is None else str(number)


def _entries(file: BinaryIO, report: ExportReport) -> Iterator[PlacedEntry]:
    number = 0
    for path, value in records(json_events(file), {"name", "messages.item"}):
        if path == "name":
            report.chat_name = _word(value)
        elif path == "messages.item":
            number += 1
            yield PlacedEntry(number, value)


def _entries_of_account(file: BinaryIO, index: int, report: ExportReport) -> Iterator[PlacedEntry]:
    """The entries of the chat with this number; those of the others are passed over."""
    chat = number = 0

    def is_chosen(_: str) -> bool:
        return chat == index

    wanted = {f"{path}.{key}" for path in _LISTS for key in ("name", "messages.item")}
    for path, value in records(json_events(file), wanted, keep=is_chosen):
        if path in _LISTS:
            chat += 1
        elif chat != index or value is BEGIN:
            continue
        elif path.endswith(".name"):
            report.chat_name = _word(value)
        else:
            number += 1
            yield PlacedEntry(number, value)
