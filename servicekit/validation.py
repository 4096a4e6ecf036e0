"""Checks of request fields. Each answers the clean value or raises `InvalidField`."""

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from google.protobuf import duration_pb2, timestamp_pb2

from servicekit.errors import InvalidField

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MAX_INT64 = 2**63 - 1
_SECOND_NS = 10**9
MAX_METADATA_KEYS = 32
MAX_METADATA_KEY_CHARS = 64
MAX_METADATA_VALUE_CHARS = 512


def uuid_field(name: str, value: str) -> uuid.UUID:
    """Answer the UUID of a 36-character string; case is ignored."""
    if _UUID.fullmatch(value) is None:
        raise InvalidField(name, f"must be a UUID, got {_shown(value)}")
    return uuid.UUID(int=int(value.replace("-", ""), 16))


def text_field(name: str, value: str, *, min_chars: int = 0, max_chars: int) -> str:
    """Answer a text within the bounds, counted in characters; NUL is refused (PostgreSQL cannot hold it)."""
    if not min_chars <= len(value) <= max_chars:
        raise InvalidField(name, f"must have {min_chars} to {max_chars} characters, got {len(value)}")
    if "\x00" in value:
        raise InvalidField(name, "must not contain NUL")
    return value


def user_id_field(value: str, name: str = "user_id") -> str:
    """Answer an opaque user id of 1 to 128 characters."""
    return text_field(name, value, min_chars=1, max_chars=128)


def int_field(name: str, value: int, minimum: int, maximum: int = _MAX_INT64) -> int:
    """Answer a whole number within the bounds, both included."""
    if not minimum <= value <= maximum:
        raise InvalidField(name, f"must be {minimum} to {maximum}, got {value}")
    return value


def metadata_field(name: str, value: Mapping[str, str]) -> dict[str, str]:
    """Answer the caller's keys and values: at most 32, of 1 to 64 and at most 512 characters."""
    if len(value) > MAX_METADATA_KEYS:
        raise InvalidField(name, f"must have at most {MAX_METADATA_KEYS} keys, got {len(value)}")
    for key, text in value.items():
        text_field(f"{name} key", key, min_chars=1, max_chars=MAX_METADATA_KEY_CHARS)
        text_field(f"{name}[{key}]", text, max_chars=MAX_METADATA_VALUE_CHARS)
    return dict(value)


def duration_field(
    name: str, value: duration_pb2.Duration, minimum: timedelta, maximum: timedelta
) -> timedelta:
    """Answer a duration within the bounds, both included, cut to the microsecond.

    The bounds hold to the nanosecond. Seconds and nanoseconds of different signs are refused, as the
    wire's Duration demands.
    """
    given_ns = value.seconds * _SECOND_NS + value.nanos
    well_formed = abs(value.nanos) < _SECOND_NS and value.seconds * value.nanos >= 0
    if not well_formed or not _nanoseconds(minimum) <= given_ns <= _nanoseconds(maximum):
        raise InvalidField(
            name,
            f"must be {minimum.total_seconds():g} s to {maximum.total_seconds():g} s, "
            f"got {value.seconds} s {value.nanos} ns",
        )
    return timedelta(microseconds=given_ns // 1_000)


def _nanoseconds(value: timedelta) -> int:
    return value // timedelta(microseconds=1) * 1_000


def time_field(name: str, value: timestamp_pb2.Timestamp) -> datetime:
    """Answer an instant in UTC, to the microsecond, of the years 1 to 9999."""
    try:
        return value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidField(name, f"is not a time of the years 1 to 9999: {error}") from None


def enum_field(name: str, value: int, allowed: Mapping[int, str]) -> int:
    """Answer an enum number that is one of `allowed` (number to name)."""
    if value not in allowed:
        raise InvalidField(name, f"must be one of {', '.join(allowed.values())}, got {value}")
    return value


def _shown(value: str) -> str:
    """Quote a value for a message, cut where it is long."""
    return repr(value if len(value) <= 64 else value[:61] + "...")
