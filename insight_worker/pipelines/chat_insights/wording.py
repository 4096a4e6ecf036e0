"""How numbers and names are said in sentences."""

from collections.abc import Sequence

MAX_LABEL_CHARACTERS = 80
MAX_SPOKEN_CHARACTERS = 40


def label(name: str) -> str:
    """An author's name for data: as written, cut at 80 characters."""
    return _cut(name, MAX_LABEL_CHARACTERS)


def spoken(name: str) -> str:
    """An author's name for a sentence: as written, on one line, cut at 40 characters."""
    return _cut(" ".join(name.split()) or name, MAX_SPOKEN_CHARACTERS)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def listed(parts: Sequence[str]) -> str:
    """Such as "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Such as "1 message" or "1,204 messages"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(value: float) -> str:
    """A share such as "37%"; "under 1%" rather than a misleading 0%."""
    if 0 < value < 0.01:
        return "under 1%"
    if 0.99 < value < 1:
        return "over 99%"
    return f"{100 * value:.0f}%"


def duration(seconds: float) -> str:
    """Such as "45 s", "4 min", "2 h 5 min" or "3 days"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return counted(round(seconds / 86_400), "day")


def quoted(words: Sequence[str], most: int = 3) -> str:
    """Such as “a”, “b” and “c”."""
    return listed([f"“{word}”" for word in words[:most]])
