"""Writes WhatsApp exports of any length, always the same: two people, some media, links and long messages."""

from datetime import datetime, timedelta
from pathlib import Path

_TEXT = "the house by the sea is open and we should bring bread, cheese and the red blanket before it rains"
_WORDS = _TEXT.split()
_ENDS = (" 🌧️", " schöne Grüße", "")
_BEGIN = datetime(2019, 1, 1)  # noqa: DTZ001  # exports have no zone
_MINUTES_BETWEEN = 3
_MEDIA_EVERY = 12
_LONG_EVERY = 40
_WITH_END_EVERY = 5


def write_android(path: Path, messages: int) -> Path:
    """An export as Android writes it for a phone in the United Kingdom."""
    lines = (
        f"{_moment(number):%d/%m/%Y, %H:%M} - {_message(number, '', '<Media omitted>')}\n"
        for number in range(messages)
    )
    with path.open("w") as file:
        file.writelines(lines)
    return path


def write_ios(path: Path, messages: int) -> Path:
    """An export as iOS writes it for a phone in the United States, with a clock of twelve hours."""
    mark = "\u200e"
    lines = (
        f"[{_moment(number):%m/%d/%y, %I:%M:%S}\u202f{_moment(number):%p}] "
        f"{_message(number, mark, 'image omitted')}\r\n"
        for number in range(messages)
    )
    with path.open("w", newline="") as file:
        file.writelines(lines)
    return path


def _moment(number: int) -> datetime:
    return _BEGIN + timedelta(minutes=_MINUTES_BETWEEN * number)


def _message(number: int, mark: str, omitted: str) -> str:
    author = "Anna" if number % 5 < 3 else "Ben Fox"
    if number % _MEDIA_EVERY == 0:
        return f"{author}: {mark}{omitted}"
    body = " ".join(_WORDS[number % 9 : 9 + number % 11])
    if number % _WITH_END_EVERY == 0:
        body += _ENDS[number % len(_ENDS)]
    if number % _LONG_EVERY == 0:
        body += "\nand (in a second line) https://example.org/a/b?c=d"
    return f"{author}: {body}"
