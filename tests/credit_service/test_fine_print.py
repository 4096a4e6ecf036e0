"""The fine print of the contract, rule by rule, over gRPC and against PostgreSQL."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from protos.credit.v1 import credit_pb2
from tests.credit_service.client import Client, duration, new_id, refused
from tests.credit_service.database import Database
from tests.eventually import eventually

RESERVED = credit_pb2.RESERVATION_STATE_RESERVED
CHARGED = credit_pb2.RESERVATION_STATE_CHARGED
RELEASED = credit_pb2.RESERVATION_STATE_RELEASED
EXPIRED = credit_pb2.RESERVATION_STATE_EXPIRED
REFUSED = credit_pb2.RESERVATION_STATE_REFUSED
TRILLION = 10**12


@pytest.fixture
def rich(client: Client) -> Client:
    client.grant(1_000)
    return client


def refused_reservation(client: Client) -> str:
    """Make a Reserve that is refused, and answer the reservation that remembers it."""
    refused("INSUFFICIENT_CREDITS", lambda: client.reserve(TRILLION))
    listed = client.call("ListReservations", user_id="ana", states=[REFUSED])
    reservation_id: str = listed.reservations[0].reservation_id
    return reservation_id


def test_1_amounts_are_one_to_a_trillion_and_a_charge_may_be_zero(client: Client) -> None:
    assert client.grant(TRILLION).account.balance == TRILLION
    reservation_id = client.reserved(TRILLION)
    assert client.charge(reservation_id, amount=0).account.available == TRILLION
    for amount in (0, -1, TRILLION + 1, 2**63 - 1, -(2**63)):
        assert refused("INVALID_FIELD", lambda: client.grant(amount)).metadata == {"field": "amount"}  # noqa: B023
        assert refused("INVALID_FIELD", lambda: client.reserve(amount)).metadata == {"field": "amount"}  # noqa: B023
        if amount != 0:
            refused("INVALID_FIELD", lambda: client.charge(reservation_id, amount=amount))  # noqa: B023


def test_2_a_request_id_belongs_to_the_account_over_all_its_rpcs(rich: Client) -> None:
    used = new_id()
    rich.reserve(1, request_id=used)
    error = refused("REQUEST_ID_REUSED", lambda: rich.grant(1, request_id=used))
    assert error.metadata == {"request_id": used, "field": "operation"}
    other = rich.reserved(1)
    for call in (
        lambda: rich.charge(other, request_id=used),
        lambda: rich.release(other, request_id=used),
        lambda: rich.extend(other, 5, request_id=used),
    ):
        assert refused("REQUEST_ID_REUSED", call).metadata["field"] == "operation"
    assert rich.grant(7, "ben", request_id=used).account.balance == 7
    theirs = rich.reserved(7, "ben")
    assert (
        refused("REQUEST_ID_REUSED", lambda: rich.charge(theirs, request_id=used)).metadata["field"]
        == "operation"
    )


def test_3_a_refusal_for_lack_of_coins_is_remembered_as_a_refused_reservation(client: Client) -> None:
    client.grant(10)
    request_id = new_id()
    first = refused("INSUFFICIENT_CREDITS", lambda: client.reserve(11, request_id=request_id))
    client.grant(1_000)
    again = refused("INSUFFICIENT_CREDITS", lambda: client.reserve(11, request_id=request_id))
    assert first.metadata == again.metadata == {"required": "11", "available": "10"}
    listed = client.call("ListReservations", user_id="ana").reservations
    assert [(row.state, row.amount) for row in listed] == [(REFUSED, 11)]
    assert client.coins() == (1_010, 0, 1_010)


def test_3_other_errors_burn_nothing(rich: Client) -> None:
    request_id = new_id()
    refused("INVALID_FIELD", lambda: rich.reserve(0, request_id=request_id))
    refused("ACCOUNT_NOT_FOUND", lambda: rich.reserve(1, "nobody", request_id=request_id))
    refused("RESERVATION_NOT_FOUND", lambda: rich.charge(new_id(), request_id=request_id))
    reservation_id = rich.reserved(5)
    refused(
        "CHARGE_EXCEEDS_RESERVATION", lambda: rich.charge(reservation_id, amount=6, request_id=request_id)
    )
    assert rich.charge(reservation_id, amount=5, request_id=request_id).transaction.amount == -5


def test_4_the_same_request_gets_the_first_answer_and_another_one_the_field(rich: Client) -> None:
    fields: dict[str, Any] = {
        "request_id": new_id(),
        "ttl": duration(60),
        "reference_type": "job",
        "reference_id": "j1",
        "description": "d" * 1_024,
        "metadata": {"k": "v" * 512},
    }
    first = rich.reserve(5, **fields)
    assert rich.reserve(5, **fields).reservation == first.reservation
    assert refused("REQUEST_ID_REUSED", lambda: rich.reserve(6, **fields)).metadata["field"] == "amount"
    for field, value in {
        "ttl": duration(61),
        "reference_type": "",
        "reference_id": "j2",
        "description": "d" * 1_023,
        "metadata": {"k": "v" * 511},
    }.items():
        changed = {**fields, field: value}
        error = refused("REQUEST_ID_REUSED", lambda: rich.reserve(5, **changed))  # noqa: B023
        assert error.metadata["field"] == field
    without = {key: value for key, value in fields.items() if key != "ttl"}
    assert refused("REQUEST_ID_REUSED", lambda: rich.reserve(5, **without)).metadata["field"] == "ttl"
    assert rich.coins() == (1_000, 5, 995)


def test_4_ttls_a_nanosecond_apart_are_two_requests(rich: Client) -> None:
    first, second = Duration(seconds=60, nanos=1), Duration(seconds=60, nanos=2)
    reserve_id, extend_id = new_id(), new_id()
    made = rich.reserve(5, request_id=reserve_id, ttl=first).reservation
    assert rich.reserve(5, request_id=reserve_id, ttl=first).reservation == made
    error = refused("REQUEST_ID_REUSED", lambda: rich.reserve(5, request_id=reserve_id, ttl=second))
    assert error.metadata["field"] == "ttl"
    extend = {"reservation_id": made.reservation_id, "request_id": extend_id}
    rich.call("Extend", ttl=first, **extend)
    error = refused("REQUEST_ID_REUSED", lambda: rich.call("Extend", ttl=second, **extend))
    assert error.metadata["field"] == "ttl"


def test_4_the_case_of_a_request_id_does_not_matter(rich: Client) -> None:
    request_id = new_id()
    first = rich.reserve(5, request_id=request_id)
    assert rich.reserve(5, request_id=request_id.upper()).reservation == first.reservation


def test_4_an_absent_charge_amount_and_the_full_one_are_the_same_request(rich: Client) -> None:
    reservation_id, request_id = rich.reserved(5), new_id()
    first = rich.charge(reservation_id, request_id=request_id)
    assert rich.charge(reservation_id, amount=5, request_id=request_id).transaction == first.transaction
    error = refused("REQUEST_ID_REUSED", lambda: rich.charge(reservation_id, amount=4, request_id=request_id))
    assert error.metadata["field"] == "amount"


def test_5_a_charge_without_a_request_id_has_the_reservation_as_its_key(rich: Client) -> None:
    reservation_id = rich.reserved(5)
    first = rich.charge(reservation_id)
    assert rich.charge(reservation_id).transaction == first.transaction
    assert rich.charge(reservation_id, amount=5, description="else").transaction == first.transaction
    error = refused("RESERVATION_ALREADY_CHARGED", lambda: rich.charge(reservation_id, amount=4))
    assert error.metadata == {
        "reservation_id": reservation_id,
        "charged_amount": "5",
        "transaction_id": first.transaction.transaction_id,
        "settle_time": first.reservation.settle_time.ToJsonString(),
    }
    assert rich.coins() == (995, 0, 995)


def test_5_a_request_id_that_did_not_charge_is_too_late_whatever_the_amount(rich: Client) -> None:
    for first_id in (new_id(), ""):
        reservation_id = rich.reserved(5)
        rich.charge(reservation_id, request_id=first_id)
        for amount in (5, 4, 0):
            refused(
                "RESERVATION_ALREADY_CHARGED",
                lambda: rich.charge(reservation_id, amount=amount, request_id=new_id()),  # noqa: B023
            )


def test_6_a_charge_of_more_than_was_reserved_is_refused_in_any_state(
    rich: Client, database: Database
) -> None:
    open_one, charged, released, expired = (rich.reserved(5, ttl_s=60) for _ in range(4))
    rich.charge(charged)
    rich.release(released)
    database.let_expire([expired])
    for reservation_id in (open_one, charged, released, expired):
        error = refused(
            "CHARGE_EXCEEDS_RESERVATION",
            lambda: rich.charge(reservation_id, amount=6),  # noqa: B023
        )
        assert error.metadata == {"requested": "6", "reserved": "5"}
    assert rich.reservation(open_one).state == RESERVED
    assert rich.charge(open_one).transaction.amount == -5


def test_7_a_charge_of_zero_takes_nothing_and_closes(rich: Client) -> None:
    reservation_id = rich.reserved(5)
    charged = rich.charge(reservation_id, amount=0)
    assert charged.reservation.state == CHARGED
    assert not charged.HasField("transaction")
    assert not charged.reservation.HasField("transaction_id")
    assert (charged.account.balance, charged.account.reserved) == (1_000, 0)
    error = refused("RESERVATION_ALREADY_CHARGED", lambda: rich.release(reservation_id))
    assert (error.metadata["charged_amount"], error.metadata["transaction_id"]) == ("0", "")
    assert not rich.charge(reservation_id, amount=0).HasField("transaction")
    refused("RESERVATION_ALREADY_CHARGED", lambda: rich.charge(reservation_id))


def test_8_releasing_again_answers_as_the_first_time_whatever_the_reason(rich: Client) -> None:
    reservation_id = rich.reserved(5)
    first = rich.release(reservation_id, reason="failed")
    for fields in ({}, {"reason": "other"}, {"reason": "other", "request_id": new_id()}):
        assert rich.release(reservation_id, **fields).reservation == first.reservation
    error = refused("RESERVATION_ALREADY_RELEASED", lambda: rich.charge(reservation_id))
    assert error.metadata == {
        "reservation_id": reservation_id,
        "settle_time": first.reservation.settle_time.ToJsonString(),
        "release_reason": "failed",
    }


def test_8_an_expired_reservation_cannot_be_released_swept_or_not(rich: Client, database: Database) -> None:
    reservation_id = rich.reserved(5)
    database.let_expire([reservation_id])
    seen = rich.reservation(reservation_id)
    for _ in range(2):  # the first call writes the expiry down, the second finds it written
        error = refused("RESERVATION_EXPIRED", lambda: rich.release(reservation_id))
        assert error.metadata["expire_time"] == seen.expire_time.ToJsonString()
    assert database.one("SELECT state FROM reservations") == "EXPIRED"
    assert rich.reservation(reservation_id) == seen


def test_9_a_refused_reservation_takes_no_call(rich: Client) -> None:
    reservation_id = refused_reservation(rich)
    for call in (
        lambda: rich.charge(reservation_id),
        lambda: rich.charge(reservation_id, request_id=new_id()),
        lambda: rich.release(reservation_id),
        lambda: rich.extend(reservation_id, 60),
    ):
        assert refused("RESERVATION_REFUSED", call).metadata == {"reservation_id": reservation_id}


def test_10_an_extend_never_shortens(rich: Client) -> None:
    made = rich.reserve(5, ttl_s=600).reservation
    assert rich.extend(made.reservation_id, 1).expire_time == made.expire_time
    longer = rich.extend(made.reservation_id, 1_200)
    assert longer.expire_time.ToNanoseconds() > made.expire_time.ToNanoseconds()
    assert rich.reservation(made.reservation_id) == longer


def test_12_a_replay_answers_the_first_rows_and_the_account_of_now(rich: Client) -> None:
    reserve_id, extend_id, charge_id, grant_id = (new_id() for _ in range(4))
    granted = rich.grant(10, request_id=grant_id)
    reserved = rich.reserve(5, ttl_s=60, request_id=reserve_id)
    reservation_id = reserved.reservation.reservation_id
    extended = rich.extend(reservation_id, 600, request_id=extend_id)
    charged = rich.charge(reservation_id, amount=2, request_id=charge_id)
    rich.grant(90)
    again = rich.reserve(5, ttl_s=60, request_id=reserve_id)
    assert again.reservation == reserved.reservation
    assert again.account == rich.account()
    assert rich.extend(reservation_id, 600, request_id=extend_id) == extended
    repeated = rich.charge(reservation_id, amount=2, request_id=charge_id)
    assert (repeated.reservation, repeated.transaction) == (charged.reservation, charged.transaction)
    assert repeated.account.balance == 1_098
    regranted = rich.grant(10, request_id=grant_id)
    assert (regranted.transaction, regranted.account.balance) == (granted.transaction, 1_098)


def test_12_a_charge_repeated_after_the_deadline_answers_with_its_transaction(rich: Client) -> None:
    made = rich.reserve(5, ttl_s=1)
    first = rich.charge(made.reservation.reservation_id, request_id=(charge_id := new_id()))
    later = rich.reserved(1, ttl_s=1)
    eventually(lambda: rich.reservation(later).state == EXPIRED)
    again = rich.charge(made.reservation.reservation_id, request_id=charge_id)
    assert again.transaction == first.transaction


def test_13_metadata_and_descriptions_have_limits(rich: Client) -> None:
    fits = {f"{number:064}": "v" * 512 for number in range(32)}
    granted = rich.grant(1, metadata=fits, description="é" * 1_024)
    assert dict(granted.transaction.metadata) == fits
    made = rich.reserve(1, metadata=fits).reservation
    assert dict(rich.reservation(made.reservation_id).metadata) == fits
    error = refused("INVALID_FIELD", lambda: rich.charge(made.reservation_id, metadata={"one": "more"}))
    assert error.metadata == {"field": "metadata"}
    assert dict(rich.charge(made.reservation_id).transaction.metadata) == fits
