"""Every field at and past its edges: INVALID_FIELD names it, and nothing is stored."""

from functools import partial
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from protos.credit.v1 import credit_pb2
from tests.credit_service.client import Client, duration, new_id, refused
from tests.credit_service.database import Database

BONUS = credit_pb2.TRANSACTION_TYPE_BONUS
REFUND = credit_pb2.TRANSACTION_TYPE_REFUND
GOOD: dict[str, dict[str, Any]] = {
    "GetAccount": {"user_id": "ana"},
    "Grant": {"user_id": "ana", "amount": 1, "type": BONUS, "request_id": new_id()},
    "Debit": {"user_id": "ana", "amount": 1, "type": REFUND, "request_id": new_id()},
    "CloseAccount": {"user_id": "ana", "request_id": new_id()},
    "Reserve": {"user_id": "ana", "amount": 1, "request_id": new_id()},
    "Charge": {"reservation_id": new_id()},
    "Release": {"reservation_id": new_id()},
    "Extend": {"reservation_id": new_id(), "ttl": duration(5), "request_id": new_id()},
    "GetReservation": {"reservation_id": new_id()},
    "ListReservations": {"user_id": "ana"},
    "ListTransactions": {"user_id": "ana"},
}

USER_IDS = ["", "x" * 129, "a\x00b"]
IDS = ["", "x", "1" * 36, "0" * 32, "{" + "0" * 34 + "}", "\x00" * 36, "é" * 36]
AMOUNTS = [0, -1, 10**12 + 1, 2**63 - 1, -(2**63)]
TTLS = [
    Duration(),
    duration(0.999999),
    duration(-1),
    duration(86_400.000001),
    Duration(seconds=86_400, nanos=1),
    Duration(seconds=2, nanos=-1),
    Duration(seconds=315_576_000_001),
    Duration(seconds=-(2**63)),
    Duration(seconds=2**63 - 1, nanos=2**31 - 1),
    Duration(seconds=5, nanos=-(2**31)),
]
TEXTS = ["x" * 1_025, "a\x00"]
METADATA = [
    {str(number): "" for number in range(33)},
    {"": "x"},
    {"k" * 65: ""},
    {"k": "v" * 513},
    {"k\x00": ""},
    {"k": "\x00"},
]
GRANT_TYPES = [
    credit_pb2.TRANSACTION_TYPE_UNSPECIFIED,
    credit_pb2.TRANSACTION_TYPE_INSIGHT_UNLOCK,
    credit_pb2.TRANSACTION_TYPE_CHARGEBACK,
    99,
    -1,
]

DEBIT_TYPES = [
    credit_pb2.TRANSACTION_TYPE_UNSPECIFIED,
    credit_pb2.TRANSACTION_TYPE_INSIGHT_UNLOCK,
    credit_pb2.TRANSACTION_TYPE_PURCHASE,
    credit_pb2.TRANSACTION_TYPE_BONUS,
    99,
]

MATRIX: list[tuple[str, str, list[Any]]] = [
    ("Debit", "user_id", USER_IDS),
    ("Debit", "amount", AMOUNTS),
    ("Debit", "type", DEBIT_TYPES),
    ("Debit", "description", TEXTS),
    ("Debit", "metadata", METADATA),
    ("Debit", "request_id", IDS),
    ("CloseAccount", "user_id", USER_IDS),
    ("CloseAccount", "request_id", IDS),
    *((method, "user_id", USER_IDS) for method, good in GOOD.items() if "user_id" in good),
    *((method, "reservation_id", IDS) for method, good in GOOD.items() if "reservation_id" in good),
    *((method, "request_id", IDS) for method in ("Grant", "Reserve", "Extend")),
    *((method, "request_id", IDS[1:]) for method in ("Charge", "Release")),
    *((method, "amount", AMOUNTS) for method in ("Grant", "Reserve")),
    ("Charge", "amount", AMOUNTS[1:]),
    *((method, "ttl", TTLS) for method in ("Reserve", "Extend")),
    *((method, "description", TEXTS) for method in ("Grant", "Reserve", "Charge")),
    ("Release", "reason", TEXTS),
    ("Reserve", "reference_type", ["x" * 65, "\x00"]),
    ("Reserve", "reference_id", ["x" * 129, "\x00"]),
    *((method, "metadata", METADATA) for method in ("Grant", "Reserve", "Charge")),
    ("Grant", "type", GRANT_TYPES),
    ("ListReservations", "states", [[0], [6], [-1], [1, 99], [1] * 17]),
    ("ListTransactions", "types", [[0], [7], [-1], [1, 99], [1] * 17]),
    *((method, "page_size", [-1, -(2**31)]) for method in ("ListReservations", "ListTransactions")),
    *(
        (method, "page_token", ["x", "AAAA", "A" * 10_000, "\x00", "é", "=" * 40])
        for method in ("ListReservations", "ListTransactions")
    ),
    *(
        ("ListTransactions", field, [Timestamp(seconds=2**62), Timestamp(seconds=-(2**62))])
        for field in ("from_time", "to_time")
    ),
]


