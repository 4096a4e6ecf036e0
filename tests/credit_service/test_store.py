"""The store's one entry takes a batch: what a single RPC does, many operations do in one commit."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service.ledger import (
    Charge,
    Charged,
    Event,
    EventKind,
    Extend,
    Grant,
    Granted,
    Operation,
    Release,
    Released,
    Reserve,
    Reserved,
    TransactionType,
)
from credit_service.ledger.refusals import (
    AccountNotFound,
    AlreadyReleased,
    InsufficientCredits,
    ReservationNotFound,
)
from credit_service.settings import CreditSettings
from credit_service.store import Store, course
from servicekit.database import async_engine
from servicekit.driver import driver_connection
from tests.credit_service.database import Database
from tests.eventually import eventually, eventually_async


class Till:
    """A store with its engine and what it told."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.events: list[Event] = []
        self.store = Store(engine, committed=self.events.extend)

    async def statements(self, watch: Callable[[str], object] = lambda _: None) -> list[str]:
        """Answer a list that fills with the statements of the one connection in use, each at its end."""
        seen: list[str] = []

        def note(logged: Any) -> None:
            # What asyncpg asks on its own account, about types, is asked once a connection.
            if "typeinfo" not in logged.query and "pg_catalog" not in logged.query:
                seen.append(logged.query.strip())
                watch(logged.query.strip())

        async with driver_connection(self.engine) as connection:
            connection.add_query_logger(note)
        return seen

    async def reserved(self, coins: int, user_id: str) -> UUID:
        """Make a reservation and answer its id."""
        [result] = await self.store.execute([Reserve(user_id, coins, uuid4())])
        assert isinstance(result, Reserved)
        return result.reservation.reservation_id


def grant(coins: int, user_id: str = "ana") -> Grant:
    return Grant(user_id, coins, TransactionType.BONUS, uuid4(), "batch", {"k": "v"})


@pytest.fixture
async def till(migrated: str, database: Database) -> AsyncIterator[Till]:
    settings = CreditSettings(credit_database_url=migrated)
    engine = async_engine(migrated, settings, "credit_service")
    yield Till(engine)
    await engine.dispose()


async def test_a_batch_makes_accounts_reserves_and_refuses_in_order(till: Till, database: Database) -> None:
    results = await till.store.execute(
        [
            grant(10),
            Reserve("ana", 6, uuid4()),
            Reserve("ana", 6, uuid4()),
            grant(2),
            Reserve("ana", 6, uuid4()),
        ]
    )
    kinds = [Granted, Reserved, InsufficientCredits, Granted, Reserved]
    assert [type(result) for result in results] == kinds
    assert [e.kind for e in till.events] == [
        EventKind.GRANTED,
        EventKind.RESERVED,
        EventKind.REFUSED,
        EventKind.GRANTED,
        EventKind.RESERVED,
    ]
    assert database.run("SELECT balance, reserved, transaction_count, reservation_count FROM accounts") == [
        (12, 12, 2, 3)
    ]


async def test_a_batch_settles_many_reservations_of_many_accounts(till: Till, database: Database) -> None:
    users = [f"user{number}" for number in range(30)]
    await till.store.execute([grant(100, user_id) for user_id in users])
    ids = [await till.reserved(10, user_id) for user_id in users]
    operations: list[Operation] = []
    for index, reservation_id in enumerate(ids):
        operations.append(
            (
                Charge(reservation_id, 4, request_id=uuid4()),
                Release(reservation_id, "no"),
                Extend(reservation_id, timedelta(hours=1), uuid4()),
            )[index % 3]
        )
    results = await till.store.execute([*operations, Charge(uuid4())])
    assert isinstance(results[-1], ReservationNotFound)
    assert sum(isinstance(result, Charged) for result in results) == 10
    assert sum(isinstance(result, Released) for result in results) == 10
    assert database.run("SELECT state, count(*) FROM reservations GROUP BY state ORDER BY state") == [
        ("CHARGED", 10),
        ("RELEASED", 10),
        ("RESERVED", 10),
    ]
    again = await till.store.execute([o for o in operations if isinstance(o, Charge)])
    assert [r for r in results if isinstance(r, Charged)] == again, "as the first time"


async def test_eight_thousand_operations_are_a_handful_of_statements(till: Till, database: Database) -> None:
    users = [f"user{number}" for number in range(1_000)]
    await till.store.execute([grant(100, user_id) for user_id in users])
    statements = await till.statements()
    results = await till.store.execute([Reserve(user_id, 1, uuid4()) for user_id in users * 8])
    assert all(isinstance(result, Reserved) for result in results)
    assert [statement.split()[0] for statement in statements] == ["BEGIN", "SELECT", "WITH", "COMMIT"]
    assert database.one("SELECT sum(reserved) FROM accounts") == 8_000


