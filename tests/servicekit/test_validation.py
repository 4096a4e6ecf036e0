"""Every check at its edges."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf import duration_pb2, timestamp_pb2

from servicekit import validation
from servicekit.errors import InvalidField

UUID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize("value", ["", "x", UUID[:-1], UUID + "0", UUID.replace("-", ""), "{" + UUID + "}"])
def test_what_is_not_a_uuid_is_refused_with_its_value(value: str) -> None:
    with pytest.raises(InvalidField, match="chat_id must be a UUID"):
        validation.uuid_field("chat_id", value)


def test_a_uuid_is_taken_in_either_case() -> None:
    assert str(validation.uuid_field("chat_id", UUID.upper())) == UUID


def test_a_long_wrong_value_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidField) as caught:
        validation.uuid_field("chat_id", "y" * 10_000)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("value", ["", "a" * 129, "a\x00b"])
def test_a_user_id_has_1_to_128_characters_without_nul(value: str) -> None:
    with pytest.raises(InvalidField, match="user_id"):
        validation.user_id_field(value)


@pytest.mark.parametrize("value", [1, 10])
def test_the_bounds_of_a_number_are_inside(value: int) -> None:
    assert validation.int_field("amount", value, 1, 10) == value


@pytest.mark.parametrize("value", [0, 11, -1, 2**63 - 1])
def test_a_number_out_of_bounds_is_refused_with_the_bounds(value: int) -> None:
    with pytest.raises(InvalidField, match=f"amount must be 1 to 10, got {value}"):
        validation.int_field("amount", value, 1, 10)


@pytest.mark.parametrize(
    "value", [{str(n): "" for n in range(33)}, {"": "x"}, {"k" * 65: "x"}, {"k": "v" * 513}, {"k": "\x00"}]
)
def test_metadata_has_limits(value: dict[str, str]) -> None:
    with pytest.raises(InvalidField, match="metadata"):
        validation.metadata_field("metadata", value)


def test_metadata_at_its_limits_is_taken() -> None:
    value = {f"{n:064}": "v" * 512 for n in range(32)}
    assert validation.metadata_field("metadata", value) == value


SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@pytest.mark.parametrize(("seconds", "nanos"), [(1, 0), (86_400, 0), (900, 500_000_000)])
def test_a_duration_within_its_bounds_is_taken(seconds: int, nanos: int) -> None:
    given = duration_pb2.Duration(seconds=seconds, nanos=nanos)
    assert validation.duration_field("ttl", given, SECOND, DAY).total_seconds() == seconds + nanos / 1e9


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [
        (0, 0),
        (0, 999_999_999),
        (-1, 0),
        (86_400, 1),
        (86_400, 1_000),
        (2**63 - 1, 0),
        (-(2**63), 0),
        (2, 1_000_000_000),
        (2, -500),
        (-1, 999_999_999),
    ],
)
def test_a_duration_out_of_bounds_is_refused(seconds: int, nanos: int) -> None:
    with pytest.raises(InvalidField, match="ttl must be 1 s to 86400 s"):
        validation.duration_field("ttl", duration_pb2.Duration(seconds=seconds, nanos=nanos), SECOND, DAY)


def test_a_duration_is_cut_to_the_microsecond() -> None:
    given = duration_pb2.Duration(seconds=2, nanos=1_999)
    assert validation.duration_field("ttl", given, SECOND, DAY) == timedelta(seconds=2, microseconds=1)


def test_a_time_is_an_instant_in_utc() -> None:
    given = timestamp_pb2.Timestamp(seconds=0, nanos=1_000)
    assert validation.time_field("from_time", given) == datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize("seconds", [2**62, -(2**62)])
def test_a_time_out_of_the_calendar_is_refused(seconds: int) -> None:
    with pytest.raises(InvalidField, match="from_time"):
        validation.time_field("from_time", timestamp_pb2.Timestamp(seconds=seconds))


def test_an_unknown_enum_number_is_refused_with_the_known_names() -> None:
    with pytest.raises(InvalidField, match="type must be one of BONUS, REFUND, got 7"):
        validation.enum_field("type", 7, {1: "BONUS", 2: "REFUND"})
