"""Expiry is a predicate: with one sweeper, many, or none, every answer is the same."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from datetime import UTC, timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import DateTime, literal
from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service.ledger import Event, EventKind, ReservationState
from credit_service.repository import Repository
from credit_service.settings import CreditSettings
from credit_service.store import Store
from credit_service.sweeper import Sweeper
from credit_service.turns import Turns
from protos.credit.v1 import credit_pb2
from servicekit.database import async_engine, session_factory
from tests.credit_service.client import Client, at_once, new_id, operation, refused
from tests.credit_service.database import Database
from tests.eventually import eventually, eventually_async

RESERVED = credit_pb2.RESERVATION_STATE_RESERVED
EXPIRED = credit_pb2.RESERVATION_STATE_EXPIRED


class Sweep:
    """A sweeper's store with what it told."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.sessions = session_factory(engine)
        self.events: list[Event] = []
        self.store = Store(engine, committed=self.events.extend)

    async def run(self, batch: int = 500) -> int:
        return await Sweeper(self.store, interval_s=1, batch=batch).sweep()


@pytest.fixture
async def sweep(migrated: str) -> AsyncIterator[Sweep]:
    settings = CreditSettings(credit_database_url=migrated, database_lock_timeout_s=1.0)
    engine = async_engine(migrated, settings, "sweeper")
    yield Sweep(engine)
    await engine.dispose()


def expired_one(client: Client, database: Database, coins: int = 10) -> str:
    """Make a reservation whose time has run out, unnoticed."""
    reservation_id = client.reserved(coins)
    database.let_expire([reservation_id])
    assert (
        database.one("SELECT state FROM reservations WHERE reservation_id = %s", reservation_id) == "RESERVED"
    )
    return reservation_id


def everything(client: Client) -> list[object]:
    """Answer all that can be read of an account."""
    listed = [
        client.call("ListReservations", user_id="ana", states=states)
        for states in ([], [RESERVED], [EXPIRED], [RESERVED, EXPIRED])
    ]
    return [client.account(), client.call("ListTransactions", user_id="ana"), *listed]


async def test_a_dead_sweeper_changes_no_answer(client: Client, database: Database, sweep: Sweep) -> None:
    client.grant(100)
    client.reserved(20)
    reservation_id = expired_one(client, database)
    before = [*everything(client), client.reservation(reservation_id)]
    assert client.coins() == (100, 20, 80)
    assert client.reservation(reservation_id).state == EXPIRED
    refused("RESERVATION_EXPIRED", lambda: client.charge(reservation_id, amount=0))
    assert await sweep.run() == 0, "the charge has written it down"
    assert [*everything(client), client.reservation(reservation_id)] == before


async def test_what_a_sweeper_writes_down_is_what_everybody_saw(
    client: Client, database: Database, sweep: Sweep
) -> None:
    client.grant(100)
    client.reserved(20)
    reservation_id = expired_one(client, database)
    before = [*everything(client), client.reservation(reservation_id)]
    assert await sweep.run() == 1
    assert [*everything(client), client.reservation(reservation_id)] == before
    assert (
        database.one("SELECT state FROM reservations WHERE reservation_id = %s", reservation_id) == "EXPIRED"
    )
    assert [event.kind for event in sweep.events] == [EventKind.EXPIRED]
    assert await sweep.run() == 0


@pytest.mark.parametrize(("early", "held"), [(timedelta(microseconds=1), 10), (timedelta(0), 0)])
async def test_a_read_at_the_exact_instant_of_expiry_sees_it_expired(
    client: Client, sweep: Sweep, early: timedelta, held: int
) -> None:
    client.grant(100)
    made = client.reserve(10).reservation
    instant = made.expire_time.ToDatetime(tzinfo=UTC) - early
    then = Repository(sweep.sessions, Turns(), now=literal(instant, DateTime(timezone=True)))
    state = ReservationState.RESERVED if held else ReservationState.EXPIRED
    assert (await then.account("ana")).reserved == held
    assert (await then.reservation(UUID(made.reservation_id))).state is state
    assert [row.state for row in await then.reservations("ana", {state}, None, 10)] == [state]


