"""Requests are remembered: the same one gets the first answer, another one under its id is refused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from credit_service.ledger import (
    Charge,
    Charged,
    Extend,
    Extended,
    Grant,
    Granted,
    Operation,
    Release,
    Released,
    ReservationState,
    Reserve,
    Reserved,
    TransactionType,
)
from credit_service.ledger.refusals import (
    AlreadyCharged,
    ChargeExceedsReservation,
    InsufficientCredits,
    RequestIdReused,
    ReservationExpired,
    ReservationNotFound,
)
from tests.credit_service.ledger.world import World, is_a

HOUR = timedelta(hours=1)


@pytest.fixture
def world() -> World:
    world = World()
    world.granted(100)
    return world


def test_a_grant_repeated_answers_the_first_transaction_and_the_account_as_of_now(world: World) -> None:
    grant = Grant("ana", 5, TransactionType.BONUS, uuid4())
    first = is_a(Granted, world.one(grant))
    world.granted(20)
    again = is_a(Granted, world.one(grant))
    assert again.transaction == first.transaction
    assert (first.account.balance, again.account.balance) == (105, 125)


def test_a_reserve_repeated_after_the_charge_answers_as_it_was_made(world: World) -> None:
    reserve = Reserve("ana", 10, uuid4(), HOUR)
    first = is_a(Reserved, world.one(reserve)).reservation
    world.one(Extend(first.reservation_id, 2 * HOUR, uuid4()))
    world.one(Charge(first.reservation_id))
    again = is_a(Reserved, world.one(reserve))
    assert again.reservation == first
    assert again.account.balance == 90


def test_a_refused_reserve_repeated_is_refused_again_although_coins_have_come(world: World) -> None:
    reserve = Reserve("ana", 101, uuid4())
    assert world.one(reserve) == InsufficientCredits(required=101, available=100)
    world.granted(1000)
    assert world.one(reserve) == InsufficientCredits(required=101, available=100)
    assert len(world.reservations) == 1


def test_a_charge_repeated_after_the_deadline_answers_with_its_transaction(world: World) -> None:
    reservation = world.reserved(10, ttl=timedelta(seconds=1))
    charge = Charge(reservation.reservation_id, 4, request_id=uuid4())
    first = is_a(Charged, world.one(charge))
    world.wait(HOUR)
    again = is_a(Charged, world.one(charge))
    assert (again.reservation, again.transaction) == (first.reservation, first.transaction)
    assert len(world.transactions) == 2


def test_an_extend_repeated_after_the_charge_answers_the_expiry_of_then(world: World) -> None:
    reservation = world.reserved(10)
    extend = Extend(reservation.reservation_id, HOUR, uuid4())
    first = is_a(Extended, world.one(extend)).reservation
    world.one(Extend(reservation.reservation_id, 5 * HOUR, uuid4()))
    world.one(Charge(reservation.reservation_id))
    again = is_a(Extended, world.one(extend)).reservation
    assert again == first
    assert again.state is ReservationState.RESERVED


def test_an_extend_repeated_is_counted_from_the_first_time(world: World) -> None:
    reservation = world.reserved(10)
    extend = Extend(reservation.reservation_id, HOUR, uuid4())
    first = is_a(Extended, world.one(extend)).reservation
    world.wait(timedelta(minutes=30))
    assert is_a(Extended, world.one(extend)).reservation == first
    assert world.reservations[reservation.reservation_id].expire_time == first.expire_time


def test_a_release_repeated_answers_as_the_first_time(world: World) -> None:
    reservation = world.reserved(10)
    release = Release(reservation.reservation_id, "stopped", uuid4())
    first = is_a(Released, world.one(release))
    world.wait(HOUR)
    assert is_a(Released, world.one(release)).reservation == first.reservation


def test_a_released_reservation_can_be_released_for_another_reason_and_keeps_the_first(world: World) -> None:
    reservation = world.in_state(ReservationState.RELEASED)
    for request_id in (None, uuid4()):
        again = is_a(Released, world.one(Release(reservation.reservation_id, "other", request_id)))
        assert again.reservation == reservation
        assert again.reservation.release_reason == "first"
    assert world.events == []


def test_a_later_release_is_remembered_under_its_own_id(world: World) -> None:
    reservation = world.in_state(ReservationState.RELEASED)
    later = Release(reservation.reservation_id, "other", uuid4())
    assert later.request_id is not None
    world.one(later)
    reused = world.one(replace(later, reason="third"))
    assert reused == RequestIdReused(later.request_id, "reason")
    assert world.one(Reserve("ana", 1, later.request_id)) == RequestIdReused(later.request_id, "operation")


def test_a_charge_without_an_id_is_its_own_key_by_the_effective_amount(world: World) -> None:
    reservation = world.reserved(10)
    first = is_a(Charged, world.one(Charge(reservation.reservation_id, description="first")))
    for amount in (None, 10):
        again = is_a(Charged, world.one(Charge(reservation.reservation_id, amount)))
        assert again.transaction == first.transaction
    other = is_a(AlreadyCharged, world.one(Charge(reservation.reservation_id, 9)))
    assert first.transaction is not None
    assert (other.charged_amount, other.transaction_id) == (10, first.transaction.transaction_id)
    assert other.settle_time == world.now


def test_a_charge_of_zero_repeated_without_an_id_answers_without_a_transaction(world: World) -> None:
    reservation = world.reserved(10)
    world.one(Charge(reservation.reservation_id, 0))
    assert is_a(Charged, world.one(Charge(reservation.reservation_id, 0))).transaction is None
    refused = is_a(AlreadyCharged, world.one(Charge(reservation.reservation_id)))
    assert (refused.charged_amount, refused.transaction_id) == (0, None)


@pytest.mark.parametrize("first_id", [None, uuid4()])
def test_a_charge_with_an_id_that_did_not_charge_is_too_late(world: World, first_id: None) -> None:
    reservation = world.reserved(10)
    world.one(Charge(reservation.reservation_id, request_id=first_id))
    late = world.one(Charge(reservation.reservation_id, request_id=uuid4()))
    assert is_a(AlreadyCharged, late).charged_amount == 10


def test_a_charge_without_an_id_meets_the_one_that_was_charged_with_one(world: World) -> None:
    reservation = world.reserved(10)
    first = is_a(Charged, world.one(Charge(reservation.reservation_id, request_id=uuid4())))
    assert is_a(Charged, world.one(Charge(reservation.reservation_id))).transaction == first.transaction


def test_an_absent_amount_and_the_full_amount_are_the_same_request(world: World) -> None:
    reservation = world.reserved(10)
    absent = Charge(reservation.reservation_id, request_id=uuid4())
    first = is_a(Charged, world.one(absent))
    spelled_out = is_a(Charged, world.one(replace(absent, amount=10)))
    assert spelled_out.transaction == first.transaction
    assert absent.request_id is not None
    assert world.one(replace(absent, amount=9)) == RequestIdReused(absent.request_id, "amount")


def test_an_absent_ttl_and_the_default_spelled_out_are_different_requests(world: World) -> None:
    reserve = Reserve("ana", 1, uuid4())
    world.one(reserve)
    spelled_out = world.one(replace(reserve, ttl=timedelta(minutes=15)))
    assert spelled_out == RequestIdReused(reserve.request_id, "ttl")


GRANT = Grant("ana", 5, TransactionType.BONUS, uuid4(), "d", {"k": "v"})
RESERVE = Reserve("ana", 5, uuid4(), HOUR, "t", "i", "d", {"k": "v"})


@pytest.mark.parametrize(
    ("first", "change", "field"),
    [
        (GRANT, lambda o: replace(o, amount=6), "amount"),
        (GRANT, lambda o: replace(o, type=TransactionType.REFUND), "type"),
        (GRANT, lambda o: replace(o, description=""), "description"),
        (GRANT, lambda o: replace(o, description="e", metadata={}), "description"),
        (GRANT, lambda o: replace(o, metadata={"k": "w"}), "metadata"),
        (GRANT, lambda o: replace(o, metadata={}), "metadata"),
        (RESERVE, lambda o: replace(o, amount=6, ttl=None), "amount"),
        (RESERVE, lambda o: replace(o, ttl=None), "ttl"),
        (RESERVE, lambda o: replace(o, ttl=HOUR + timedelta(microseconds=1)), "ttl"),
        (RESERVE, lambda o: replace(o, reference_type="u", reference_id="j"), "reference_type"),
        (RESERVE, lambda o: replace(o, reference_id="j"), "reference_id"),
        (RESERVE, lambda o: replace(o, description="e"), "description"),
        (RESERVE, lambda o: replace(o, metadata={"k": "v", "l": ""}), "metadata"),
        (RESERVE, lambda o: Grant("ana", 5, TransactionType.BONUS, o.request_id), "operation"),
        (GRANT, lambda o: Reserve("ana", 5, o.request_id), "operation"),
    ],
)
def test_the_first_field_that_differs_is_named(
    world: World, first: Grant | Reserve, change: Callable[[Operation], Operation], field: str
) -> None:
    world.one(first)
    assert world.one(change(first)) == RequestIdReused(first.request_id, field)
    assert not isinstance(world.one(first), RequestIdReused)


def test_long_texts_are_compared_to_the_last_character(world: World) -> None:
    grant = Grant("ana", 5, TransactionType.BONUS, uuid4(), "x" * 1024)
    world.one(grant)
    assert isinstance(world.one(grant), Granted)
    other = replace(grant, description="x" * 1023 + "y")
    assert world.one(other) == RequestIdReused(grant.request_id, "description")
    kept = str(world.requests["ana", grant.request_id].sent["description"])
    assert len(kept) < 80
    assert world.one(replace(grant, description=kept)) == RequestIdReused(grant.request_id, "description")


def test_metadata_is_compared_whatever_its_order(world: World) -> None:
    grant = Grant("ana", 5, TransactionType.BONUS, uuid4(), metadata={"a": "1", "b": "2"})
    world.one(grant)
    assert isinstance(world.one(replace(grant, metadata={"b": "2", "a": "1"})), Granted)


@pytest.mark.parametrize("kind", ["charge", "release", "extend"])
def test_an_id_used_on_one_reservation_is_refused_on_another(world: World, kind: str) -> None:
    first, second = world.reserved(10), world.reserved(10)
    request_id = uuid4()
    make: dict[str, Callable[[object], Operation]] = {
        "charge": lambda row: Charge(row, request_id=request_id),  # type: ignore[arg-type]
        "release": lambda row: Release(row, "r", request_id),  # type: ignore[arg-type]
        "extend": lambda row: Extend(row, HOUR, request_id),  # type: ignore[arg-type]
    }
    world.one(make[kind](first.reservation_id))
    reused = world.one(make[kind](second.reservation_id))
    assert reused == RequestIdReused(request_id, "reservation_id")


def test_an_id_that_one_account_used_is_free_for_another(world: World) -> None:
    world.granted(100, "ben")
    request_id = uuid4()
    mine = is_a(Reserved, world.one(Reserve("ana", 10, request_id))).reservation
    theirs = is_a(Reserved, world.one(Reserve("ben", 20, request_id))).reservation
    assert mine.reservation_id != theirs.reservation_id
    other = uuid4()
    assert isinstance(world.one(Charge(mine.reservation_id, request_id=other)), Charged)
    assert isinstance(world.one(Release(theirs.reservation_id, request_id=other)), Released)


def test_refusals_other_than_for_lack_of_coins_burn_nothing(world: World) -> None:
    request_id = uuid4()
    assert isinstance(world.one(Charge(uuid4(), request_id=request_id)), ReservationNotFound)
    reservation = world.reserved(10)
    too_much = Charge(reservation.reservation_id, 11, request_id=request_id)
    assert isinstance(world.one(too_much), ChargeExceedsReservation)
    expired = world.in_state(ReservationState.EXPIRED)
    assert isinstance(world.one(Charge(expired.reservation_id, request_id=request_id)), ReservationExpired)
    assert isinstance(world.one(replace(too_much, amount=10)), Charged)


def test_fifty_times_one_request_in_a_batch_is_one_row(world: World) -> None:
    reserve = Reserve("ana", 10, uuid4())
    results = world.do(*[reserve] * 50)
    ids = {is_a(Reserved, result).reservation.reservation_id for result in results}
    assert ids == set(world.reservations)
    assert len(ids) == 1
    assert world.accounts["ana"].reserved == 10
