"""What is old leaves the tables in use, and only its request ids are forgotten."""

from datetime import timedelta

import pytest

from credit_service.archive import MIN_AGE, archive
from protos.credit.v1 import credit_pb2
from tests.credit_service.client import Client, new_id, refused
from tests.credit_service.database import Database

AGE = timedelta(days=30)


def grow_old(database: Database) -> None:
    """Move everything that there is forty days into the past."""
    shift = "- interval '40 days'"
    database.run(
        "SET session_replication_role = replica;"
        f"UPDATE reservations SET create_time = create_time {shift}, expire_time = expire_time {shift},"
        f" settle_time = settle_time {shift}, reservation_id = CAST('00000000' ||"
        " substr(CAST(reservation_id AS text), 9) AS uuid);"
        f"UPDATE requests SET create_time = create_time {shift}, reservation_id = CAST('00000000' ||"
        " substr(CAST(reservation_id AS text), 9) AS uuid);"
        f"UPDATE transactions SET create_time = create_time {shift}, reservation_id = CAST('00000000' ||"
        " substr(CAST(reservation_id AS text), 9) AS uuid);"
        "SET session_replication_role = origin"
    )


def old(reservation_id: str) -> str:
    """Answer the id that `grow_old` gives a reservation: ids begin with the time that they were made at."""
    return f"00000000{reservation_id[8:]}"


def test_what_is_old_and_settled_moves_and_the_rest_stays(
    client: Client, database: Database, migrated: str
) -> None:
    # Given old reservations in every state, and young ones
    client.grant(100)
    charged, released = client.reserved(10), client.reserved(20)
    client.charge(charged)
    client.release(released)
    refused("INSUFFICIENT_CREDITS", lambda: client.reserve(1_000))
    grow_old(database)
    young = client.reserved(5)
    client.charge(young)
    # When the archive is made, twice
    moved = archive(migrated, AGE)
    assert (moved.reservations, moved.requests) == (3, 4)
    assert archive(migrated, AGE).reservations == 0
    # Then only the young are left, and the books are right
    assert database.one("SELECT count(*) FROM reservations") == 1
    assert database.one("SELECT count(*) FROM archived_reservations") == 3
    verified = client.call("VerifyLedger")
    assert (verified.accounts_checked, verified.findings_total) == (1, 0)


def test_an_archived_reservation_answers_as_before(client: Client, database: Database, migrated: str) -> None:
    client.grant(100)
    charged, released = client.reserved(10), client.reserved(20)
    first = client.charge(charged, amount=4)
    client.release(released, reason="no need")
    grow_old(database)
    archive(migrated, AGE)
    assert client.reservation(old(released)).release_reason == "no need"
    assert (
        client.charge(old(charged), amount=4).transaction.transaction_id == first.transaction.transaction_id
    )
    refused("RESERVATION_ALREADY_CHARGED", lambda: client.charge(old(charged), amount=5))
    refused("RESERVATION_ALREADY_RELEASED", lambda: client.charge(old(released)))
    assert client.release(old(released)).reservation.release_reason == "no need"
    assert client.coins() == (96, 0, 96)


def test_a_request_younger_than_the_age_is_repeated_although_its_reservation_is_archived(
    client: Client, database: Database, migrated: str
) -> None:
    client.grant(100)
    released = client.reserved(20)
    client.release(released)
    grow_old(database)
    request_id = new_id()
    first = client.release(old(released), request_id=request_id)
    archive(migrated, AGE)
    again = client.release(old(released), request_id=request_id)
    assert again.reservation == first.reservation
    assert again.reservation.state == credit_pb2.RESERVATION_STATE_RELEASED


def test_a_forgotten_request_id_stands_for_a_new_request(
    client: Client, database: Database, migrated: str
) -> None:
    client.grant(100)
    request_id = new_id()
    refused("INSUFFICIENT_CREDITS", lambda: client.reserve(1_000, request_id=request_id))
    grow_old(database)
    archive(migrated, AGE)
    assert client.reserve(10, request_id=request_id).reservation.amount == 10


def test_a_reservation_that_still_holds_coins_never_moves(
    client: Client, database: Database, migrated: str
) -> None:
    client.grant(100)
    client.reserved(10)
    grow_old(database)
    assert archive(migrated, AGE).reservations == 0
    # It has expired long ago; written down, it moves
    client.reserve(100)
    assert archive(migrated, AGE).reservations == 1


def test_nothing_young_can_be_archived(migrated: str) -> None:
    with pytest.raises(ValueError, match="2 days"):
        archive(migrated, MIN_AGE - timedelta(seconds=1))