def test_a_read_past_the_expiry_waits_for_a_charge_that_came_in_time(
    client: Client, database: Database
) -> None:
    """The charge read the clock before the expiry and commits after it: no read may have said EXPIRED."""
    client.grant(100)
    reservation = client.reserve(10, ttl_s=1).reservation
    request_id = new_id()
    charged: list[credit_pb2.Reservation] = []
    reads: list[Callable[[], object]] = [
        partial(client.reservation, reservation.reservation_id),
        client.coins,
        lambda: client.call("ListReservations", user_id="ana", states=[EXPIRED]).reservations,
    ]
    with database.held() as other:
        # Given a charge that has decided, and waits for another hand with its request id
        other.run("INSERT INTO requests VALUES ('ana', %s, 'GRANT', '{}', now())", request_id)

        def charge() -> None:
            answer = client.charge(reservation.reservation_id, request_id=request_id)
            charged.append(answer.reservation)

        def commit() -> None:
            try:
                eventually(lambda: database.waiting_for_locks() >= 3)
            finally:
                other.rollback()

        def read() -> None:
            eventually(database.waiting_for_locks)
            eventually(lambda: database.one("SELECT expire_time < clock_timestamp() FROM reservations"))
            # When it is read after its expiry, then the reads wait for the charge
            seen.extend(at_once([*reads, commit]))

        seen: list[object] = []
        at_once([charge, read])
    # And all that is ever said is that it was charged
    assert seen[:3] == [charged[0], (90, 0, 90), []]
    assert client.reservation(reservation.reservation_id) == charged[0]


def test_expired_coins_are_available_to_the_next_reserve(client: Client, database: Database) -> None:
    client.grant(100)
    expired_one(client, database, 100)
    assert client.reserve(100).account.available == 0


def test_an_expired_reservation_never_blocks_a_reserve_of_a_batch_limit_and_more(
    client: Client, database: Database
) -> None:
    client.grant(10_000)
    database.run(
        """
        INSERT INTO reservations SELECT gen_random_uuid(), 'ana', n, 3, 'RESERVED',
            now() - n * interval '1 ms', now() - interval '1 day', 0, NULL, '', '', '', '', '{}', NULL
        FROM generate_series(1, 2500) AS n
        """
    )
    database.run("UPDATE accounts SET reserved = 7500, reservation_count = 2500")
    assert client.coins() == (10_000, 0, 10_000)
    reserved = client.reserve(10_000)
    assert reserved.account.available == 0
    assert database.one("SELECT count(*) FROM reservations WHERE state = 'EXPIRED'") == 2_500


def test_a_real_second_passes_and_the_coins_are_back(client: Client) -> None:
    client.grant(10)
    reservation = client.reserve(10, ttl_s=1).reservation
    refused("INSUFFICIENT_CREDITS", lambda: client.reserve(1))
    eventually(lambda: client.coins() == (10, 0, 10))
    seen = client.reservation(reservation.reservation_id)
    assert (seen.state, seen.settle_time) == (EXPIRED, seen.expire_time)
    assert client.account().update_time == reservation.expire_time
    assert client.reserve(10).account.reserved == 10


def test_an_extend_in_time_keeps_the_coins_and_a_late_one_is_refused(client: Client) -> None:
    client.grant(10)
    first, second = client.reserved(5, ttl_s=1), client.reserved(5, ttl_s=1)
    client.extend(first, 60)
    eventually(lambda: client.reservation(second).state == EXPIRED)
    refused("RESERVATION_EXPIRED", lambda: client.extend(second, 60))
    assert client.charge(first).transaction.amount == -5


async def test_a_sweeper_goes_round_what_is_locked(client: Client, database: Database, sweep: Sweep) -> None:
    """SKIP LOCKED: a sweeper never waits, so it never holds up another, nor an operation."""
    for user_id in ("ana", "ben"):
        client.grant(10, user_id)
    made = [client.reserved(10, user_id) for user_id in ("ana", "ben")]
    database.let_expire(made)
    with database.held() as other:
        other.run("SELECT FROM accounts WHERE user_id = 'ana' FOR UPDATE")
        assert await sweep.run() == 1
    assert await sweep.run() == 1


async def test_held_accounts_hide_nothing_that_is_due_in_others(
    client: Client, database: Database, sweep: Sweep
) -> None:
    """What is due longest is held, and is more than a batch."""
    for user_id in ("ana", "ben", "zoe"):
        client.grant(10, user_id)
    for user_id in ("ana", "ben"):
        database.let_expire([client.reserved(1, user_id) for _ in range(3)])
    database.let_expire([client.reserved(1, "zoe") for _ in range(5)])
    with database.held() as other:
        other.run("SELECT FROM accounts WHERE user_id <> 'zoe' FOR UPDATE")
        assert await sweep.run(batch=2) == 5
    assert await sweep.run(batch=2) == 6


async def test_an_account_that_cannot_be_written_stops_no_other(
    client: Client, database: Database, sweep: Sweep
) -> None:
    for user_id in ("ana", "ben", "zoe"):
        client.grant(10, user_id)
    for user_id in ("ben", "ana", "zoe"):
        database.let_expire([client.reserved(4, user_id) for _ in range(2)])
    # Given an account whose coins are wrong by somebody's hand
    database.run("UPDATE accounts SET reserved = 0 WHERE user_id = 'ben'")
    # Then the others are swept, and it is, too, when it is right again
    assert await sweep.run() == 4
    database.run("UPDATE accounts SET reserved = 8 WHERE user_id = 'ben'")
    assert await sweep.run() == 2
    assert [client.coins(user_id) for user_id in ("ana", "ben", "zoe")] == [(10, 0, 10)] * 3


