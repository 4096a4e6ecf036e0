"""Takes a user's id off the books: the account is closed, then it and all its rows get a pseudonym.

History is only ever added to, and here is the one exception: an erasure changes the user's id into
"erased-<request id>" and drops every word that somebody may have written about a person. The triggers of
migration 0003 let that through and nothing else, so no amount, number or time can change on the way, and the
books verify as before. Nothing in this database leads from the pseudonym back to the user.

What is remembered of the account's requests goes for good: their ids may be made of the user's id.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service.errors import to_error
from credit_service.ledger import Account, Close, Closed, Refusal
from credit_service.ledger import refusals as refused
from credit_service.published import PublishedEvents
from credit_service.rows import ACCOUNT_COLUMNS, account_from
from credit_service.service import LedgerService
from servicekit.driver import in_driver_transaction_with_lock_retry
from servicekit.errors import LockTimeout
from servicekit.logs import business_event

_PREFIX = "erased-"
_TRIES = 3
_STATEMENT_TIMEOUT = "SELECT set_config('statement_timeout', $1, true)"

# An id that we made and a label of ours say nothing about a person; anything else might.
_REFERENCE = {
    "reference_type": "CASE WHEN reference_type ~ '^[a-z_]{1,32}$' THEN reference_type ELSE '' END",
    "reference_id": "CASE WHEN reference_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'"
    " THEN reference_id ELSE '' END",
}
_WORDS = {"description": "''", "metadata": "'{}'", **_REFERENCE}
_RELEASED = {"release_reason": "CASE WHEN release_reason ~ '^[a-z_]{1,64}$' THEN release_reason ELSE '' END"}

RENAMED: Mapping[str, Mapping[str, str]] = {
    "accounts": {},
    "reservations": {**_WORDS, **_RELEASED},
    "transactions": _WORDS,
    "events": {},
    "requests": {},
    "archived_reservations": {**_WORDS, **_RELEASED},
    # Their webhooks' bodies, which name the payer, go by a trigger of their own.
    "orders": {"checkout": "'{}'"},
}
"""Every table whose rows stay under the pseudonym, and what becomes of their words."""

FORGOTTEN = ("requests", "archived_requests")
"""Every table whose rows of the account go."""

_COLUMNS = ", ".join(column.name for column in ACCOUNT_COLUMNS)
# Orders get the account's new name with it. Whoever settles one locks it before the account, and so here too.
_LOCK_ORDERS = "SELECT FROM orders WHERE user_id = $1 ORDER BY order_id FOR UPDATE"
_LOCK = "SELECT FROM accounts WHERE user_id = ANY ($1::text[]) ORDER BY user_id FOR UPDATE"
_READ = f"SELECT {_COLUMNS} FROM accounts WHERE user_id = $1"  # noqa: S608  # our own names
_NOTE = (
    "INSERT INTO erased_accounts (pseudonym, erase_time, forfeited)"
    " SELECT $2, clock_timestamp(), balance FROM accounts WHERE user_id = $1"
)
# Of a user who has no account an empty one is kept under the pseudonym. It says that the erasure is done, to
# a call that was held up and comes when the user's id stands for a new account.
_KEEP_EMPTY = (
    "INSERT INTO accounts (user_id, close_time) VALUES ($1, clock_timestamp()) ON CONFLICT DO NOTHING",
    "INSERT INTO erased_accounts (pseudonym, erase_time, forfeited) VALUES ($1, clock_timestamp(), 0)"
    " ON CONFLICT DO NOTHING",
)
# An account that was never granted a coin has nothing to close.
_CLOSE_EMPTY = "UPDATE accounts SET close_time = clock_timestamp() WHERE user_id = $1 AND close_time IS NULL"


def pseudonym_of(request_id: UUID) -> str:
    """Answer the name that the account of this erasure gets."""
    return f"{_PREFIX}{request_id}"


def _rename(table: str) -> str:
    words = "".join(f", {column} = {value}" for column, value in RENAMED[table].items())
    return f"UPDATE {table} SET user_id = $2{words} WHERE user_id = $1"  # noqa: S608  # our own names


# One statement, because the tables' keys name each other and are checked at its end.
_RENAME = f"WITH {', '.join(f'the_{table} AS ({_rename(table)})' for table in RENAMED)} SELECT 1"
_RENAME_ARCHIVED = _rename("archived_reservations")
_FORGET = [f"DELETE FROM {table} WHERE user_id = ANY ($1::text[])" for table in FORGOTTEN]  # noqa: S608  # our own names


class Erasure:
    """Erases accounts. Every step may be repeated, by any number of copies at once."""

    def __init__(
        self,
        engine: AsyncEngine,
        ledger: LedgerService,
        published: PublishedEvents | None,
        timeout_s: float,
    ) -> None:
        """Take the database, what closes accounts, the stream of published events, if there is one, and how
        long the statement may run that renames an account, however long its history is.
        """
        self._timeout_ms = int(timeout_s * 1_000)
        self._engine = engine
        self._ledger = ledger
        self._published = published

    async def erase(self, user_id: str, request_id: UUID) -> Account:
        """Close the account, give it its pseudonym, and answer it; a repeated call answers it again.

        Raises `RequestIdReused`, and what every operation raises. Two commits: after a crash between them the
        account is closed under the user's id, and the same call goes on from there.
        """
        pseudonym = pseudonym_of(request_id)
        for _ in range(_TRIES):
            [closed] = await self._ledger.execute([Close(user_id, request_id, pseudonym)])
            if isinstance(closed, Closed) and closed.account.user_id == pseudonym:
                return closed.account
            if isinstance(closed, Refusal) and not isinstance(
                closed, refused.AccountClosed | refused.AccountNotFound
            ):
                raise to_error(closed)
            account = await self._renamed(user_id, pseudonym)
            if account is not None:
                return account
        raise LockTimeout

    async def forget_events(self, request_id: UUID) -> None:
        """Remove what the published stream still holds of an erased account; raises `Unavailable`."""
        if self._published is not None:
            await self._published.forget(pseudonym_of(request_id))

    async def _renamed(self, user_id: str, pseudonym: str) -> Account | None:
        async def work(connection: "asyncpg.Connection[Any]") -> tuple[Account | None, bool]:
            await connection.execute(_STATEMENT_TIMEOUT, str(self._timeout_ms))
            return await rename_rows(connection, user_id, pseudonym)

        account, renamed = await in_driver_transaction_with_lock_retry(self._engine, work)
        if account is not None and renamed:
            business_event("account_erased", user_id=pseudonym, forfeited_coins=account.balance)
        return account


async def rename_rows(
    connection: "asyncpg.Connection[Any]", user_id: str, pseudonym: str
) -> tuple[Account | None, bool]:
    """Rename the closed account and all that is its; None when it is open. Says whether it was done now.

    The orders' locks keep this and a webhook that settles one of them from waiting for each other. The
    account's lock closes the race of two copies that erase the same account: the second one finds the
    pseudonym, and not a new account that the user may have by then. The archive moves rows without the
    account's lock, so what is archived is looked for again in later statements, which see what the first one
    waited for.
    """
    await connection.execute(_LOCK_ORDERS, user_id)
    await connection.execute(_LOCK, [user_id, pseudonym])
    if (erased := await connection.fetchrow(_READ, pseudonym)) is not None:
        return account_from(tuple(erased)), False
    row = await connection.fetchrow(_READ, user_id)
    if row is None:
        for statement in _KEEP_EMPTY:
            await connection.execute(statement, pseudonym)
        return await _read(connection, pseudonym), True
    account = account_from(tuple(row))
    if account.exists and account.close_time is None:
        return None, False
    await connection.execute(_NOTE, user_id, pseudonym)
    await connection.execute(_CLOSE_EMPTY, user_id)
    await connection.execute(_RENAME, user_id, pseudonym)
    await connection.execute(_RENAME_ARCHIVED, user_id, pseudonym)
    for statement in _FORGET:
        await connection.execute(statement, [user_id, pseudonym])
    return await _read(connection, pseudonym), True


async def _read(connection: "asyncpg.Connection[Any]", user_id: str) -> Account:
    row = await connection.fetchrow(_READ, user_id)
    assert row is not None  # Nobody deletes an account.
    return account_from(tuple(row))
