"""Engines and sessions: asyncpg for services, psycopg2 for migrations and tools.

URLs are plain ``postgresql://…``; the driver is chosen here.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool, QueuePool

from servicekit.settings import KitSettings
from servicekit.soft_delete import SoftDeleteSession

Isolation = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
Sessions = async_sessionmaker[AsyncSession]


def _url(url: str, driver: str) -> URL:
    parsed = make_url(url)
    if not parsed.drivername.startswith("postgresql"):
        raise ValueError(f"a database URL must begin with postgresql://, got {parsed.drivername}://")
    return parsed.set(drivername=f"postgresql+{driver}")


def async_engine(url: str, settings: KitSettings, application_name: str) -> AsyncEngine:
    """Answer an engine with a bounded pool for the running event loop.

    Every connection is looked at before use and replaced when closed or old; statements and waits for
    locks have a limit on the server's side.
    """
    milliseconds = {
        "statement_timeout": settings.database_statement_timeout_s,
        "lock_timeout": settings.database_lock_timeout_s,
        "idle_in_transaction_session_timeout": settings.database_statement_timeout_s * 2,
    }
    server_settings = {name: str(int(limit_s * 1000)) for name, limit_s in milliseconds.items()}
    engine = create_async_engine(
        _url(url, "asyncpg"),
        pool_size=settings.database_pool_size,
        max_overflow=settings.database_max_overflow,
        pool_timeout=settings.database_pool_timeout_s,
        pool_recycle=settings.database_recycle_s,
        isolation_level="READ COMMITTED",
        # What users wrote must not reach a log by way of a failed statement.
        hide_parameters=True,
        connect_args={
            "timeout": settings.database_pool_timeout_s,
            "server_settings": {"application_name": application_name, "jit": "off", **server_settings},
        },
    )
    event.listen(engine.sync_engine.pool, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Have the pool make a new connection instead of one whose server has gone.

    SQLAlchemy's own pre-ping asks the server in three round trips before every transaction. asyncpg hears
    on the loop when a server closes its socket, so looking costs nothing; what breaks without a word is
    found by TCP and ends as `DatabaseUnavailable`.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server closed this connection")


def sync_engine(url: str, application_name: str) -> Engine:
    """Answer an engine without a pool, for migrations and tools."""
    return create_engine(
        _url(url, "psycopg2"),
        poolclass=NullPool,
        connect_args={"application_name": application_name, "connect_timeout": 10},
    )


def session_factory(engine: AsyncEngine) -> Sessions:
    """Answer the maker of sessions: soft-deleted rows filtered, objects usable after the commit."""
    return async_sessionmaker(
        engine, expire_on_commit=False, autoflush=False, sync_session_class=SoftDeleteSession
    )


@asynccontextmanager
async def transaction(
    sessions: Sessions, isolation: Isolation = "READ COMMITTED"
) -> AsyncIterator[AsyncSession]:
    """Give a session in one transaction: committed at the end, rolled back on any error."""
    async with sessions() as session, session.begin():
        if isolation != "READ COMMITTED":
            await session.connection(execution_options={"isolation_level": isolation})
        yield session


async def check_database(engine: AsyncEngine) -> None:
    """Raise when the database does not answer a query on a connection of its own.

    A pool that is full of callers who wait for one locked row is no reason to take the whole service
    out of its load balancer.
    """
    alone = create_async_engine(engine.url, poolclass=NullPool)
    async with alone.connect() as connection:
        await connection.execute(text("SELECT 1"))


class PoolStatus:
    """A pool as of now, in connections and callers."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Look at the engine's pool; touches no database."""
        pool = engine.pool
        assert isinstance(pool, QueuePool)
        self.size = pool.size()
        self.in_use = pool.checkedout()
        self.max_overflow = pool._max_overflow
        self.overflow = max(0, pool.overflow())
        self.waiting = _waiting(pool)


def _waiting(pool: QueuePool) -> int:
    """Callers in the queue for a connection; asyncio's queue knows them and has no public count."""
    queue = getattr(pool._pool, "_queue", None)
    return len(getattr(queue, "_getters", ()))
