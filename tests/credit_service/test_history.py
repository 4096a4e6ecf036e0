"""The account as it was: at every instant what was answered then, by one look at an index."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy.dialects import postgresql

from credit_service.history import as_of
from protos.credit.v1 import credit_pb2
from tests.credit_service.client import Client, at_once, new_id, refused
from tests.credit_service.database import Database
from tests.eventually import eventually

ADJUSTMENT = credit_pb2.TRANSACTION_TYPE_ADJUSTMENT
MICROSECOND = 1_000

Coins = tuple[int, int, int]


def at(nanoseconds: int) -> Timestamp:
    """Answer the instant."""
    message = Timestamp()
    message.FromNanoseconds(nanoseconds)
    return message


def account_at(client: Client, nanoseconds: int, user_id: str = "ana") -> credit_pb2.Account:
    """Answer the account as it was."""
    answer = client.call("GetBalanceAt", user_id=user_id, time=at(nanoseconds))
    account: credit_pb2.Account = answer.account
    return account


def coins_at(client: Client, nanoseconds: int) -> Coins:
    """Answer balance, reserved and available as they were."""
    account = account_at(client, nanoseconds)
    return account.balance, account.reserved, account.available


def run_out(database: Database, *reservations: credit_pb2.Reservation) -> None:
    """Wait until these are past their expiry."""
    last = max(row.expire_time.ToDatetime(tzinfo=UTC) for row in reservations)
    eventually(lambda: database.one("SELECT clock_timestamp() > %s", last))


def test_every_account_that_was_answered_is_the_account_of_its_instant(client: Client) -> None:
    # Given what every operation answered about the account right after it
    answered = [client.grant(1_000).account]
    first = client.reserve(100)
    second = client.reserve(50)
    answered += [first.account, second.account]
    answered.append(client.charge(first.reservation.reservation_id, amount=30).account)
    answered.append(client.release(second.reservation.reservation_id).account)
    zero = client.reserve(7)
    answered += [zero.account, client.charge(zero.reservation.reservation_id, amount=0).account]
    debit = {"user_id": "ana", "type": ADJUSTMENT}
    answered.append(client.call("Debit", amount=70, request_id=new_id(), **debit).account)
    held = [client.reserve(300), client.reserve(300)]
    answered += [reserve.account for reserve in held]
    withdrawn = client.call("Debit", amount=500, request_id=new_id(), allow_reserved=True, **debit)
    answered += [withdrawn.account, client.call("CloseAccount", user_id="ana", request_id=new_id()).account]
    # Then that is what is answered of the instant, and up to the next
    instants = [account.update_time.ToNanoseconds() for account in answered]
    assert instants == sorted(set(instants))
    assert [account_at(client, instant) for instant in instants] == answered
    before_the_next = [instant - MICROSECOND for instant in instants[1:]]
    assert [account_at(client, instant) for instant in before_the_next] == answered[:-1]
    assert client.account() == answered[-1]


def test_of_what_happened_in_one_instant_the_last_counts(client: Client) -> None:
    client.grant(1)
    reserve_id = new_id()
    operations = [
        {"grant": {"user_id": "ana", "amount": 100, "type": ADJUSTMENT, "request_id": new_id()}},
        {"reserve": {"user_id": "ana", "amount": 60, "request_id": reserve_id}},
        {"charge": {"user_id": "ana", "reserve_request_id": reserve_id, "amount": 20}},
        {"reserve": {"user_id": "ana", "amount": 5, "request_id": new_id()}},
    ]
    results = client.call("Execute", operations=operations).results
    last = results[-1].reserve.account
    assert {result.WhichOneof("result") for result in results} == {"grant", "reserve", "charge"}
    assert account_at(client, last.update_time.ToNanoseconds()) == last
    assert coins_at(client, last.update_time.ToNanoseconds() - MICROSECOND) == (1, 0, 1)


def test_before_the_first_coin_there_is_no_account(client: Client) -> None:
    created = client.grant(5).account.create_time.ToNanoseconds()
    error = refused("ACCOUNT_NOT_FOUND", lambda: account_at(client, created - MICROSECOND))
    assert error.metadata == {"user_id": "ana"}
    assert coins_at(client, created) == (5, 0, 5)
    refused("ACCOUNT_NOT_FOUND", lambda: account_at(client, created, "ben"))
    refused("ACCOUNT_NOT_FOUND", lambda: account_at(client, 0))


def test_a_refusal_moves_no_coin_of_the_past(client: Client, database: Database) -> None:
    client.grant(10)
    refused("INSUFFICIENT_CREDITS", lambda: client.reserve(11))
    now = database.one("SELECT clock_timestamp()")
    assert coins_at(client, nanoseconds(now)) == (10, 0, 10)


def nanoseconds(instant: datetime) -> int:
    """Answer an instant of the database as the wire counts."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * MICROSECOND


