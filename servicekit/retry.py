"""Whole-transaction retry: a statement alone is never repeated, because what was read before it may be stale.

PostgreSQL 18 manual, 13.5: "It is important to retry the complete transaction, including all
logic that decides which SQL to issue and/or which values to use."
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from asyncpg import PostgresError
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import Isolation, Sessions, transaction
from servicekit.errors import DatabaseUnavailable, LockTimeout
from servicekit.logs import get_logger

log = get_logger(__name__)

_Result = TypeVar("_Result")
Work = Callable[[AsyncSession], Awaitable[_Result]]

MAX_TRIES = 3
_FIRST_BACKOFF_S = 0.02

#: serialization_failure, deadlock_detected, lock_not_available.
_RETRYABLE = frozenset({"40001", "40P01", "55P03"})
#: Gone, going, full, read-only after a failover, or too slow: another try may find it well.
_GONE = ("08", "57", "53", "58", "25006", "25P03")


def sqlstate(error: Exception) -> str:
    """Answer the SQLSTATE of a driver's error, wrapped or not; empty when the connection broke before one."""
    given = getattr(error, "orig", error)
    return str(getattr(given, "pgcode", None) or getattr(given, "sqlstate", None) or "")


def gone(error: Exception) -> bool:
    """Whether the error says that the database is not there, or not able, for now."""
    return sqlstate(error).startswith(_GONE)


def constraint_name(error: DBAPIError) -> str:
    """Answer the violated constraint of an IntegrityError; empty when there is none."""
    cause = getattr(error.orig, "__cause__", None)
    return str(getattr(cause, "constraint_name", None) or "")


async def execute_in_transaction(
    sessions: Sessions, work: Work[_Result], isolation: Isolation = "READ COMMITTED"
) -> _Result:
    """Run `work` in one transaction; raises `DatabaseUnavailable` when the database is not there.

    When the connection breaks at the commit, whether it took effect is not known: callers
    repeat with the same request id.
    """
    try:
        async with transaction(sessions, isolation) as session:
            return await work(session)
    except (PoolTimeout, OSError, InterfaceError) as error:
        raise unavailable(error) from error
    except DBAPIError as error:
        if error.connection_invalidated or gone(error):
            raise unavailable(error) from error
        raise


def unavailable(error: Exception) -> DatabaseUnavailable:
    """Log what the driver said, which no caller gets to see, and answer the error that callers get."""
    log.warning("database_unavailable", error=repr(error))
    return DatabaseUnavailable()


async def execute_with_lock_retry(
    sessions: Sessions, work: Work[_Result], isolation: Isolation = "READ COMMITTED"
) -> _Result:
    """Run `work` in a transaction, and all of it again when it lost against others' locks.

    Repeats on serialization failure, deadlock and lock timeout, with jittered exponential
    backoff, three tries in all; then raises `LockTimeout`. `work` may run several times and
    must have no effect outside of its session.
    """
    return await repeat_on_locks(lambda: execute_in_transaction(sessions, work, isolation))


async def repeat_on_locks(transact: Callable[[], Awaitable[_Result]]) -> _Result:
    """Run a whole transaction, again when it lost against others' locks (`execute_with_lock_retry`)."""
    for attempt in range(MAX_TRIES):
        if attempt:
            await asyncio.sleep(random.uniform(0, _FIRST_BACKOFF_S * 2**attempt))
        try:
            return await transact()
        except (DBAPIError, PostgresError) as error:
            state = sqlstate(error)
            if state not in _RETRYABLE:
                raise
            log.warning("transaction_retried", sqlstate=state, attempt=attempt + 1)
    raise LockTimeout
