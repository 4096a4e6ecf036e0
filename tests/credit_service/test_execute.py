"""Execute, Debit and CloseAccount as callers see them."""

from typing import Any

from google.rpc import code_pb2

from protos.credit.v1 import credit_pb2
from tests.credit_service.client import Client, duration, metadata, new_id, operation, reason, refused
from tests.credit_service.database import Database

CHARGEBACK = credit_pb2.TRANSACTION_TYPE_CHARGEBACK


def test_a_batch_answers_each_operation_as_its_own_rpc_would(client: Client) -> None:
    client.grant(100)
    reserve_id = new_id()
    named: dict[str, Any] = {"user_id": "ana", "reserve_request_id": reserve_id}
    results = client.execute(
        operation("grant", user_id="ben", amount=5),
        operation("reserve", user_id="ana", amount=60, request_id=reserve_id),
        operation("extend", ttl=duration(3_600), **named),
        operation("charge", amount=20, **named),
        operation("release", **named),
        operation("debit", user_id="ana", amount=81, type=credit_pb2.TRANSACTION_TYPE_REFUND),
        operation("debit", user_id="ana", amount=80, type=credit_pb2.TRANSACTION_TYPE_REFUND),
    )
    assert [reason(result) for result in results] == [
        "grant",
        "reserve",
        "extend",
        "charge",
        "RESERVATION_ALREADY_CHARGED",
        "INSUFFICIENT_CREDITS",
        "debit",
    ]
    assert results[1].reserve.account.reserved == 60
    assert results[3].charge.transaction.amount == -20
    assert results[5].error.code == code_pb2.FAILED_PRECONDITION
    assert metadata(results[5]) == {"required": "81", "available": "80"}
    assert client.coins() == (0, 0, 0)
    assert client.coins("ben") == (5, 0, 5)


def test_a_batch_may_be_repeated_as_a_whole(client: Client) -> None:
    client.grant(100)
    reserve_id = new_id()
    batch = [
        operation("reserve", user_id="ana", amount=60, request_id=reserve_id),
        operation("charge", user_id="ana", reserve_request_id=reserve_id, amount=7),
        operation("reserve", user_id="ana", amount=94),
    ]
    first, again = client.execute(*batch), client.execute(*batch)
    assert [reason(result) for result in again] == ["reserve", "charge", "INSUFFICIENT_CREDITS"]
    assert again[1].charge.transaction == first[1].charge.transaction
    assert again[0].reserve.reservation == first[0].reserve.reservation
    assert client.coins() == (93, 0, 93)


def test_a_linked_run_is_all_or_nothing(client: Client, database: Database) -> None:
    client.grant(100)
    results = client.execute(
        operation("reserve", user_id="ana", amount=60, linked=True),
        operation("grant", user_id="ben", amount=5, linked=True),
        operation("release", reservation_id=new_id()),
        operation("reserve", user_id="ana", amount=100),
    )
    linked = "LINKED_OPERATION_FAILED"
    assert [reason(result) for result in results] == [linked, linked, "RESERVATION_NOT_FOUND", "reserve"]
    assert metadata(results[0]) == {"index": "2"}
    refused("ACCOUNT_NOT_FOUND", lambda: client.account("ben"))
    assert database.one("SELECT count(*) FROM reservations") == 1


def test_a_malformed_operation_fails_alone(client: Client) -> None:
    client.grant(100)
    results = client.execute(
        operation("reserve", user_id="ana", amount=0),
        credit_pb2.Operation(),
        operation("charge", reservation_id=new_id(), user_id="ana", reserve_request_id=new_id()),
        operation("reserve", user_id="ana", amount=1),
    )
    assert [reason(result) for result in results] == ["INVALID_FIELD"] * 3 + ["reserve"]
    assert [metadata(result)["field"] for result in results[:3]] == [
        "amount",
        "operation",
        "reserve_request_id",
    ]


def test_a_call_that_cannot_be_understood_does_nothing(client: Client) -> None:
    client.grant(100)
    reserve = operation("reserve", user_id="ana", amount=1)
    for operations, field in (
        ([], "operations"),
        ([reserve] * 8_191, "operations"),
        ([reserve, operation("grant", user_id="ana", amount=1, linked=True)], "operations[1].linked"),
    ):
        error = refused("INVALID_FIELD", lambda given=operations: client.execute(*given))  # type: ignore[misc]  # bound at once
        assert error.metadata["field"] == field
    assert client.coins() == (100, 0, 100)


