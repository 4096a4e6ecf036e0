"""What each operation does to the rows when nothing is in its way."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from credit_service.ledger import (
    DEFAULT_TTL,
    MAX_BALANCE,
    Book,
    Charge,
    Charged,
    EventKind,
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
    apply,
)
from credit_service.ledger.refusals import (
    AccountClosed,
    AccountNotFound,
    AlreadyReleased,
    BalanceOverflow,
    ChargeExceedsReservation,
    InsufficientCredits,
    TooMuchMetadata,
)
from tests.credit_service.ledger.world import START, World, is_a

HOUR = timedelta(hours=1)


@pytest.fixture
def world() -> World:
    return World()


def test_a_first_grant_makes_the_account(world: World) -> None:
    grant = Grant("ana", 50, TransactionType.BONUS, uuid4(), "welcome", {"campaign": "autumn"})
    granted = is_a(Granted, world.one(grant))
    assert (granted.account.balance, granted.account.reserved) == (50, 0)
    assert granted.account.create_time == START
    transaction = granted.transaction
    assert (transaction.amount, transaction.balance_after, transaction.number) == (50, 50, 1)
    assert (transaction.type, transaction.description) == (TransactionType.BONUS, "welcome")
    assert transaction.metadata == {"campaign": "autumn"}


def test_transactions_are_numbered_without_gaps(world: World) -> None:
    world.granted(5)
    world.granted(6)
    reservation = world.reserved(4)
    world.one(Charge(reservation.reservation_id))
    by_number = sorted(world.transactions.values(), key=lambda row: row.number)
    assert [row.balance_after for row in by_number] == [5, 11, 7]


def test_a_reserve_before_the_first_grant_of_its_batch_finds_no_account(world: World) -> None:
    reserve = Reserve("ana", 1, uuid4())
    refused, granted, reserved = world.do(reserve, Grant("ana", 1, TransactionType.BONUS, uuid4()), reserve)
    assert refused == AccountNotFound("ana")
    assert is_a(Granted, granted).account.balance == 1
    assert is_a(Reserved, reserved).account.available == 0


def test_a_grant_past_int64_overflows_and_burns_nothing(world: World) -> None:
    account = world.granted(1)
    [only] = world.transactions.values()
    world.transactions[only.transaction_id] = replace(only, amount=MAX_BALANCE - 1)
    world.accounts["ana"] = replace(account, balance=MAX_BALANCE - 1)
    overflowing = Grant("ana", 2, TransactionType.BONUS, uuid4())
    assert world.one(overflowing) == BalanceOverflow("ana")
    fitting = Grant("ana", 1, TransactionType.BONUS, overflowing.request_id)
    assert is_a(Granted, world.one(fitting)).account.balance == MAX_BALANCE


def test_a_reserve_holds_its_coins_for_a_quarter_of_an_hour_unless_told(world: World) -> None:
    world.granted(100)
    reserved = is_a(Reserved, world.one(Reserve("ana", 30, uuid4())))
    assert reserved.reservation.expire_time == START + DEFAULT_TTL == START + timedelta(minutes=15)
    assert (reserved.account.balance, reserved.account.reserved, reserved.account.available) == (100, 30, 70)
    longer = is_a(Reserved, world.one(Reserve("ana", 70, uuid4(), HOUR)))
    assert longer.reservation.expire_time == START + HOUR
    assert longer.account.available == 0


def test_a_reserve_of_more_than_is_available_is_kept_as_refused(world: World) -> None:
    world.granted(10)
    world.reserved(4)
    assert world.one(Reserve("ana", 7, uuid4())) == InsufficientCredits(required=7, available=6)
    refused = [row for row in world.reservations.values() if row.state is ReservationState.REFUSED]
    assert [(row.amount, row.settle_time, row.number) for row in refused] == [(7, None, 2)]
    assert [event.kind for event in world.events] == [EventKind.REFUSED]
    assert world.accounts["ana"].reserved == 4


def test_a_charge_takes_its_part_and_gives_the_rest_back(world: World) -> None:
    world.granted(100)
    reserve = Reserve("ana", 30, uuid4(), HOUR, "job", "j1", "unlock", {"a": "1", "b": "2"})
    reservation = is_a(Reserved, world.one(reserve)).reservation
    world.wait(timedelta(seconds=3))
    charge = Charge(reservation.reservation_id, 20, metadata={"b": "3"})
    charged = is_a(Charged, world.one(charge))
    assert (charged.account.balance, charged.account.reserved) == (80, 0)
    assert charged.reservation.state is ReservationState.CHARGED
    assert charged.reservation.settle_time == charged.account.update_time == world.now
    transaction = charged.transaction
    assert transaction is not None
    assert (transaction.amount, transaction.balance_after) == (-20, 80)
    assert transaction.type is TransactionType.INSIGHT_UNLOCK
    assert transaction.reservation_id == reservation.reservation_id
    assert charged.reservation.transaction_id == transaction.transaction_id
    assert (transaction.reference_type, transaction.reference_id) == ("job", "j1")
    assert (transaction.description, transaction.metadata) == ("unlock", {"a": "1", "b": "3"})


def test_a_charge_of_zero_moves_nothing_and_gives_everything_back(world: World) -> None:
    world.granted(100)
    reservation = world.reserved(30)
    charged = is_a(Charged, world.one(Charge(reservation.reservation_id, 0)))
    assert charged.transaction is None
    assert charged.reservation.transaction_id is None
    assert charged.reservation.state is ReservationState.CHARGED
    assert (charged.account.balance, charged.account.available) == (100, 100)
    assert len(world.transactions) == 1


def test_a_charge_without_an_amount_takes_all(world: World) -> None:
    world.granted(100)
    reservation = world.reserved(30)
    charged = is_a(Charged, world.one(Charge(reservation.reservation_id)))
    assert (charged.account.balance, charged.reservation.charged_amount) == (70, 30)


def test_a_charge_of_too_much_leaves_the_reservation_as_it_was(world: World) -> None:
    world.granted(100)
    reservation = world.reserved(30)
    result = world.one(Charge(reservation.reservation_id, 31))
    assert result == ChargeExceedsReservation(requested=31, reserved=30)
    assert world.reservations[reservation.reservation_id] == reservation
    assert world.events == []


def test_a_charge_may_not_bring_more_metadata_than_a_transaction_carries(world: World) -> None:
    world.granted(100)
    made = world.one(Reserve("ana", 1, uuid4(), metadata={f"a{number}": "" for number in range(32)}))
    reservation_id = is_a(Reserved, made).reservation.reservation_id
    assert world.one(Charge(reservation_id, metadata={"b": ""})) == TooMuchMetadata(keys=33, limit=32)
    assert is_a(Charged, world.one(Charge(reservation_id, metadata={"a0": "x"}))).transaction


def test_a_release_gives_the_coins_back(world: World) -> None:
    world.granted(100)
    reservation = world.reserved(30)
    released = is_a(Released, world.one(Release(reservation.reservation_id, "no longer wanted")))
    assert (released.account.available, released.reservation.state) == (100, ReservationState.RELEASED)
    assert released.reservation.release_reason == "no longer wanted"
    assert released.reservation.settle_time == world.now


def test_an_extend_moves_the_expiry_but_never_to_an_earlier_instant(world: World) -> None:
    world.granted(100)
    reservation = world.reserved(30, ttl=HOUR)
    shorter = is_a(Extended, world.one(Extend(reservation.reservation_id, timedelta(minutes=1), uuid4())))
    assert shorter.reservation.expire_time == START + HOUR
    world.wait(timedelta(minutes=30))
    longer = is_a(Extended, world.one(Extend(reservation.reservation_id, HOUR, uuid4())))
    assert longer.reservation.expire_time == world.now + HOUR
    assert world.reservations[reservation.reservation_id].expire_time == world.now + HOUR


def test_a_closed_account_takes_only_releases_and_expiries(world: World) -> None:
    world.granted(100)
    first, second = world.reserved(10), world.reserved(10, ttl=timedelta(seconds=1))
    world.close()
    assert world.one(Grant("ana", 1, TransactionType.BONUS, uuid4())) == AccountClosed("ana")
    assert world.one(Reserve("ana", 1, uuid4())) == AccountClosed("ana")
    assert world.one(Charge(first.reservation_id)) == AccountClosed("ana")
    assert world.one(Extend(first.reservation_id, HOUR, uuid4())) == AccountClosed("ana")
    assert is_a(Released, world.one(Release(first.reservation_id))).account.reserved == 10
    world.wait(timedelta(seconds=1))
    world.do()
    assert world.reservations[second.reservation_id].state is ReservationState.EXPIRED


def test_an_operation_of_a_batch_sees_those_before_it(world: World) -> None:
    world.granted(10)
    results = world.do(*(Reserve("ana", 4, uuid4()) for _ in range(3)))
    assert [type(result) for result in results] == [Reserved, Reserved, InsufficientCredits]
    first = is_a(Reserved, results[0]).reservation
    released, reserved = world.do(Release(first.reservation_id), Reserve("ana", 6, uuid4()))
    assert is_a(Released, released).account.available == 6
    assert is_a(Reserved, reserved).account.available == 0


def test_a_reservation_made_and_charged_in_one_batch_is_written_once_in_its_last_state(world: World) -> None:
    world.granted(10)
    reservation_id, transaction_id = uuid4(), uuid4()
    book = Book(world.accounts.values())
    batch: list[Operation] = [Reserve("ana", 4, uuid4()), Charge(reservation_id, 3)]
    apply(book, batch, world.now, [reservation_id, transaction_id])
    changes = book.changes()
    assert [row.state for row in changes.new_reservations] == [ReservationState.CHARGED]
    assert changes.changed_reservations == []
    assert [(row.balance, row.reserved) for row in changes.accounts] == [(7, 0)]


def test_each_movement_of_coins_leaves_one_event(world: World) -> None:
    world.granted(10)
    assert [event.kind for event in world.events] == [EventKind.GRANTED]
    reservation = world.reserved(4)
    assert [event.kind for event in world.events] == [EventKind.RESERVED]
    world.one(Charge(reservation.reservation_id))
    assert [event.kind for event in world.events] == [EventKind.CHARGED]
    assert world.events[0].transaction is not None
    world.one(Charge(reservation.reservation_id))
    assert world.events == [], "a replay moves nothing"
    world.in_state(ReservationState.RELEASED, 2)
    assert [event.kind for event in world.events] == [EventKind.RELEASED]


def test_a_released_reservation_names_when_and_why(world: World) -> None:
    world.granted(10)
    reservation = world.in_state(ReservationState.RELEASED, 2)
    world.wait(HOUR)
    refused = world.one(Charge(reservation.reservation_id, 1))
    assert refused == AlreadyReleased(reservation.reservation_id, START, "first")