async def test_one_reserve_takes_as_many_statements_as_a_batch(till: Till) -> None:
    await till.store.execute([grant(100)])
    statements = await till.statements()
    await till.reserved(1, "ana")
    assert len(statements) == 4


async def free_while_waiting(
    till: Till, database: Database, operations: list[Operation], *, held: str, free: str
) -> None:
    """Hold a row, let a batch wait for it, and find another row of the batch not yet locked.

    That it is free shows the order: the batch locks it after the row that it waits for.
    """
    with database.held() as holder, database.held() as prober:
        holder.run(held)
        batch = asyncio.create_task(till.store.execute(operations))
        await asyncio.to_thread(eventually, database.waiting_for_locks)
        prober.run("SET LOCAL lock_timeout = '50 ms'")
        prober.run(free)
        prober.rollback()
        holder.rollback()
        await batch


async def test_accounts_are_locked_in_key_order(till: Till, database: Database) -> None:
    """The rows lie in the other order in the table, and so do the operations."""
    await till.store.execute([grant(10, "zoe")])
    await till.store.execute([grant(10, "ana")])
    await free_while_waiting(
        till,
        database,
        [Reserve("zoe", 1, uuid4()), Reserve("ana", 1, uuid4())],
        held="SELECT FROM accounts WHERE user_id = 'ana' FOR UPDATE",
        free="SELECT FROM accounts WHERE user_id = 'zoe' FOR UPDATE",
    )


async def test_accounts_are_locked_before_reservations(till: Till, database: Database) -> None:
    await till.store.execute([grant(10)])
    reservation_id = await till.reserved(1, "ana")
    await free_while_waiting(
        till,
        database,
        [Charge(reservation_id)],
        held="SELECT FROM accounts FOR UPDATE",
        free="SELECT FROM reservations FOR UPDATE",
    )


async def test_a_hand_that_settles_a_reservation_by_sql_is_waited_for(till: Till, database: Database) -> None:
    """It holds no account; without the row's lock the Charge would go by what the row was before."""
    await till.store.execute([grant(10)])
    reservation_id = await till.reserved(1, "ana")
    with database.held() as hand:
        hand.run(
            "UPDATE reservations SET state = 'RELEASED', settle_time = now(), release_reason = 'by hand'"
        )
        charge = asyncio.create_task(till.store.execute([Charge(reservation_id)]))
        await asyncio.to_thread(eventually, database.waiting_for_locks)
        hand.commit()
        [refused] = await charge
    database.run("UPDATE accounts SET reserved = 0")
    assert isinstance(refused, AlreadyReleased)


async def test_reservations_are_locked_in_key_order(till: Till, database: Database) -> None:
    await till.store.execute([grant(10)])
    ids = iter([UUID(int=2), UUID(int=1)])
    backwards = Store(till.engine, committed=till.events.extend, new_id=lambda: next(ids))
    await backwards.execute([Reserve("ana", 1, uuid4()), Reserve("ana", 1, uuid4())])
    await free_while_waiting(
        till,
        database,
        [Charge(UUID(int=2)), Charge(UUID(int=1))],
        held=f"SELECT FROM reservations WHERE reservation_id = '{UUID(int=1)}' FOR UPDATE",
        free=f"SELECT FROM reservations WHERE reservation_id = '{UUID(int=2)}' FOR UPDATE",
    )


async def test_first_grants_make_their_accounts_in_key_order(till: Till, database: Database) -> None:
    users = [f"user{number:02}" for number in range(20)]
    await free_while_waiting(
        till,
        database,
        [grant(1, user_id) for user_id in reversed(users)],
        held=f"INSERT INTO accounts (user_id) VALUES ('{users[0]}')",
        free="INSERT INTO accounts (user_id) VALUES " + ", ".join(f"('{user_id}')" for user_id in users[1:]),
    )


async def test_batches_over_the_same_accounts_in_any_order_never_deadlock(
    till: Till, database: Database
) -> None:
    """Locks are taken in key order, whatever the order of the operations."""
    users = [f"user{number}" for number in range(12)]
    await till.store.execute([grant(10_000, user_id) for user_id in users])
    ids = {user_id: [await till.reserved(1, user_id) for _ in range(4)] for user_id in users}
    before = _deadlocks(database)

    async def batch(seed: int) -> None:
        order = random.Random(seed)
        operations: list[Operation] = [Reserve(user_id, 1, uuid4()) for user_id in users]
        operations += [Extend(order.choice(ids[user_id]), timedelta(hours=1), uuid4()) for user_id in users]
        operations += [grant(1, f"new{number}") for number in range(seed % 5)]
        order.shuffle(operations)
        await till.store.execute(operations)

    await asyncio.gather(*(batch(seed) for seed in range(60)))
    assert _deadlocks(database) == before
    assert database.one("SELECT sum(reserved) FROM accounts") == 60 * 12 + 48


