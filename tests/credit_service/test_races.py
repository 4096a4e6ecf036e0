"""Many callers at the same coins. The fixture `database` recomputes every sum after each test, by SQL."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from protos.credit.v1 import credit_pb2
from servicekit.errors import ServiceError
from tests.credit_service.client import Client, at_once, new_id, refused
from tests.credit_service.database import Database
from tests.eventually import eventually

TERMINAL = {
    credit_pb2.RESERVATION_STATE_CHARGED: "RESERVATION_ALREADY_CHARGED",
    credit_pb2.RESERVATION_STATE_RELEASED: "RESERVATION_ALREADY_RELEASED",
    credit_pb2.RESERVATION_STATE_EXPIRED: "RESERVATION_EXPIRED",
}


def outcomes(answers: list[object]) -> Counter[str]:
    """Count the answers by reason; "" are successes."""
    return Counter(answer.reason if isinstance(answer, ServiceError) else "" for answer in answers)


def test_a_hundred_reserves_against_coins_for_ninety_nine(client: Client, database: Database) -> None:
    client.grant(99)
    answers: list[object] = [*at_once([lambda: client.reserve(1)] * 100)]
    assert outcomes(answers) == {"": 99, "INSUFFICIENT_CREDITS": 1}
    assert client.coins() == (99, 99, 0)
    states = database.run("SELECT state, count(*) FROM reservations GROUP BY state ORDER BY state")
    assert states == [("REFUSED", 1), ("RESERVED", 99)]


def test_fifty_callers_with_one_request_id_make_one_reservation(client: Client, database: Database) -> None:
    client.grant(100)
    request_id = new_id()
    answers = at_once([lambda: client.reserve(10, request_id=request_id)] * 50)
    made = {a.reservation.reservation_id for a in answers if not isinstance(a, ServiceError)}
    assert outcomes([*answers]) == {"": 50}
    assert database.run("SELECT CAST(reservation_id AS text) FROM reservations") == [(*made,)]
    assert client.coins() == (100, 10, 90)


def test_fifty_callers_with_one_request_id_are_all_refused(client: Client, database: Database) -> None:
    client.grant(5)
    request_id = new_id()
    answers = at_once([lambda: client.reserve(10, request_id=request_id)] * 50)
    assert outcomes([*answers]) == {"INSUFFICIENT_CREDITS": 50}
    assert database.run("SELECT state FROM reservations") == [("REFUSED",)]


def test_fifty_first_grants_with_one_request_id_grant_once(client: Client, database: Database) -> None:
    request_id = new_id()
    answers = at_once([lambda: client.grant(50, request_id=request_id)] * 50)
    made = {a.transaction.transaction_id for a in answers if not isinstance(a, ServiceError)}
    assert outcomes([*answers]) == {"": 50}
    assert database.run("SELECT CAST(transaction_id AS text) FROM transactions") == [(*made,)]
    assert client.coins() == (50, 0, 50)


def test_fifty_first_grants_of_one_account_all_arrive(client: Client) -> None:
    answers = at_once([lambda: client.grant(2)] * 50)
    assert outcomes([*answers]) == {"": 50}
    assert client.coins() == (100, 0, 100)


@pytest.mark.parametrize("with_id", [True, False])
def test_fifty_charges_of_one_reservation_take_its_coins_once(
    client: Client, database: Database, with_id: bool
) -> None:
    client.grant(100)
    reservation_id = client.reserved(10)
    request_id = new_id() if with_id else ""
    answers = at_once([lambda: client.charge(reservation_id, amount=7, request_id=request_id)] * 50)
    made = {a.transaction.transaction_id for a in answers if not isinstance(a, ServiceError)}
    assert outcomes([*answers]) == {"": 50}
    assert len(made) == 1
    assert database.one("SELECT count(*) FROM transactions WHERE amount < 0") == 1
    assert client.coins() == (93, 0, 93)


def test_partial_charges_at_once_cannot_take_the_same_coins(client: Client) -> None:
    client.grant(100)
    reservation_id = client.reserved(10)
    charges = [partial(client.charge, reservation_id, amount=coins) for coins in range(1, 11)]
    answers = at_once(charges)
    assert outcomes([*answers]) == {"": 1, "RESERVATION_ALREADY_CHARGED": 9}
    [won] = [a for a in answers if not isinstance(a, ServiceError)]
    left = 100 - won.reservation.charged_amount
    assert client.coins() == (left, 0, left)


def test_charge_against_release_ends_in_one_state_and_both_learn_which(client: Client) -> None:
    client.grant(1_000)
    for _ in range(20):
        reservation_id = client.reserved(10)
        calls: list[Callable[[], object]] = [
            lambda: client.charge(reservation_id, request_id=new_id()),  # noqa: B023
            lambda: client.release(reservation_id),  # noqa: B023
        ]
        answers = at_once(calls)
        state = client.reservation(reservation_id).state
        assert outcomes(answers) == {"": 1, TERMINAL[state]: 1}


def test_charge_release_extend_and_expiry_at_once_end_in_one_state(
    client: Client, database: Database
) -> None:
    client.grant(10_000)
    made = [client.reserved(10, ttl_s=1) for _ in range(24)]
    last = client.reservation(made[-1]).expire_time.ToDatetime()
    eventually(
        lambda: database.one("SELECT clock_timestamp() AT TIME ZONE 'UTC' > %s - interval '20 ms'", last)
    )
    calls: list[Callable[[], object]] = []
    for reservation_id in made:
        calls += [
            partial(client.charge, reservation_id, request_id=new_id()),
            partial(client.release, reservation_id),
        ]
    answers = at_once(calls)
    for index, reservation_id in enumerate(made):
        row = client.reservation(reservation_id)
        pair = outcomes(answers[2 * index : 2 * index + 2])
        if row.state == credit_pb2.RESERVATION_STATE_EXPIRED:
            assert pair == {"RESERVATION_EXPIRED": 2}
            assert row.settle_time == row.expire_time
        else:
            assert pair == {"": 1, TERMINAL[row.state]: 1}
            assert row.settle_time.ToNanoseconds() < row.expire_time.ToNanoseconds()


def test_reserves_and_charges_and_grants_of_two_accounts_at_once_keep_every_coin(client: Client) -> None:
    for user_id in ("ana", "ben"):
        client.grant(100, user_id)

    def turn(user_id: str) -> None:
        reservation_id = client.reserved(10, user_id)
        client.charge(reservation_id, amount=4)
        client.grant(4, user_id)
        client.release(client.reserved(5, user_id))

    answers = at_once([partial(turn, user_id) for user_id in ("ana", "ben") * 12])
    assert set(outcomes([*answers])) <= {"", "INSUFFICIENT_CREDITS"}


def test_a_charge_that_waited_past_the_expiry_is_late(client: Client, database: Database) -> None:
    """The clock is read after the lock: what counts is when the coins could be taken."""
    client.grant(100)
    reservation = client.reserve(10, ttl_s=1).reservation
    with database.held() as other:
        other.run("SELECT FROM accounts FOR UPDATE")

        def free_after_the_expiry() -> None:
            eventually(database.waiting_for_locks)
            eventually(
                lambda: database.one("SELECT bool_and(expire_time < clock_timestamp()) FROM reservations")
            )
            other.commit()

        late, _ = at_once([lambda: client.charge(reservation.reservation_id), free_after_the_expiry])
    assert isinstance(late, ServiceError)
    assert late.reason == "RESERVATION_EXPIRED"
    assert client.coins() == (100, 0, 100)


def test_a_charge_waits_for_a_hand_that_settles_the_reservation_by_sql(
    client: Client, database: Database
) -> None:
    """What the lock on the reservation is for: that hand holds no account."""
    client.grant(100)
    reservation_id = client.reserved(10)
    with database.held() as other:
        other.run(
            "UPDATE reservations SET state = 'RELEASED', settle_time = now(), release_reason = 'by hand'"
        )

        def settle() -> None:
            eventually(database.waiting_for_locks)
            other.commit()

        late, _ = at_once([lambda: client.charge(reservation_id), settle])
    assert isinstance(late, ServiceError)
    assert late.reason == "RESERVATION_ALREADY_RELEASED"
    database.run("UPDATE accounts SET reserved = 0")


def test_a_row_that_stays_locked_is_a_lock_timeout_that_may_be_repeated(
    start: Callable[..., Client], database: Database
) -> None:
    client = start(database_lock_timeout_s=0.05)
    client.grant(100)
    request_id = new_id()
    with database.held() as other:
        other.run("SELECT FROM accounts FOR UPDATE")
        error = refused("LOCK_TIMEOUT", lambda: client.reserve(10, request_id=request_id))
        assert error.retry_after_s is not None
    assert client.reserve(10, request_id=request_id).account.reserved == 10


def test_a_row_that_is_freed_in_time_is_waited_for(client: Client, database: Database) -> None:
    client.grant(100)
    with database.held() as other:
        other.run("SELECT FROM accounts FOR UPDATE")

        def free() -> None:
            eventually(database.waiting_for_locks)
            other.commit()

        reserved, _ = at_once([lambda: client.reserve(10), free])
    assert isinstance(reserved, credit_pb2.ReserveResponse)


def test_a_new_reservation_does_not_wait_for_one_that_only_reads_its_account(
    client: Client, database: Database
) -> None:
    client.grant(100)
    with database.held() as other:
        other.run("SELECT FROM accounts FOR KEY SHARE")
        assert client.reserve(10).account.reserved == 10
