"""Transactions, retries, upserts and migrations on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, Text, UniqueConstraint, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from servicekit.database import (
    PoolStatus,
    Sessions,
    async_engine,
    check_database,
    session_factory,
    sync_engine,
    transaction,
)
from servicekit.driver import in_driver_transaction
from servicekit.embedded import EmbeddedPostgres
from servicekit.errors import DatabaseUnavailable, LockTimeout
from servicekit.migrations import MissingExtension, create_extension, upgrade
from servicekit.retry import (
    MAX_TRIES,
    constraint_name,
    execute_in_transaction,
    execute_with_lock_retry,
    sqlstate,
)
from servicekit.settings import KitSettings
from servicekit.upsert import upsert_or_create, upsert_unique_record


class Base(DeclarativeBase):
    pass


class Counter(Base):
    __tablename__ = "counters"
    __table_args__ = (UniqueConstraint("owner", "name", name="counters_owner_name"),)

    counter_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    owner: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    value: Mapped[int] = mapped_column(BigInteger, default=0)


@pytest.fixture
def url(postgres: EmbeddedPostgres) -> str:
    postgres.create_database("servicekit_database")
    return postgres.url("servicekit_database")


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    settings = KitSettings(
        database_lock_timeout_s=0.1, database_pool_size=4, database_max_overflow=2, database_pool_timeout_s=1
    )
    made = async_engine(url, settings, "tests")
    async with made.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    yield made
    await made.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> Sessions:
    return session_factory(engine)


async def _add(sessions: Sessions, name: str, value: int = 0) -> None:
    async with transaction(sessions) as session:
        session.add(Counter(owner="alice", name=name, value=value))


async def _value(sessions: Sessions, name: str) -> int | None:
    async with sessions() as session:
        return await session.scalar(select(Counter.value).where(Counter.name == name))


async def test_the_server_knows_who_is_connected_and_how_long_it_may_take(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        rows = [
            (await connection.execute(text(f"SHOW {name}"))).scalar_one()
            for name in ("application_name", "lock_timeout", "statement_timeout", "transaction_isolation")
        ]
    assert rows == ["tests", "100ms", "15s", "read committed"]


async def test_a_url_of_another_database_is_refused() -> None:
    with pytest.raises(ValueError, match="must begin with postgresql://"):
        async_engine("mysql://localhost/x", KitSettings(), "tests")


async def test_a_transaction_commits_at_its_end_and_not_before(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        session.add(Counter(owner="alice", name="a"))
        await session.flush()
        assert await _value(sessions, "a") is None
    assert await _value(sessions, "a") == 0


async def test_an_error_rolls_everything_back(sessions: Sessions) -> None:
    async def work(session: AsyncSession) -> None:
        session.add(Counter(owner="alice", name="a"))
        await session.flush()
        raise KeyError("after the insert")

    with pytest.raises(KeyError):
        await execute_in_transaction(sessions, work)
    assert await _value(sessions, "a") is None


async def test_the_isolation_asked_for_is_the_one_used(sessions: Sessions) -> None:
    async with transaction(sessions, "REPEATABLE READ") as session:
        assert await session.scalar(text("SHOW transaction_isolation")) == "repeatable read"
    async with transaction(sessions) as session:
        assert await session.scalar(text("SHOW transaction_isolation")) == "read committed"


async def test_a_violated_constraint_is_named(sessions: Sessions) -> None:
    await _add(sessions, "a")
    with pytest.raises(IntegrityError) as caught:
        await _add(sessions, "a")
    assert (sqlstate(caught.value), constraint_name(caught.value)) == ("23505", "counters_owner_name")


async def test_a_serialization_failure_repeats_the_whole_work_with_what_is_there_now(
    sessions: Sessions,
) -> None:
    await _add(sessions, "a", 1)
    seen: list[int] = []

    async def double(session: AsyncSession) -> None:
        counter = (await session.execute(select(Counter).where(Counter.name == "a"))).scalar_one()
        seen.append(counter.value)
        if len(seen) == 1:  # somebody else is faster, once
            async with transaction(sessions) as other:
                await other.execute(text("UPDATE counters SET value = 10 WHERE name = 'a'"))
        counter.value *= 2

    await execute_with_lock_retry(sessions, double, "REPEATABLE READ")

    assert seen == [1, 10]
    assert await _value(sessions, "a") == 20


async def test_a_row_that_stays_locked_is_a_lock_timeout_after_three_tries(sessions: Sessions) -> None:
    await _add(sessions, "a")
    tries = 0

    async def lock(session: AsyncSession) -> None:
        nonlocal tries
        tries += 1
        await session.execute(select(Counter).with_for_update())

    async with transaction(sessions) as holder:
        await holder.execute(select(Counter).with_for_update())
        with pytest.raises(LockTimeout):
            await execute_with_lock_retry(sessions, lock)
    assert tries == MAX_TRIES


async def test_a_deadlock_is_resolved_by_repeating_the_loser(sessions: Sessions) -> None:
    await _add(sessions, "a")
    await _add(sessions, "b")
    both_hold_one = asyncio.Barrier(2)
    first_round = {"ab": True, "ba": True}

    async def crossed(order: str) -> None:
        async def work(session: AsyncSession) -> None:
            for name in order:
                counter = (
                    await session.execute(select(Counter).where(Counter.name == name).with_for_update())
                ).scalar_one()
                counter.value += 1
                await session.flush()
                if first_round[order]:
                    first_round[order] = False
                    await both_hold_one.wait()

        await execute_with_lock_retry(sessions, work)

    await asyncio.gather(crossed("ab"), crossed("ba"))

    assert (await _value(sessions, "a"), await _value(sessions, "b")) == (2, 2)


async def test_a_database_that_is_not_there_is_unavailable() -> None:
    engine = async_engine("postgresql://nobody@127.0.0.1:1/none", KitSettings(), "tests")

    async def work(session: AsyncSession) -> None:
        await session.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailable):
        await execute_in_transaction(session_factory(engine), work)
    with pytest.raises(OSError, match=r"Connect call failed|Connection refused"):
        await check_database(engine)


async def test_a_killed_connection_is_unavailable_and_the_next_call_works(sessions: Sessions) -> None:
    async def die(session: AsyncSession) -> None:
        await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    async def live(session: AsyncSession) -> int:
        return int((await session.execute(text("SELECT 1"))).scalar_one())

    with pytest.raises(DatabaseUnavailable):
        await execute_in_transaction(sessions, die)
    assert await execute_in_transaction(sessions, live) == 1


async def test_a_caller_who_is_cancelled_at_any_moment_leaves_no_transaction_open(url: str) -> None:
    # given a pool of one connection, which is there
    engine = async_engine(url, KitSettings(database_pool_size=1, database_max_overflow=0), "tests")

    async def one(connection: Any) -> int:
        answer: int = await connection.fetchval("SELECT 1")
        return answer

    await in_driver_transaction(engine, one)
    for turns in range(300):
        # when a caller is cancelled, now while its transaction begins and now while its statement runs
        caller = asyncio.ensure_future(in_driver_transaction(engine, one))
        for _ in range(turns % 60):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
        # then the next one can begin its own
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT 1")) == 1
    await engine.dispose()


async def test_a_caller_who_is_cancelled_twice_leaves_no_connection_with_a_rollback_under_way(
    url: str,
) -> None:
    # given a pool of one connection, and a caller whose statement takes long
    engine = async_engine(url, KitSettings(database_pool_size=1, database_max_overflow=0), "tests")
    began = asyncio.Event()

    async def sleep(connection: Any) -> None:
        began.set()
        await connection.execute("SELECT pg_sleep(60)")

    for turns in range(1, 6):
        began.clear()
        caller = asyncio.ensure_future(in_driver_transaction(engine, sleep))
        await began.wait()
        # when it is cancelled, and once more before its transaction is rolled back
        caller.cancel()
        for _ in range(turns):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
        assert caller.cancelled()
        # then the next one has a connection that works
        assert await in_driver_transaction(engine, lambda connection: connection.fetchval("SELECT 1")) == 1
    await engine.dispose()


async def test_a_connection_that_was_closed_while_idle_is_replaced_and_nobody_notices(
    sessions: Sessions, url: str
) -> None:
    async def backend(session: AsyncSession) -> int:
        return int((await session.execute(text("SELECT pg_backend_pid()"))).scalar_one())

    def end(backend_pid: int) -> None:
        with sync_engine(url, "tests").begin() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend_pid})

    idle = await execute_in_transaction(sessions, backend)
    # The loop runs meanwhile and hears of the closed socket, as that of a service does.
    await asyncio.to_thread(end, idle)

    assert await execute_in_transaction(sessions, backend) != idle


@pytest.mark.parametrize(
    "statement",
    [
        "SET LOCAL statement_timeout = 1; SELECT pg_sleep(5)",
        "SET TRANSACTION READ ONLY; INSERT INTO counters (owner, name, value) VALUES ('a', 'b', 0)",
    ],
)
async def test_a_database_that_is_too_slow_or_read_only_is_unavailable(
    sessions: Sessions, statement: str
) -> None:
    async def work(session: AsyncSession) -> None:
        for part in statement.split("; "):
            await session.execute(text(part))

    with pytest.raises(DatabaseUnavailable):
        await execute_in_transaction(sessions, work)


async def test_the_parameters_of_a_failed_statement_are_hidden(sessions: Sessions) -> None:
    async def work(session: AsyncSession) -> None:
        await session.execute(text("SELECT CAST(:said AS integer)"), {"said": "private words"})

    with pytest.raises(DBAPIError) as caught:
        await execute_in_transaction(sessions, work)
    assert "parameters hidden" in str(caught.value)


async def test_a_full_pool_is_unavailable_and_the_status_says_so(
    sessions: Sessions, engine: AsyncEngine
) -> None:
    async def hold(session: AsyncSession) -> None:
        await session.execute(text("SELECT 1"))
        await release.wait()

    release = asyncio.Event()
    holders = [asyncio.ensure_future(execute_in_transaction(sessions, hold)) for _ in range(6)]
    waiter = asyncio.ensure_future(execute_in_transaction(sessions, hold))
    async with asyncio.timeout(10):
        with pytest.raises(DatabaseUnavailable):
            await waiter
    await check_database(engine)  # a full pool does not make the service unhealthy
    status = PoolStatus(engine)
    assert (status.size, status.max_overflow, status.in_use, status.overflow) == (4, 2, 6, 2)
    release.set()
    await asyncio.gather(*holders)
    assert PoolStatus(engine).in_use == 0


async def test_upsert_inserts_first_and_updates_then(sessions: Sessions) -> None:
    key = {"owner": "alice", "name": "a"}
    async with transaction(sessions) as session:
        first, created_first = await upsert_unique_record(session, Counter, key, {"value": 1})
    async with transaction(sessions) as session:
        second, created_second = await upsert_unique_record(session, Counter, key, {"value": 2})

    assert (created_first, created_second) == (True, False)
    assert first.counter_id == second.counter_id
    assert second.value == 2


async def test_upsert_shows_the_new_values_in_an_object_the_session_already_holds(
    sessions: Sessions,
) -> None:
    await _add(sessions, "a", 1)
    async with transaction(sessions) as session:
        held = (await session.execute(select(Counter))).scalar_one()
        await upsert_unique_record(session, Counter, {"owner": "alice", "name": "a"}, {"value": 9})
        assert held.value == 9


async def test_twenty_callers_create_one_row_and_all_get_it(sessions: Sessions) -> None:
    async def work(session: AsyncSession) -> tuple[int, bool]:
        row, created = await upsert_or_create(session, Counter, {"owner": "alice", "name": "a"}, {"value": 5})
        return row.counter_id, created

    answers = await asyncio.gather(
        *(asyncio.wait_for(execute_with_lock_retry(sessions, work), 20) for _ in range(6))
    )

    assert len({counter_id for counter_id, _ in answers}) == 1
    assert [created for _, created in answers].count(True) == 1


def _migrations(folder: Path) -> Path:
    """A room's migrations folder with one revision that cannot run twice."""
    versions = folder / "room" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions.parent / "env.py").write_text(
        "from sqlalchemy import MetaData\nfrom servicekit.migrations import run_env\nrun_env(MetaData())\n"
    )
    (versions / "0001.py").write_text(
        "from alembic import op\nrevision, down_revision = '0001', None\n"
        "def upgrade() -> None:\n"
        "    op.execute('SELECT pg_sleep(0.2)')\n"
        "    op.execute('CREATE TABLE made_once ()')\n"
    )
    return versions.parent