def test_the_largest_batch_is_one_commit(client: Client, database: Database) -> None:
    client.grant(10_000)
    results = client.execute(*(operation("reserve", user_id="ana", amount=1) for _ in range(8_190)))
    assert {reason(result) for result in results} == {"reserve"}
    assert client.coins() == (10_000, 8_190, 1_810)
    assert database.one("SELECT count(DISTINCT event_key) FROM events WHERE kind = 'reserved'") == 1


def test_a_single_charge_may_name_the_reserve_too(client: Client) -> None:
    """For a caller whose Reserve was answered to nobody."""
    client.grant(100)
    reserve_id = new_id()
    client.reserve(60, request_id=reserve_id)
    charged = client.call("Charge", user_id="ana", reserve_request_id=reserve_id)
    assert charged.transaction.amount == -60
    error = refused(
        "RESERVATION_NOT_FOUND",
        lambda: client.call("Charge", user_id="ben", reserve_request_id=reserve_id),
    )
    assert error.metadata == {"user_id": "ben", "reserve_request_id": reserve_id}


def test_a_chargeback_does_not_wait_for_reserved_coins(client: Client) -> None:
    client.grant(100)
    older, younger = client.reserved(30), client.reserved(60)
    debited = client.debit(50, allow_reserved=True)
    assert (debited.account.balance, debited.account.reserved) == (50, 30)
    assert client.reservation(older).state == credit_pb2.RESERVATION_STATE_RESERVED
    released = client.reservation(younger)
    assert released.release_reason == "balance_withdrawn"
    refused("RESERVATION_ALREADY_RELEASED", lambda: client.charge(younger))


def test_closing_an_account_with_a_great_many_reservations_empties_it(
    client: Client, database: Database
) -> None:
    client.grant(10_000)
    client.execute(*(operation("reserve", user_id="ana", amount=1) for _ in range(2_500)))
    request_id = new_id()
    closed = client.close(request_id=request_id)
    assert (closed.balance, closed.reserved, closed.available) == (10_000, 0, 10_000)
    assert client.close(request_id=request_id) == closed
    assert database.run("SELECT DISTINCT state, release_reason FROM reservations") == [
        ("RELEASED", "account_closed")
    ]
    refused("ACCOUNT_CLOSED", client.close)
    refused("ACCOUNT_CLOSED", lambda: client.grant(1))


def test_a_charge_before_a_chargeback_leaves_it_the_older_reservations(client: Client) -> None:
    # Given two reservations of all the coins
    client.grant(100)
    older, younger = client.reserved(50), client.reserved(50)
    # When the younger one is charged and then coins are withdrawn, in one commit
    results = client.execute(
        operation("charge", reservation_id=younger),
        operation("debit", user_id="ana", amount=30, type=CHARGEBACK, allow_reserved=True),
    )
    # Then the older one no longer fits
    assert [reason(result) for result in results] == ["charge", "debit"]
    assert client.reservation(older).release_reason == "balance_withdrawn"
    assert client.coins() == (20, 0, 20)


def test_an_absent_amount_is_never_the_field_that_differs(client: Client) -> None:
    client.grant(100)
    first, second, request_id = new_id(), new_id(), new_id()
    client.reserve(5, request_id=first)
    client.reserve(7, request_id=second)
    client.call("Charge", user_id="ana", reserve_request_id=first, request_id=request_id)
    for other in (second, new_id()):
        error = refused(
            "REQUEST_ID_REUSED",
            lambda named=other: client.call(  # type: ignore[misc]  # bound at once
                "Charge", user_id="ana", reserve_request_id=named, request_id=request_id
            ),
        )
        assert error.metadata["field"] == "reserve_request_id"


def test_coins_that_a_release_gave_back_and_a_debit_took_leave_a_chargeback_the_older_reservations(
    client: Client,
) -> None:
    client.grant(100)
    older, younger = client.reserved(50), client.reserved(50)
    results = client.execute(
        operation("release", reservation_id=younger),
        operation("debit", user_id="ana", amount=50, type=CHARGEBACK),
        operation("debit", user_id="ana", amount=10, type=CHARGEBACK, allow_reserved=True),
    )
    assert [reason(result) for result in results] == ["release", "debit", "debit"]
    assert client.reservation(older).release_reason == "balance_withdrawn"
    assert client.coins() == (40, 0, 40)
