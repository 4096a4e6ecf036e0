"""The first statement of every transaction that moves coins: it locks, and reads nothing that changes.

A statement that waits for a lock reads, beside the locked row, a snapshot from before the wait. So what the
rules look at is read by later statements. Every lock is taken in key order, accounts before reservations,
so that no two transactions wait for each other.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_MAKE_ACCOUNTS = text("""
    INSERT INTO accounts (user_id)
    SELECT user_id FROM unnest(CAST(:user_ids AS text[])) AS wanted (user_id) ORDER BY user_id COLLATE "C"
    ON CONFLICT DO NOTHING
""")

# The owner of a reservation never changes, so reading it beside the locks is safe. UNION ALL runs its parts
# in the order they stand in: first all accounts, then all reservations.
_LOCK = text("""
    WITH named AS (
        SELECT user_id FROM reservations WHERE reservation_id = ANY (CAST(:reservation_ids AS uuid[]))
    ), locked_accounts AS (
        SELECT user_id FROM accounts
        WHERE user_id = ANY (ARRAY(SELECT user_id FROM named UNION SELECT unnest(CAST(:user_ids AS text[]))))
        ORDER BY user_id
        FOR NO KEY UPDATE
    ), locked_reservations AS (
        SELECT user_id, reservation_id FROM reservations
        WHERE reservation_id = ANY (CAST(:reservation_ids AS uuid[]))
        ORDER BY reservation_id
        FOR NO KEY UPDATE
    )
    SELECT user_id, CAST(NULL AS uuid) FROM locked_accounts
    UNION ALL
    SELECT user_id, reservation_id FROM locked_reservations
""")

_DUE = text("""
    SELECT DISTINCT user_id FROM (
        SELECT user_id FROM reservations
        WHERE state = 'RESERVED' AND expire_time <= statement_timestamp()
            AND user_id <> ALL (CAST(:but AS text[]))
        ORDER BY expire_time
        LIMIT :row_limit
    ) AS oldest
""")

_LOCK_FREE = text("""
    SELECT user_id FROM accounts WHERE user_id = ANY (CAST(:user_ids AS text[]))
    ORDER BY user_id
    FOR NO KEY UPDATE SKIP LOCKED
""")


@dataclass(frozen=True, slots=True)
class Locked:
    """What a transaction holds: accounts, and the named reservations with their owners."""

    user_ids: Sequence[str]
    owners: Mapping[UUID, str]


async def make_accounts(session: AsyncSession, user_ids: Iterable[str]) -> None:
    """Make rows for accounts that may not exist yet, so that a first Grant has something to lock.

    Closes the race of two first Grants: the second waits here for the first one's commit, then finds its
    row. A row without a transaction counts as no account, whatever becomes of the Grant.
    """
    wanted = list(user_ids)
    if wanted:
        await session.execute(_MAKE_ACCOUNTS, {"user_ids": wanted})


async def lock(session: AsyncSession, user_ids: Iterable[str], reservation_ids: Iterable[UUID]) -> Locked:
    """Lock the accounts, those that own the reservations, and the reservations.

    The account's lock closes every race about its coins: between two Reserves for the last coin, between a
    Charge, a Release and an expiry of one reservation, between two callers with one request id. The
    reservation's lock closes the race with a hand that changes a reservation by plain SQL and holds no
    account: a Charge waits for it and then sees the state that it left.
    """
    parameters = {"user_ids": list(user_ids), "reservation_ids": list(reservation_ids)}
    rows = (await session.execute(_LOCK, parameters)).all()
    return Locked(
        user_ids=[user_id for user_id, reservation_id in rows if reservation_id is None],
        owners={reservation_id: user_id for user_id, reservation_id in rows if reservation_id is not None},
    )


async def due(session: AsyncSession, limit: int, but: Collection[str]) -> list[str]:
    """Answer whose the `limit` reservations are that are due longest, but for those of `but`; no locks."""
    return list(await session.scalars(_DUE, {"row_limit": limit, "but": list(but)}))


async def lock_free(session: AsyncSession, user_ids: Sequence[str]) -> Locked:
    """Lock those of the accounts that nobody else holds.

    Whoever holds one is another sweeper, or an operation, which expires what is due itself. So any number of
    sweepers run at once and none waits.
    """
    rows = await session.scalars(_LOCK_FREE, {"user_ids": list(user_ids)})
    return Locked(user_ids=list(rows), owners={})