def test_four_copies_migrate_at_once_and_the_migration_runs_once(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    postgres.create_database("servicekit_migrations")
    url = postgres.url("servicekit_migrations")
    script_location = _migrations(tmp_path)

    with ThreadPoolExecutor(4) as threads:
        revisions = list(threads.map(lambda _: upgrade(url, script_location), range(4)))

    assert revisions == ["0001"] * 4
    engine = sync_engine(url, "tests")
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM made_once")).scalar_one() == 0
        connection.execute(text("DROP TABLE made_once, alembic_version"))


def test_an_extension_that_the_server_lacks_is_named_with_what_to_install(postgres: EmbeddedPostgres) -> None:
    postgres.create_database("lacking")
    engine = sync_engine(postgres.url("lacking"), "test")
    with engine.begin() as connection:
        with pytest.raises(MissingExtension, match=r"'no_such_thing'.*install the package"):
            create_extension(connection, "no_such_thing", "the package")
        # and one that it has is switched on, once
        for _ in range(2):
            create_extension(connection, "unaccent", "PostgreSQL's contrib modules")


def test_a_user_who_may_not_switch_an_extension_on_is_told_who_may(postgres: EmbeddedPostgres) -> None:
    postgres.create_database("forbidden")
    engine = sync_engine(postgres.url("forbidden"), "test")
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE plain"))
        connection.execute(text("SET ROLE plain"))
        with pytest.raises(MissingExtension, match="superuser"):
            create_extension(connection, "file_fdw", "PostgreSQL's contrib modules")