def _deadlocks(database: Database) -> int:
    return int(database.one("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))


async def test_a_grant_that_is_refused_leaves_no_account_to_be_seen(till: Till, database: Database) -> None:
    """A row is made before the lock; while no transaction stands behind it, there is no account."""
    database.run("INSERT INTO accounts (user_id) VALUES ('blank')")
    [refused] = await till.store.execute([Reserve("blank", 1, uuid4())])
    assert type(refused).__name__ == "AccountNotFound"
    [granted] = await till.store.execute([grant(5, "blank")])
    assert isinstance(granted, Granted)
    assert granted.account.create_time == granted.transaction.create_time


async def test_an_account_that_is_made_behind_the_lock_statement_does_not_exist_for_its_batch(
    till: Till, database: Database
) -> None:
    """The lock statement finds none; before the requests are read, a Grant and the same Reserve commit."""
    reserve = Reserve("ana", 10, uuid4())
    with database.held() as other:
        other.run("LOCK TABLE requests IN ACCESS EXCLUSIVE MODE")
        overtaken = asyncio.create_task(till.store.execute([reserve]))
        await asyncio.to_thread(eventually, database.waiting_for_locks)
        other.run(
            "INSERT INTO accounts VALUES ('ana', 100, 10, 1, 1, now(), now());"
            "INSERT INTO transactions VALUES"
            " (gen_random_uuid(), 'ana', 1, 'BONUS', 100, 100, now(), '', NULL, '', '', '{}');"
            "INSERT INTO reservations VALUES"
            f" ('{UUID(int=1)}', 'ana', 1, 10, 'RESERVED', now() + interval '1 hour', now(), 0,"
            " NULL, '', '', '', '', '{}', NULL);"
            "INSERT INTO requests VALUES"
            f" ('ana', '{reserve.request_id}', 'RESERVE', '{{\"amount\": 10}}', now(),"
            f" '{UUID(int=1)}', NULL, now() + interval '1 hour', NULL)"
        )
        other.commit()
        [result] = await overtaken
    assert isinstance(result, AccountNotFound)
    [repeated] = await till.store.execute([reserve])
    assert isinstance(repeated, Reserved)
    assert repeated.reservation.reservation_id == UUID(int=1)


async def test_nothing_is_told_of_what_was_not_committed(till: Till, database: Database) -> None:
    await till.store.execute([grant(5)])
    till.events.clear()
    database.run("ALTER TABLE reservations ADD CONSTRAINT no_more CHECK (false) NOT VALID")
    try:
        with pytest.raises(Exception, match="no_more"):
            await till.store.execute([Reserve("ana", 1, uuid4())])
    finally:
        database.run("ALTER TABLE reservations DROP CONSTRAINT no_more")
    assert till.events == []


async def test_a_caller_who_leaves_before_anything_is_written_leaves_nothing(
    till: Till, database: Database
) -> None:
    await till.store.execute([grant(100)])
    with database.held() as other:
        other.run("SELECT FROM accounts FOR UPDATE")
        waiting = asyncio.create_task(till.store.execute([Reserve("ana", 10, uuid4())]))
        await asyncio.to_thread(eventually, database.waiting_for_locks)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.to_thread(eventually, lambda: database.waiting_for_locks() == 0)
    assert database.one("SELECT count(*) FROM reservations") == 0
    assert [e.kind for e in till.events] == [EventKind.GRANTED]


async def test_a_caller_who_leaves_during_the_commit_takes_no_record_along(
    till: Till, database: Database
) -> None:
    """The deadline fires while PostgreSQL commits: the coins move, and the record says so, once."""
    await till.store.execute([grant(100)])
    reserve = Reserve("ana", 10, uuid4())

    async def call() -> None:
        caller = asyncio.current_task()
        assert caller is not None
        await till.statements(lambda statement: statement.startswith("WITH") and caller.cancel())
        await till.store.execute([reserve])

    with pytest.raises(asyncio.CancelledError):
        await call()

    async def told() -> bool:
        return [e.kind for e in till.events] == [EventKind.GRANTED, EventKind.RESERVED]

    await eventually_async(told)
    [again] = await till.store.execute([reserve])
    assert isinstance(again, Reserved)
    assert again.account.reserved == 10
    assert len(till.events) == 2


async def test_a_transaction_that_fails_after_its_caller_left_is_logged(
    till: Till, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await till.store.execute([grant(100)])
    logged: list[str] = []
    monkeypatch.setattr(course.log, "warning", lambda name, **fields: logged.append(name))
    with database.held() as other:
        reserve = Reserve("ana", 10, uuid4())
        other.run("INSERT INTO requests VALUES ('ana', %s, 'GRANT', '{}', now())", str(reserve.request_id))
        writing = asyncio.create_task(till.store.execute([reserve]))
        await asyncio.to_thread(eventually, database.waiting_for_locks)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        other.commit()

    async def told() -> bool:
        return logged == ["transaction_failed_unseen"]

    await eventually_async(told)
    assert database.one("SELECT count(*) FROM reservations") == 0