def test_what_ran_out_is_available_from_that_instant_on_written_down_or_not(
    client: Client, database: Database
) -> None:
    # Given two reservations that ran out, and nobody who has written that down
    client.grant(100)
    kept = client.reserve(5)
    late, early = client.reserve(20, ttl_s=1.2).reservation, client.reserve(30, ttl_s=1).reservation
    run_out(database, late, early)
    instants = [
        expiry + step
        for expiry in (early.expire_time.ToNanoseconds(), late.expire_time.ToNanoseconds())
        for step in (-MICROSECOND, 0, MICROSECOND)
    ]

    def told() -> list[tuple[Coins, int]]:
        accounts = [account_at(client, instant) for instant in instants]
        return [((a.balance, a.reserved, a.available), a.update_time.ToNanoseconds()) for a in accounts]

    # Then each has given its coins back at its expiry
    made = early.create_time.ToNanoseconds()
    assert told() == [
        ((100, 55, 45), made),
        ((100, 25, 75), instants[1]),
        ((100, 25, 75), instants[1]),
        ((100, 25, 75), instants[1]),
        ((100, 5, 95), instants[4]),
        ((100, 5, 95), instants[4]),
    ]
    before = told()
    assert database.one("SELECT count(*) FROM reservations WHERE state = 'EXPIRED'") == 0
    # When it is written down, with much that happens afterwards
    client.charge(kept.reservation.reservation_id)
    client.reserve(95)
    assert database.one("SELECT count(*) FROM reservations WHERE state = 'EXPIRED'") == 2
    # Then the past is as it was
    assert told() == before


def test_what_was_extended_in_time_is_held_past_its_first_expiry(client: Client, database: Database) -> None:
    client.grant(100)
    extended, lapsed = client.reserve(10, ttl_s=1).reservation, client.reserve(20, ttl_s=1).reservation
    client.extend(extended.reservation_id, 60)
    run_out(database, extended, lapsed)
    assert coins_at(client, lapsed.expire_time.ToNanoseconds()) == (100, 10, 90)


@pytest.mark.parametrize(
    ("time", "problem"),
    [
        (None, "is required"),
        (Timestamp(seconds=4_000_000_000), "must not be in the future"),
        (Timestamp(seconds=1, nanos=-1), "is not a time"),
        (Timestamp(seconds=400_000_000_000), "is not a time"),
    ],
)
def test_an_instant_that_is_none_or_yet_to_come_is_malformed(
    client: Client, time: Timestamp | None, problem: str
) -> None:
    client.grant(1)
    for user_id in ("ana", "nobody"):
        error = refused("INVALID_FIELD", partial(client.call, "GetBalanceAt", user_id=user_id, time=time))
        assert error.metadata == {"field": "time"}
        assert problem in error.message
    error = refused("INVALID_FIELD", lambda: client.call("GetBalanceAt", user_id="", time=time))
    assert error.metadata == {"field": "user_id"}


def test_the_future_begins_at_the_clock_of_the_database(client: Client, database: Database) -> None:
    client.grant(1)
    now = nanoseconds(database.one("SELECT clock_timestamp()"))
    assert coins_at(client, now) == (1, 0, 1)
    refused("INVALID_FIELD", lambda: account_at(client, now + 60 * 10**9))


