"""Accounts over gRPC: from the first coin to the last state, and what is not there."""

import pytest

from protos.credit.v1 import credit_pb2
from servicekit.errors import ServiceError
from tests.credit_service.client import Client, duration, new_id, refused
from tests.credit_service.database import Database

RESERVED = credit_pb2.RESERVATION_STATE_RESERVED
TRILLION = 10**12


@pytest.fixture
def rich(client: Client) -> Client:
    client.grant(1_000)
    return client


def test_the_way_of_a_coin_from_the_grant_to_the_charge(client: Client) -> None:
    granted = client.grant(500, description="first coins", metadata={"order": "o1"})
    assert granted.transaction.balance_after == granted.account.balance == 500
    assert dict(granted.transaction.metadata) == {"order": "o1"}
    reserved = client.reserve(
        400, ttl_s=60, reference_type="job", reference_id="j1", description="unlock", metadata={"a": "b"}
    )
    assert reserved.reservation.state == RESERVED
    assert (reserved.account.reserved, reserved.account.available) == (400, 100)
    lifetime = (
        reserved.reservation.expire_time.ToNanoseconds() - reserved.reservation.create_time.ToNanoseconds()
    )
    assert lifetime == 60 * 10**9
    charged = client.charge(reserved.reservation.reservation_id, amount=150)
    assert (charged.account.balance, charged.account.available) == (350, 350)
    assert charged.reservation.transaction_id == charged.transaction.transaction_id
    assert charged.transaction.reservation_id == reserved.reservation.reservation_id
    assert (charged.transaction.amount, charged.transaction.balance_after) == (-150, 350)
    assert (charged.transaction.reference_type, charged.transaction.reference_id) == ("job", "j1")
    assert charged.transaction.type == credit_pb2.TRANSACTION_TYPE_INSIGHT_UNLOCK
    assert client.reservation(reserved.reservation.reservation_id) == charged.reservation
    assert client.account() == charged.account


def test_an_unknown_user_has_no_account(client: Client) -> None:
    error = refused("ACCOUNT_NOT_FOUND", client.account)
    assert error.metadata == {"user_id": "ana"}
    refused("ACCOUNT_NOT_FOUND", lambda: client.reserve(1))
    listed = client.call("ListReservations", user_id="ana")
    assert (len(listed.reservations), listed.next_page_token) == (0, "")


def test_a_row_that_no_grant_has_filled_is_no_account(client: Client, database: Database) -> None:
    """A first Grant makes the row before it locks it; until a transaction stands behind it, it is nothing."""
    database.run("INSERT INTO accounts (user_id) VALUES ('ana')")
    refused("ACCOUNT_NOT_FOUND", client.account)
    refused("ACCOUNT_NOT_FOUND", lambda: client.reserve(1))
    assert client.grant(5).account == client.account()


def test_a_reserve_without_a_ttl_holds_for_a_quarter_of_an_hour(rich: Client) -> None:
    made = rich.reserve(1).reservation
    assert made.expire_time.ToNanoseconds() - made.create_time.ToNanoseconds() == 15 * 60 * 10**9


def test_a_balance_may_reach_int64_and_not_pass_it(rich: Client, database: Database) -> None:
    # Given as many coins as nine million grants would bring
    lifted = 2**63 - 8 - 1_000
    database.run("UPDATE accounts SET balance = balance + %s", lifted)
    error = refused("BALANCE_OVERFLOW", lambda: rich.grant(8))
    assert error.metadata == {"user_id": "ana"}
    assert rich.grant(7).account.balance == 2**63 - 1
    # The sums are right again without them
    database.run(
        "SET session_replication_role = replica;"
        "UPDATE transactions SET balance_after = balance_after - %s WHERE amount = 7;"
        "UPDATE accounts SET balance = balance - %s;"
        "SET session_replication_role = origin",
        lifted,
        lifted,
    )


def test_a_closed_account_takes_releases_and_reads_only(rich: Client, database: Database) -> None:
    reservation_id = rich.reserved(5)
    database.run("UPDATE accounts SET close_time = now()")
    for call in (
        lambda: rich.grant(1),
        lambda: rich.reserve(1),
        lambda: rich.reserve(TRILLION),
        lambda: rich.charge(reservation_id),
        lambda: rich.extend(reservation_id, 600),
    ):
        assert refused("ACCOUNT_CLOSED", call).metadata == {"user_id": "ana"}
    assert rich.release(reservation_id).account.available == 1_000
    assert rich.account().HasField("close_time")


@pytest.mark.parametrize("method", ["Charge", "Release", "Extend", "GetReservation"])
def test_an_unknown_reservation_is_not_found(rich: Client, method: str) -> None:
    missing = new_id()
    fields = {"ttl": duration(5), "request_id": new_id()} if method == "Extend" else {}
    error = refused("RESERVATION_NOT_FOUND", lambda: rich.call(method, reservation_id=missing, **fields))
    assert error.metadata == {"reservation_id": missing}
    assert isinstance(error, ServiceError)
