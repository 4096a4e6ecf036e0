"""When several errors apply, the contract says which is answered; and expiry counts at its exact instant."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from credit_service.ledger import (
    MAX_BALANCE,
    Charge,
    Charged,
    EventKind,
    Extend,
    Extended,
    Grant,
    Refusal,
    Release,
    Released,
    ReservationState,
    Reserve,
    Reserved,
    TransactionType,
    effective,
)
from credit_service.ledger.refusals import (
    AccountClosed,
    AccountNotFound,
    AlreadyCharged,
    AlreadyReleased,
    BalanceOverflow,
    ChargeExceedsReservation,
    RequestIdReused,
    ReservationExpired,
    ReservationNotFound,
    ReservationRefused,
)
from tests.credit_service.ledger.world import START, World, contradictions, is_a

SECOND = timedelta(seconds=1)
TERMINAL = {
    ReservationState.CHARGED: AlreadyCharged,
    ReservationState.RELEASED: AlreadyReleased,
    ReservationState.EXPIRED: ReservationExpired,
    ReservationState.REFUSED: ReservationRefused,
}


@pytest.fixture
def world() -> World:
    world = World()
    world.granted(100)
    return world


@pytest.mark.parametrize(("state", "refusal"), TERMINAL.items())
def test_each_terminal_state_refuses_what_contradicts_it(
    world: World, state: ReservationState, refusal: type[Refusal]
) -> None:
    reservation = world.in_state(state)
    for operation in contradictions(reservation.reservation_id):
        result = world.one(operation)
        same_again = isinstance(operation, Release) and state is ReservationState.RELEASED
        assert isinstance(result, Released if same_again else refusal), operation
        assert world.reservations[reservation.reservation_id] == reservation
    assert world.events == []


@pytest.mark.parametrize("state", ReservationState)
def test_too_large_a_charge_wins_over_every_state(world: World, state: ReservationState) -> None:
    reservation = world.in_state(state)
    result = world.one(Charge(reservation.reservation_id, 10**12))
    assert result == ChargeExceedsReservation(requested=10**12, reserved=reservation.amount)


def test_not_found_comes_before_everything_but_the_replay(world: World) -> None:
    assert world.one(Charge(missing := uuid4(), 10**12)) == ReservationNotFound(missing)
    assert world.one(Release(missing)) == ReservationNotFound(missing)
    assert world.one(Extend(missing, SECOND, uuid4())) == ReservationNotFound(missing)
    assert world.one(Reserve("nobody", 1, uuid4())) == AccountNotFound("nobody")


def test_a_reused_id_wins_over_amount_state_and_closed(world: World) -> None:
    reservation = world.reserved(10)
    used = uuid4()
    world.one(Charge(reservation.reservation_id, 4, request_id=used))
    world.close()
    assert world.one(Charge(reservation.reservation_id, 11, request_id=used)) == RequestIdReused(
        used, "amount"
    )
    assert world.one(Release(reservation.reservation_id, "", used)) == RequestIdReused(used, "operation")
    assert world.one(Reserve("ana", 10**12, used)) == RequestIdReused(used, "operation")


def test_the_state_of_the_reservation_wins_over_closed(world: World) -> None:
    reservation = world.in_state(ReservationState.RELEASED)
    world.close()
    assert isinstance(world.one(Charge(reservation.reservation_id)), AlreadyReleased)
    assert isinstance(world.one(Extend(reservation.reservation_id, SECOND, uuid4())), AlreadyReleased)


def test_closed_wins_over_overflow_and_over_too_few_coins(world: World) -> None:
    world.close()
    assert world.one(Reserve("ana", 10**12, uuid4())) == AccountClosed("ana")
    world.transactions[next(iter(world.transactions))] = replace(
        next(iter(world.transactions.values())), amount=MAX_BALANCE
    )
    world.accounts["ana"] = replace(world.accounts["ana"], balance=MAX_BALANCE)
    grant = Grant("ana", 1, TransactionType.BONUS, uuid4())
    assert world.one(grant) == AccountClosed("ana")
    world.accounts["ana"] = replace(world.accounts["ana"], close_time=None)
    assert world.one(grant) == BalanceOverflow("ana")


def test_a_replay_wins_over_closed(world: World) -> None:
    reserve = Reserve("ana", 10, uuid4())
    first = is_a(Reserved, world.one(reserve))
    world.close()
    assert is_a(Reserved, world.one(reserve)).reservation == first.reservation


@pytest.mark.parametrize("operation", [Charge, Release, Extend])
def test_one_microsecond_before_the_expiry_is_in_time(world: World, operation: type) -> None:
    reservation = world.reserved(10, ttl=SECOND)
    world.wait(SECOND - timedelta(microseconds=1))
    result = world.one(_on(operation, reservation.reservation_id))
    assert isinstance(result, Charged | Released | Extended)


@pytest.mark.parametrize("operation", [Charge, Release, Extend])
def test_the_instant_of_the_expiry_is_too_late(world: World, operation: type) -> None:
    reservation = world.reserved(10, ttl=SECOND)
    world.wait(SECOND)
    result = world.one(_on(operation, reservation.reservation_id))
    assert result == ReservationExpired(reservation.reservation_id, START + SECOND)


def _on(operation: type, reservation_id: object) -> Charge | Release | Extend:
    if operation is Extend:
        return Extend(reservation_id, SECOND, uuid4())  # type: ignore[arg-type]
    made: Charge | Release = operation(reservation_id)
    return made


def test_expired_coins_are_available_to_the_next_reserve(world: World) -> None:
    expired = world.reserved(100, ttl=SECOND)
    world.wait(SECOND)
    reserved = is_a(Reserved, world.one(Reserve("ana", 100, uuid4())))
    assert (reserved.account.reserved, reserved.account.available) == (100, 0)
    row = world.reservations[expired.reservation_id]
    assert (row.state, row.settle_time) == (ReservationState.EXPIRED, START + SECOND)
    assert [event.kind for event in world.events] == [EventKind.EXPIRED, EventKind.RESERVED]


def test_an_expiry_happened_when_it_was_due_not_when_it_was_noticed(world: World) -> None:
    reservation = world.reserved(10, ttl=SECOND)
    world.wait(timedelta(hours=3))
    seen = effective(reservation, world.now)
    world.do()
    assert world.reservations[reservation.reservation_id] == seen
    assert world.accounts["ana"].update_time == START + SECOND


def test_several_expiries_of_one_account_come_back_together(world: World) -> None:
    for seconds in (3, 1, 2):
        world.reserved(10, ttl=timedelta(seconds=seconds))
    world.wait(timedelta(seconds=2))
    world.do()
    assert world.accounts["ana"].reserved == 10
    assert world.accounts["ana"].update_time == START + timedelta(seconds=2)


def test_an_extended_reservation_lives_past_its_first_expiry(world: World) -> None:
    reservation = world.reserved(10, ttl=SECOND)
    world.one(Extend(reservation.reservation_id, 10 * SECOND, uuid4()))
    world.wait(5 * SECOND)
    assert isinstance(world.one(Charge(reservation.reservation_id)), Charged)
