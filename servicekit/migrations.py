"""Alembic, run so that a migration can neither hang behind traffic nor run twice at once."""

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import ProgrammingError

from servicekit.database import sync_engine

if TYPE_CHECKING:
    from alembic.config import Config

#: Longest wait for a table lock: a migration that waits longer would hold up every query behind it.
LOCK_TIMEOUT_MS = 5_000
#: Longest that one statement of a migration may run.
STATEMENT_TIMEOUT_MS = 300_000
#: Longest wait for another copy that migrates the same database.
ADVISORY_WAIT_MS = 120_000
_INSUFFICIENT_PRIVILEGE = "42501"


def upgrade(url: str, script_location: Path, revision: str = "head") -> str | None:
    """Bring a database to a revision and answer the one it is at; safe to run in many copies at once."""
    # Imported here because every process that only serves would wait a tenth of a second for it.
    from alembic import command
    from alembic.migration import MigrationContext

    engine = sync_engine(url, "migrate")
    with engine.connect() as connection:
        # Two copies that both see the old revision would both run the same DDL.
        _hold_advisory_lock(connection, script_location)
        connection.execute(text(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}"))
        connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
        connection.commit()
        command.upgrade(_config(script_location, connection), revision)
        connection.commit()
        current = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return current


def _hold_advisory_lock(connection: Connection, script_location: Path) -> None:
    key = zlib.crc32(script_location.parent.name.encode())
    connection.execute(text(f"SET lock_timeout = {ADVISORY_WAIT_MS}"))
    # Session level: held over the migration's own commits, freed when the connection closes.
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})


def _config(script_location: Path, connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(script_location).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def run_env(target_metadata: MetaData) -> None:
    """Do what a room's migrations/env.py has to: run on the connection that `upgrade` holds."""
    from alembic import context  # only there while alembic runs env.py

    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=target_metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


class MissingExtension(Exception):
    """The database server lacks an extension, or this user may not switch it on."""


def create_extension(connection: Connection, name: str, where_from: str) -> None:
    """Switch an extension on unless it is; raises `MissingExtension`, which says how to get it.

    `where_from` says what to install.
    """
    if connection.scalar(text("SELECT 1 FROM pg_extension WHERE extname = :name"), {"name": name}):
        return
    available = text("SELECT 1 FROM pg_available_extensions WHERE name = :name")
    if not connection.scalar(available, {"name": name}):
        raise MissingExtension(
            f"PostgreSQL has no extension {name!r}: install {where_from} on the database server"
        )
    try:
        connection.execute(text(f'CREATE EXTENSION IF NOT EXISTS "{name}"'))
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise MissingExtension(
            f"this user may not switch the extension {name!r} on: "
            f'let a superuser run CREATE EXTENSION "{name}" in the database'
        ) from error