async def test_many_sweepers_at_once_expire_everything_once(
    client: Client, database: Database, sweep: Sweep
) -> None:
    users = [f"user{number}" for number in range(20)]
    for user_id in users:
        client.grant(10, user_id)
    made = [client.reserved(2, user_id) for user_id in users for _ in range(3)]
    database.let_expire(made)
    await asyncio.gather(*(sweep.run(batch=7) for _ in range(8)))
    while await sweep.run(batch=7):
        pass
    assert sorted(
        str(event.reservation.reservation_id) for event in sweep.events if event.reservation
    ) == sorted(made)
    assert all(client.coins(user_id) == (10, 0, 10) for user_id in users)


async def test_a_sweep_writes_no_more_than_a_batch_at_once(
    client: Client, database: Database, sweep: Sweep
) -> None:
    client.grant(100)
    database.let_expire([client.reserved(1) for _ in range(10)])
    assert (await sweep.store.expire_due(["ana"], 4)).expired == 4
    assert await sweep.run(batch=4) == 6


def test_sweepers_against_charges_and_releases_end_in_one_state(
    start: Callable[..., Client], database: Database
) -> None:
    first = start(credit_sweep_interval_s=0.01)
    second = start(credit_sweep_interval_s=0.01)
    first.grant(1_000)
    made = [first.reserved(10, ttl_s=1) for _ in range(30)]
    last = first.reservation(made[-1]).expire_time.ToDatetime()
    eventually(
        lambda: database.one("SELECT clock_timestamp() AT TIME ZONE 'UTC' > %s - interval '30 ms'", last)
    )
    at_once([partial(second.charge, made_id, request_id=new_id()) for made_id in made])
    eventually(lambda: database.one("SELECT count(*) FROM reservations WHERE state = 'RESERVED'") == 0)
    for reservation_id in made:
        row = first.reservation(reservation_id)
        assert row.state in (EXPIRED, credit_pb2.RESERVATION_STATE_CHARGED)
        assert (row.state == EXPIRED) == (row.settle_time == row.expire_time)


def test_two_services_side_by_side_are_one_ledger(start: Callable[..., Client], database: Database) -> None:
    first, second = start(credit_sweep_interval_s=0.05), start(credit_sweep_interval_s=0)
    first.grant(99)
    request_id = new_id()
    answers = at_once(
        [
            *(partial(client.reserve, 1) for client in (first, second) * 40),
            *(partial(client.reserve, 19, request_id=request_id) for client in (first, second) * 10),
        ]
    )
    made = [a.reservation for a in answers if isinstance(a, credit_pb2.ReserveResponse)]
    assert len({row.reservation_id for row in made if row.amount == 19}) <= 1
    assert first.account() == second.account()
    assert database.one("SELECT sum(amount) FROM reservations WHERE state = 'RESERVED'") <= 99


async def test_a_sweeper_outlives_a_database_that_is_away() -> None:
    """It goes on after the pause; here the database is one that cannot be reached."""
    settings = CreditSettings(credit_database_url="postgresql://nobody@127.0.0.1:1/credit")
    engine = async_engine(settings.credit_database_url, settings, "sweeper")
    tries: list[int] = []

    class Counting(Store):
        async def due_accounts(self, limit: int, but: Collection[str] = ()) -> list[str]:
            tries.append(limit)
            return await super().due_accounts(limit, but)

    store = Counting(engine, committed=lambda events: None)
    task = asyncio.create_task(Sweeper(store, interval_s=0.01, batch=5).run())

    async def tried_again() -> bool:
        return len(tries) >= 3

    await eventually_async(tried_again)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await engine.dispose()


def test_expiries_are_told_in_the_order_of_their_time_however_many_there_are(
    client: Client, database: Database
) -> None:
    # Given more due reservations than one transaction takes, the last made the first to expire
    client.grant(10_000)
    client.execute(*(operation("reserve", user_id="ana", amount=1) for _ in range(2_500)))
    database.run(
        "SET session_replication_role = replica;"
        "UPDATE reservations SET expire_time = clock_timestamp() - number * interval '1 ms';"
        "SET session_replication_role = origin"
    )
    # When the next operation writes them down
    client.reserve(1)
    # Then their events stand in the order of their time
    times = [
        row[0]
        for row in database.run(
            "SELECT event_time FROM events WHERE kind = 'expired' ORDER BY event_key, event_seq"
        )
    ]
    assert len(times) == 2_500
    assert times == sorted(times)
