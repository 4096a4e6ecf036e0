"""What the readers of JSON entries share: fields of a known type, texts that can be stored, people."""

from collections.abc import Iterable, Mapping
from typing import Any

Entry = Mapping[str, Any]

MAX_NAME_CHARS = 1_024
MAX_ATTACHMENT_NAME_CHARS = 1_024
# Of either sign; no instant has more digits, in milliseconds or seconds.
_MAX_WHOLE = 10**15


class NotUnderstood(Exception):
    """An entry is no message: it goes into the report with what was expected of it."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


def storable(text: str) -> str:
    """The text as PostgreSQL takes it: without NUL (U+FFFD in its place) and halves of surrogate pairs."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def text_of(entry: Entry, key: str) -> str:
    """A text, empty where there is none."""
    value = entry.get(key)
    return storable(value) if isinstance(value, str) else ""


def objects_of(entry: Entry, key: str) -> list[Entry]:
    """The objects of a list, empty where there is none."""
    value = entry.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def object_of(entry: Entry, key: str) -> Entry:
    """An object, empty where there is none."""
    value = entry.get(key)
    return value if isinstance(value, dict) else {}


def whole_of(value: object) -> int | None:
    """A whole number that is written as one, with a fraction, or in a text; None for anything else."""
    if isinstance(value, str) and len(value) <= 16 and value.removeprefix("-").isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if -_MAX_WHOLE < value < _MAX_WHOLE else None


def joined_names(paths: Iterable[str]) -> str:
    """The file names of attachments without their folders; too many are cut at a whole name."""
    shown = ""
    for path in paths:
        name = path.replace("\\", "/").rpartition("/")[2]
        longer = f"{shown}, {name}" if shown else name
        if len(longer) > MAX_ATTACHMENT_NAME_CHARS:
            return shown or name[-MAX_ATTACHMENT_NAME_CHARS:]
        shown = longer
    return shown


class People:
    """One name a person: two people of the same name stay two."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._owners: dict[str, str] = {}

    def name_of(self, person_id: str, name: str) -> str:
        """The name of a person; the second person of a name has the id behind it.

        Raises NotUnderstood for a name that is empty or too long.
        """
        if not name or len(name) > MAX_NAME_CHARS:
            raise NotUnderstood(f"an author with a name of 1 to {MAX_NAME_CHARS:,} characters")
        if not person_id:
            return name
        known = self._names.get(person_id)
        if known is None:
            owner = self._owners.setdefault(name, person_id)
            known = name if owner == person_id else f"{name} ({person_id[:64]})"
            self._names[person_id] = known
        return known