@pytest.mark.parametrize(("method", "field", "values"), MATRIX, ids=[f"{m}-{f}" for m, f, _ in MATRIX])
def test_a_bad_field_is_named_and_nothing_is_stored(
    client: Client, database: Database, method: str, field: str, values: list[Any]
) -> None:
    for value in values:
        fields = {**GOOD[method], field: value}
        error = refused("INVALID_FIELD", partial(client.call, method, **fields))
        assert error.code == grpc.StatusCode.INVALID_ARGUMENT
        named = error.metadata["field"]
        assert named == field or (field == "metadata" and named.startswith("metadata")), value
        assert [violation.field for violation in error.violations] == [named]
    assert database.one("SELECT count(*) FROM accounts") == 0
    assert database.one("SELECT count(*) FROM requests") == 0


@pytest.mark.parametrize("missing", ["user_id", "amount", "type", "request_id"])
def test_a_grant_without_a_required_field_names_it(client: Client, missing: str) -> None:
    fields = {key: value for key, value in GOOD["Grant"].items() if key != missing}
    assert refused("INVALID_FIELD", lambda: client.call("Grant", **fields)).metadata["field"] == missing


def test_an_extend_needs_a_ttl(client: Client) -> None:
    fields = {key: value for key, value in GOOD["Extend"].items() if key != "ttl"}
    assert refused("INVALID_FIELD", lambda: client.call("Extend", **fields)).metadata["field"] == "ttl"


def test_the_edges_themselves_are_accepted(client: Client) -> None:
    user_id = "ü" * 128
    for grant_type in (
        credit_pb2.TRANSACTION_TYPE_PURCHASE,
        credit_pb2.TRANSACTION_TYPE_REFUND,
        credit_pb2.TRANSACTION_TYPE_BONUS,
        credit_pb2.TRANSACTION_TYPE_ADJUSTMENT,
    ):
        client.grant(10**12, user_id, type=grant_type, description="x" * 1_024, metadata={"k": ""})
    for ttl_s in (1, 86_400):
        client.reserve(1, user_id, ttl_s, reference_type="x" * 64, reference_id="x" * 128)
    listed = client.call("ListReservations", user_id=user_id, page_size=2**31 - 1, states=[1] * 16)
    assert len(listed.reservations) == 2


def test_what_looks_like_sql_or_a_template_is_only_text(client: Client) -> None:
    user_id = "'; DROP TABLE accounts; -- {0} %s \\ \U0001f600 \u202e"
    client.grant(5, user_id, description=user_id, metadata={user_id[:64]: user_id})
    listed = client.call("ListTransactions", user_id=user_id).transactions
    assert [(row.user_id, row.description) for row in listed] == [(user_id, user_id)]


def test_the_first_bad_field_of_several_is_named(client: Client) -> None:
    error = refused("INVALID_FIELD", lambda: client.call("Reserve", user_id="", amount=0, request_id="x"))
    assert error.metadata["field"] == "user_id"
