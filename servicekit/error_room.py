"""How much of an error fits on the wire, decided in this one place.

A status travels in HTTP/2 trailers, and clients of gRPC take 8 KiB of them by default: a larger one reaches
its caller as a bare RESOURCE_EXHAUSTED. gRPC counts the bytes of every header and 32 more for each:

* ``grpc-message`` is the message, percent-encoded: up to 3 bytes for one.
* ``grpc-status-details-bin`` is the status, with the message in it again; clients that are not built on
  gRPC's C core get it in base64, 4 bytes for 3.
* The others take some 420 bytes, among them an ``x-request-id`` of 128 characters.

The bounds here come to 8,000 bytes at most.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from servicekit.lines import json_line

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

MAX_STATUS_BYTES = 4_500
MAX_MESSAGE_BYTES = 512
MAX_VALUE_BYTES = 1_024
#: What is added to the name of a list to name how many of its values are not in it.
LEFT_OUT = "_left_out"

#: What a status has besides its message and values: the names of its parts, reason, domain, retry delay.
_FRAME_BYTES = 400
#: Tags and lengths of one entry of the metadata, or of one violation.
_ENTRY_BYTES = 12
#: So many values of a list are looked at for room; that many never fit, however short they are.
_LOOKED_AT = 2_000


@dataclass(frozen=True, slots=True)
class Listed:
    """Values that an error lists, those that matter most first, and how many more there are."""

    values: tuple[JsonValue, ...]
    left_out: int = 0


class ErrorRoom:
    """The room of one status: what is asked for first gets its place, what no longer fits gets none."""

    def __init__(self, message: str) -> None:
        """Begin with a status that has the message and nothing else."""
        self._left_bytes = MAX_STATUS_BYTES - _FRAME_BYTES - len(message.encode())

    def pairs(self, texts: Sequence[tuple[str, str]], max_bytes: int) -> list[tuple[str, str]]:
        """Return the pairs that fit, each text of them cut to `max_bytes`."""
        shown = [(cut(first, max_bytes), cut(second, max_bytes)) for first, second in texts]
        return [pair for pair in shown if self._take(*pair)]

    def lists(self, given: Mapping[str, Listed]) -> dict[str, str]:
        """Return the entries of lists: as JSON those values that fit whole, and how many are left out."""
        entries = {}
        for key, listed in given.items():
            if self._take(key, "[]") and self._take(key + LEFT_OUT, str(2**63)):
                texts = self._fitting(listed.values)
                entries[key] = f"[{','.join(texts)}]"
                entries[key + LEFT_OUT] = str(listed.left_out + len(listed.values) - len(texts))
        return entries

    def _fitting(self, values: Sequence[JsonValue]) -> list[str]:
        texts = (_encodable(json_line(value)) for value in islice(values, _LOOKED_AT))
        return [text for text in texts if self._take(text, entry_bytes=1)]

    def _take(self, *texts: str, entry_bytes: int = _ENTRY_BYTES) -> bool:
        needed_bytes = entry_bytes + sum(len(text.encode()) for text in texts)
        if needed_bytes > self._left_bytes:
            return False
        self._left_bytes -= needed_bytes
        return True


def cut(text: str, max_bytes: int) -> str:
    """Return as much of the text as fits, whole characters only; half a surrogate pair becomes "?"."""
    raw = text.encode(errors="replace")
    return raw.decode() if len(raw) <= max_bytes else raw[: max_bytes - 3].decode(errors="ignore") + "…"


def listed_in(metadata: Mapping[str, str]) -> dict[str, Listed]:
    """Return the lists of an error that came over the wire; one that cannot be read has no values."""
    return {
        key: Listed(_values(metadata[key]), _count(metadata[key + LEFT_OUT]))
        for key in metadata
        if key + LEFT_OUT in metadata
    }


def _values(text: str) -> tuple[JsonValue, ...]:
    try:
        values = json.loads(text, parse_constant=_finite, parse_float=_finite)
        # Half a surrogate pair, which an escape can spell, raises here and not where it is sent on.
        json_line(values).encode()
    except (ValueError, RecursionError):
        return ()
    return tuple(values) if isinstance(values, list) else ()


def _finite(number: str) -> float:
    """Return the number; raises ValueError for NaN and infinity, which Python reads and JSON cannot say."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(number)
    return value


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()
