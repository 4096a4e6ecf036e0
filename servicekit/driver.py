"""Transactions on asyncpg's own connections, where every round trip and every microsecond counts.

They come from the engine's pool, so its limits and its status hold for them too.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from servicekit.retry import gone, repeat_on_locks, unavailable

_Result = TypeVar("_Result")
Work = Callable[["asyncpg.Connection[Any]"], Awaitable[_Result]]

_ROLLBACK_TIMEOUT_S = 5.0
#: asyncpg's words for a connection that is of no use; the second where the server's farewell came between two
#: statements and the end of the connection has not come yet.
_BROKEN = (asyncpg.InterfaceError, asyncpg.InternalClientError)


async def in_driver_transaction(engine: AsyncEngine, work: Work[_Result]) -> _Result:
    """Run `work` in one READ COMMITTED transaction; raises `DatabaseUnavailable` when the database is gone.

    When the connection breaks at the commit, whether it took effect is not known: callers repeat with the
    same request id.
    """
    try:
        async with driver_connection(engine) as connection, _transaction(connection):
            return await work(connection)
    except (PoolTimeout, OSError, InterfaceError, DBAPIError, *_BROKEN) as error:
        raise unavailable(error) from error
    except asyncpg.PostgresError as error:
        if gone(error):
            raise unavailable(error) from error
        raise


async def in_driver_transaction_with_lock_retry(engine: AsyncEngine, work: Work[_Result]) -> _Result:
    """Run `work` as `in_driver_transaction` does, all of it again when it lost against others' locks.

    As `servicekit.retry.execute_with_lock_retry`: three tries, then `LockTimeout`.
    """
    return await repeat_on_locks(lambda: in_driver_transaction(engine, work))


@asynccontextmanager
async def driver_connection(engine: AsyncEngine) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Lend a connection of the engine's pool for statements that each stand alone."""
    async with engine.connect() as connection:
        proxy = await connection.get_raw_connection()
        driver = proxy.driver_connection
        assert driver is not None
        try:
            yield driver
        finally:
            if driver.is_closed():
                await connection.invalidate()


@asynccontextmanager
async def _transaction(connection: "asyncpg.Connection[Any]") -> AsyncIterator[None]:
    try:
        # Within: the server may have begun for a caller who was cancelled meanwhile.
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        yield
    except BaseException:
        await _end_rolled_back(connection)
        raise
    await _commit(connection)


async def _end_rolled_back(connection: "asyncpg.Connection[Any]") -> None:
    """Roll back also for a caller who is cancelled: the locks must not stay until the pool finds them.

    One who is cancelled once more does not wait for it; then the connection is given up, as the pool would
    lend it to the next one with the rollback under way.
    """
    try:
        await asyncio.shield(_roll_back(connection))
    except asyncio.CancelledError:
        connection.terminate()
        raise


async def _commit(connection: "asyncpg.Connection[Any]") -> None:
    try:
        await connection.execute("COMMIT")
    except BaseException:
        # Whether it took effect is not known; the connection is of no more use.
        connection.terminate()
        raise


async def _roll_back(connection: "asyncpg.Connection[Any]") -> None:
    """Roll back, or give the connection up when that does not work."""
    try:
        await connection.execute("ROLLBACK", timeout=_ROLLBACK_TIMEOUT_S)
    except (OSError, TimeoutError, asyncpg.PostgresError, *_BROKEN):
        connection.terminate()
