"""Linked runs are all or nothing, and operations name reservations by the Reserves that made them."""

from datetime import timedelta
from uuid import uuid4

import pytest

from credit_service.ledger import (
    Charge,
    Charged,
    Debit,
    Extend,
    Extended,
    Grant,
    Granted,
    Release,
    Released,
    Reserve,
    Reserved,
    TransactionType,
)
from credit_service.ledger.refusals import (
    AccountNotFound,
    InsufficientCredits,
    LinkedOperationFailed,
    Malformed,
    RequestIdReused,
    ReservationNotFound,
    ReservationRefused,
)
from tests.credit_service.ledger.world import World, is_a


@pytest.fixture
def world() -> World:
    world = World()
    world.granted(100)
    return world


def grant(coins: int, user_id: str = "ana") -> Grant:
    return Grant(user_id, coins, TransactionType.BONUS, uuid4())


def test_a_run_that_succeeds_is_done_as_a_whole(world: World) -> None:
    reserve = Reserve("ana", 30, uuid4())
    charge = Charge(None, user_id="ana", reserve_request_id=reserve.request_id)
    results = world.do(reserve, charge, linked={0})
    assert [type(result) for result in results] == [Reserved, Charged]
    assert world.accounts["ana"].balance == 70


def test_a_run_that_fails_leaves_nothing_and_everybody_learns_who_failed(world: World) -> None:
    operations = (grant(5), Reserve("ana", 30, uuid4()), Release(uuid4()), grant(5), grant(7))
    results = world.do(*operations, linked={0, 1, 2})
    assert results[:2] == [LinkedOperationFailed(2)] * 2
    is_a(ReservationNotFound, results[2])
    assert results[3] == LinkedOperationFailed(2)
    # And what stands behind the run is done
    is_a(Granted, results[4])
    account = world.accounts["ana"]
    assert (account.balance, account.reserved, account.transaction_count) == (107, 0, 2)
    assert len(world.events) == 1


def test_later_operations_do_not_see_what_was_undone(world: World) -> None:
    reserve = Reserve("ana", 100, uuid4())
    again = Reserve("ana", 100, reserve.request_id)
    results = world.do(reserve, Reserve("nobody", 1, uuid4()), again, linked={0})
    assert results[:2] == [LinkedOperationFailed(1), AccountNotFound("nobody")]
    is_a(Reserved, results[2])
    assert world.accounts["ana"].reserved == 100


def test_what_was_undone_may_be_repeated(world: World) -> None:
    reserve = Reserve("ana", 30, uuid4())
    world.do(reserve, Charge(uuid4()), linked={0})
    is_a(Reserved, world.one(reserve))


@pytest.mark.parametrize("kind", ["reserve", "debit"])
def test_a_no_for_lack_of_coins_is_remembered_also_in_a_run(world: World, kind: str) -> None:
    refused = (
        Reserve("ana", 200, uuid4())
        if kind == "reserve"
        else Debit("ana", 200, TransactionType.REFUND, uuid4())
    )
    first = grant(50)
    results = world.do(first, refused, linked={0})
    assert results == [LinkedOperationFailed(1), InsufficientCredits(required=200, available=150)]
    world.granted(1_000)
    # Then the run fails again as it did, for ever
    assert world.do(first, refused, linked={0}) == results
    assert world.accounts["ana"].balance == 1_100


def test_a_no_in_the_account_that_its_own_run_made_leaves_no_account(world: World) -> None:
    operations = (grant(5, "ben"), Reserve("ben", 6, uuid4()))
    results = world.do(*operations, linked={0})
    assert results == [LinkedOperationFailed(1), InsufficientCredits(required=6, available=5)]
    assert not world.accounts["ben"].exists


def test_a_run_of_replays_answers_as_it_did(world: World) -> None:
    reserve = Reserve("ana", 30, uuid4())
    charge = Charge(None, request_id=uuid4(), user_id="ana", reserve_request_id=reserve.request_id)
    first = world.do(reserve, charge, linked={0})
    again = world.do(reserve, charge, linked={0})
    assert is_a(Charged, again[1]).transaction == is_a(Charged, first[1]).transaction
    assert world.accounts["ana"].balance == 70


def test_a_malformed_operation_fails_its_run(world: World) -> None:
    malformed = Malformed("amount", "must be 1")
    results = world.do(grant(5), malformed, malformed, grant(5), linked={0})
    assert results[:3] == [LinkedOperationFailed(1), malformed, malformed]
    assert world.accounts["ana"].balance == 105


def test_runs_beside_each_other_are_apart(world: World) -> None:
    results = world.do(grant(1), Charge(uuid4()), grant(2), grant(3), linked={0, 2})
    assert [type(result) for result in results[2:]] == [Granted, Granted]
    assert world.accounts["ana"].balance == 105


def test_a_reservation_may_be_named_by_the_reserve_that_made_it(world: World) -> None:
    reserve = Reserve("ana", 30, uuid4())
    named = {"user_id": "ana", "reserve_request_id": reserve.request_id}
    results = world.do(
        reserve,
        Extend(None, timedelta(hours=1), uuid4(), user_id="ana", reserve_request_id=reserve.request_id),
        Release(None, user_id="ana", reserve_request_id=reserve.request_id),
    )
    assert [type(result) for result in results] == [Reserved, Extended, Released]
    assert is_a(Released, world.one(Release(None, **named)))  # type: ignore[arg-type]  # one mapping for three kinds


def test_what_a_reserve_did_not_make_cannot_be_named_by_it(world: World) -> None:
    too_much, granted = Reserve("ana", 1_000, uuid4()), grant(1)
    world.do(too_much, granted)
    refused = world.one(Charge(None, user_id="ana", reserve_request_id=too_much.request_id))
    is_a(ReservationRefused, refused)
    for request_id in (granted.request_id, uuid4()):
        unknown = world.one(Charge(None, user_id="ana", reserve_request_id=request_id))
        assert unknown == ReservationNotFound(None, "ana", request_id)


def test_an_id_that_is_taken_is_no_replay_even_when_nothing_is_named(world: World) -> None:
    granted = grant(1)
    world.one(granted)
    charge = Charge(None, request_id=granted.request_id, user_id="ana", reserve_request_id=uuid4())
    assert world.one(charge) == RequestIdReused(granted.request_id, "operation")