def test_the_past_waits_for_a_charge_that_came_in_time(client: Client, database: Database) -> None:
    """The charge read the clock before the expiry and commits after it: the coins never came back."""
    client.grant(100)
    reservation = client.reserve(10, ttl_s=1).reservation
    expiry = reservation.expire_time.ToNanoseconds()
    request_id = new_id()
    seen: list[object] = []
    with database.held() as other:
        # Given a charge that has decided, and waits for another hand with its request id
        other.run("INSERT INTO requests VALUES ('ana', %s, 'GRANT', '{}', now())", request_id)

        def read() -> None:
            eventually(database.waiting_for_locks)
            run_out(database, reservation)
            # When the instant of the expiry is asked for, then the answer waits for the charge
            seen.extend(at_once([lambda: coins_at(client, expiry), commit]))

        def commit() -> None:
            try:
                eventually(lambda: database.waiting_for_locks() >= 2)
            finally:
                other.rollback()

        charge = partial(client.charge, reservation.reservation_id, request_id=request_id)
        calls: list[Callable[[], object]] = [charge, read]
        [charged, _] = at_once(calls)
    # And it was charged before
    assert isinstance(charged, credit_pb2.ChargeResponse)
    assert charged.reservation.settle_time.ToNanoseconds() < expiry
    assert seen[0] == coins_at(client, expiry) == (90, 0, 90)


@pytest.fixture
def long_history(client: Client, database: Database) -> int:
    """5,000 events of one account among a hundred, each with expired reservations, written down or not.

    Answers the instant of the event after which the balance was 2,500.
    """
    client.grant(5_000)
    database.corrupt(
        """
        DELETE FROM events;
        UPDATE accounts SET reserved = 2, reservation_count = 2;
        INSERT INTO events (event_key, user_id, kind, event_time, amount, balance, reserved)
        SELECT 0, 'ana', 'granted', now() - interval '1 day' + n * interval '1 s', 1, n, least(n, 2)
        FROM generate_series(1, 5000) AS n;
        INSERT INTO accounts (user_id, balance, reserved, transaction_count, reservation_count)
        SELECT 'user' || n, 100, 50, 1, 100 FROM generate_series(1, 99) AS n;
        INSERT INTO transactions
        SELECT gen_random_uuid(), user_id, 1, 'BONUS', 100, 100, now(), '', NULL, '', '', '{}'
        FROM accounts WHERE user_id <> 'ana';
        INSERT INTO reservations SELECT gen_random_uuid(), user_id, n, 1,
            CASE WHEN n <= reserved THEN 'RESERVED' ELSE 'EXPIRED' END,
            now() - interval '1 day' + n * interval '1 s', now() - interval '1 day', 0,
            CASE WHEN n <= reserved THEN NULL ELSE now() - interval '1 day' + n * interval '1 s' END,
            '', '', '', '', '{}', NULL
        FROM accounts, generate_series(1, reservation_count) AS n
        """
    )
    database.run("ANALYZE events, reservations, accounts")
    return nanoseconds(database.one("SELECT event_time FROM events WHERE balance = 2500"))


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
def test_the_past_is_one_entry_of_one_index_however_long_it_is(
    client: Client, database: Database, long_history: int, plans: str
) -> None:
    assert coins_at(client, long_history) == (2_500, 0, 2_500)
    # Given the statement as the driver prepares it, planned for its values or for any
    instant = datetime.fromtimestamp(long_history // 10**9, UTC) + timedelta(
        microseconds=long_history % 10**9 // MICROSECOND
    )
    compiled: Any = as_of("ana", instant).compile(
        dialect=postgresql.asyncpg.dialect(),  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap
        compile_kwargs={"render_postcompile": True},
    )
    values = [compiled.params[name] for name in compiled.positiontup]
    database.run(f"SET plan_cache_mode = {plans}; PREPARE asked AS {compiled}")
    try:
        places = ", ".join("%s" for _ in values)
        plan = database.explain(f"EXECUTE asked ({places})", *values)
    finally:
        database.run("DEALLOCATE asked; RESET plan_cache_mode")
    # Then it takes the first entry of one descent, backwards, and sorts nothing
    looked_at = {node.get("Index Name", node["Node Type"]): node for node in plan}
    event = looked_at["events_history"]
    assert (event["Node Type"], event["Scan Direction"]) == ("Index Scan", "Backward")
    assert (event["Actual Rows"], event["Actual Loops"], event["Index Searches"]) == (1, 1, 1)
    assert looked_at["Limit"]["Plans"] == [event]
    assert not {name for name in looked_at if "Sort" in name}, plan
    # And what was due is found among what is held, past all that is settled
    held = looked_at["reservations_held"]
    assert held["Actual Rows"] == 2
    assert "Rows Removed by Filter" not in {*event, *held}
