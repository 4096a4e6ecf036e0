"""Old reservations and remembered requests leave the tables in use for tables beside them.

What a reservation or a request costs the others is its place in the indexes, so rows move, and no partition
could do it: a request is found by an id that its caller made up, which tells nothing about its age, and the
numbers of an account's reservations are unique over all of time.

A reservation that has moved answers as before: calls that name it are refused or repeated as ever. A request
that has moved is forgotten: its id stands for a new request. So the age is the length of the replay promise.
Transactions and events are the history, and stay.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Engine, text

from servicekit.database import sync_engine

MIN_AGE = timedelta(days=2)
"""A day more than a reservation lives at most without an Extend."""

_BATCH = 1_000
_CLOCKS_DIFFER_MS = 3_600_000

_OLD_REQUESTS = text("""
    WITH old AS (
        SELECT * FROM requests WHERE create_time < now() - :age LIMIT :batch FOR UPDATE SKIP LOCKED
    ), moved AS (
        INSERT INTO archived_requests SELECT * FROM old RETURNING user_id, request_id
    )
    SELECT array_agg(user_id), array_agg(CAST(request_id AS text)) FROM moved
""")
_FORGET_REQUESTS = text("""
    DELETE FROM requests USING unnest(:user_ids, CAST(:request_ids AS uuid[])) AS moved (user_id, request_id)
    WHERE requests.user_id = moved.user_id AND requests.request_id = moved.request_id
""")

# Reservations have ids that begin with the millisecond they were made in, so the primary key finds the old.
_OLD_RESERVATIONS = text("""
    WITH old AS (
        SELECT * FROM reservations
        WHERE reservation_id < CAST(:bound AS uuid) AND state <> 'RESERVED'
            AND coalesce(settle_time, create_time) < now() - :age
        ORDER BY reservation_id LIMIT :batch FOR UPDATE SKIP LOCKED
    ), moved AS (
        INSERT INTO archived_reservations SELECT * FROM old RETURNING reservation_id
    )
    SELECT array_agg(CAST(reservation_id AS text)) FROM moved
""")
_DROP_RESERVATIONS = text("DELETE FROM reservations WHERE reservation_id = ANY (CAST(:ids AS uuid[]))")


@dataclass(frozen=True, slots=True)
class Archived:
    """How many rows moved."""

    reservations: int
    requests: int


def archive(url: str, age: timedelta) -> Archived:
    """Move what was settled or answered longer ago than `age`; in small commits, beside the running service.

    May be stopped at any time and run in several copies. Raises `ValueError` for less than MIN_AGE.
    """
    if age < MIN_AGE:
        raise ValueError(f"nothing younger than {MIN_AGE.days} days can be archived")
    engine = sync_engine(url, "archive")
    try:
        return Archived(
            reservations=_until_none(lambda: _move_reservations(engine, age)),
            requests=_until_none(lambda: _move_requests(engine, age)),
        )
    finally:
        engine.dispose()


def _until_none(move: Callable[[], int]) -> int:
    """Move batches until one is not full, and answer how many rows moved."""
    total = 0
    while (moved := move()) == _BATCH:
        total += moved
    return total + moved


def _move_requests(engine: Engine, age: timedelta) -> int:
    with engine.begin() as connection:
        row = connection.execute(_OLD_REQUESTS, {"age": age, "batch": _BATCH}).one()
        if row[0] is None:
            return 0
        connection.execute(_FORGET_REQUESTS, {"user_ids": row[0], "request_ids": row[1]})
        return len(row[0])


def _move_reservations(engine: Engine, age: timedelta) -> int:
    made_before_ms = int((time.time() - age.total_seconds()) * 1_000) + _CLOCKS_DIFFER_MS
    values = {"bound": str(UUID(int=made_before_ms << 80)), "age": age, "batch": _BATCH}
    with engine.begin() as connection:
        ids = connection.execute(_OLD_RESERVATIONS, values).scalar_one()
        if ids is None:
            return 0
        connection.execute(_DROP_RESERVATIONS, {"ids": ids})
        return len(ids)
