"""Debit and Close: coins that are taken back, and what that does to reservations."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from credit_service.ledger import (
    Charge,
    Close,
    Closed,
    Debit,
    Debited,
    EventKind,
    Extend,
    Grant,
    Release,
    Released,
    Reserve,
    TransactionType,
)
from credit_service.ledger.refusals import (
    AccountClosed,
    AccountNotFound,
    AlreadyReleased,
    InsufficientCredits,
    RequestIdReused,
)
from credit_service.ledger.rows import ReservationState
from tests.credit_service.ledger.world import World, is_a

RESERVED, RELEASED = ReservationState.RESERVED, ReservationState.RELEASED


def chargeback(
    coins: int, *, request_id: UUID | None = None, allow_reserved: bool = False, user_id: str = "ana"
) -> Debit:
    return Debit(
        user_id, coins, TransactionType.CHARGEBACK, request_id or uuid4(), allow_reserved=allow_reserved
    )


@pytest.fixture
def world() -> World:
    world = World()
    world.granted(100)
    return world


def test_a_debit_takes_available_coins_and_leaves_a_transaction(world: World) -> None:
    world.reserved(60)
    debited = is_a(Debited, world.one(chargeback(40)))
    assert (debited.transaction.amount, debited.transaction.balance_after) == (-40, 60)
    assert (debited.account.balance, debited.account.reserved) == (60, 60)
    assert [event.kind for event in world.events] == [EventKind.DEBITED]


def test_a_debit_of_reserved_coins_is_refused_and_the_refusal_remembered(world: World) -> None:
    world.reserved(60)
    debit = chargeback(41)
    refused = InsufficientCredits(required=41, available=40)
    assert world.one(debit) == refused
    world.granted(1_000)
    assert world.one(debit) == refused


def test_a_chargeback_takes_reserved_coins_of_the_youngest_first(world: World) -> None:
    oldest, middle, youngest = (world.reserved(coins) for coins in (30, 20, 40))
    debited = is_a(Debited, world.one(chargeback(70, allow_reserved=True)))
    assert (debited.account.balance, debited.account.reserved) == (30, 30)
    states = [world.reservations[row.reservation_id].state for row in (oldest, middle, youngest)]
    assert states == [RESERVED, RELEASED, RELEASED]
    for row in (middle, youngest):
        assert world.reservations[row.reservation_id].release_reason == "balance_withdrawn"
    released, debit = [EventKind.RELEASED], [EventKind.DEBITED]
    assert [event.kind for event in world.events] == released * 2 + debit


def test_a_chargeback_that_fits_releases_nothing(world: World) -> None:
    held = world.reserved(60)
    is_a(Debited, world.one(chargeback(40, allow_reserved=True)))
    assert world.reservations[held.reservation_id].state is RESERVED


def test_a_chargeback_of_more_than_the_balance_releases_nothing(world: World) -> None:
    held = world.reserved(60)
    refused = world.one(chargeback(101, allow_reserved=True))
    assert refused == InsufficientCredits(required=101, available=100)
    assert world.reservations[held.reservation_id].state is RESERVED


def test_who_charges_what_a_chargeback_released_learns_why(world: World) -> None:
    held = world.reserved(60)
    world.one(chargeback(100, allow_reserved=True))
    refused = is_a(AlreadyReleased, world.one(Charge(held.reservation_id)))
    assert refused.release_reason == "balance_withdrawn"


def test_a_debit_is_repeated_as_it_was(world: World) -> None:
    debit = chargeback(70, allow_reserved=True)
    first = is_a(Debited, world.one(debit))
    assert is_a(Debited, world.one(debit)).transaction == first.transaction
    other = Debit("ana", 70, TransactionType.CHARGEBACK, debit.request_id)
    assert world.one(other) == RequestIdReused(debit.request_id, "allow_reserved")
    assert world.accounts["ana"].balance == 30


def test_nobody_is_debited_without_an_account(world: World) -> None:
    assert world.one(chargeback(1, user_id="ben")) == AccountNotFound("ben")
    assert world.one(Close("ben", uuid4())) == AccountNotFound("ben")


def test_closing_gives_back_what_is_reserved_and_keeps_the_balance(world: World) -> None:
    held = world.reserved(60)
    closed = is_a(Closed, world.one(Close("ana", uuid4())))
    assert (closed.account.balance, closed.account.reserved) == (100, 0)
    assert closed.account.close_time == world.now
    row = world.reservations[held.reservation_id]
    assert (row.state, row.release_reason) == (RELEASED, "account_closed")
    assert [event.kind for event in world.events] == [EventKind.RELEASED, EventKind.CLOSED]


def test_closing_again_is_the_first_answer_only_for_the_same_request(world: World) -> None:
    close = Close("ana", uuid4())
    world.one(close)
    world.wait(timedelta(hours=1))
    assert is_a(Closed, world.one(close)).account.close_time != world.now
    assert world.one(Close("ana", uuid4())) == AccountClosed("ana")


def test_a_closed_account_takes_no_order(world: World) -> None:
    world.one(Close("ana", uuid4()))
    for operation in (
        Grant("ana", 1, TransactionType.BONUS, uuid4()),
        chargeback(1),
        chargeback(1, allow_reserved=True),
        Reserve("ana", 1, uuid4()),
    ):
        assert world.one(operation) == AccountClosed("ana")


def test_a_closed_account_still_releases_and_expires(world: World) -> None:
    first, second = world.reserved(10), world.reserved(10, ttl=timedelta(seconds=5))
    world.close()
    assert world.one(Extend(first.reservation_id, timedelta(hours=1), uuid4())) == AccountClosed("ana")
    assert world.one(Charge(first.reservation_id)) == AccountClosed("ana")
    is_a(Released, world.one(Release(first.reservation_id)))
    world.wait(timedelta(seconds=5))
    world.do()
    assert world.reservations[second.reservation_id].state is ReservationState.EXPIRED
    assert world.accounts["ana"].reserved == 0
