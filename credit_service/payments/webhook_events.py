"""Webhooks in the database: kept as they came, before anything is done, and what became of them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from credit_service.payments.states import EventState

MAX_REJECTIONS = 1_000
"""Webhooks without a good signature that are kept: the newest."""

MAX_REJECTED_BYTES = 4_096
"""How much is kept of the body of one of them."""

CLAIM = timedelta(seconds=10)
"""How long whoever has taken an event in handles it alone, before the background looks at it."""

_STORE = """
    INSERT INTO webhook_events (provider, event_id, body_digest, kind, headers, body, due_time)
    VALUES ($1, $2, $3, $4, CAST($5 AS jsonb), $6, clock_timestamp() + $7)
    ON CONFLICT DO NOTHING RETURNING event_number
"""
_STORED = """
    SELECT event_number FROM webhook_events
    WHERE provider = $1 AND (event_id = $2 OR body_digest = $3) ORDER BY event_number LIMIT 1
"""
_LOCK = "SELECT FROM webhook_events WHERE event_number = $1 FOR NO KEY UPDATE"
_READ = """
    SELECT event_number, provider, event_id, headers, body, state, order_id, tries,
        clock_timestamp() - receive_time AS age
    FROM webhook_events WHERE event_number = $1
"""
_NEXT = """
    SELECT event_number FROM webhook_events WHERE due_time <= now() AND provider = ANY ($1::text[])
    ORDER BY due_time LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
"""
# Of an order whose account was erased nothing is kept of what the provider says about the payer: a refund or
# a dispute may come long after the erasure.
_END = """
    UPDATE webhook_events SET state = $2, detail = $3, order_id = coalesce($4, webhook_events.order_id),
        due_time = NULL, handle_time = clock_timestamp(), tries = tries + 1,
        headers = CASE WHEN erased THEN NULL ELSE headers END, body = CASE WHEN erased THEN NULL ELSE body END
    FROM (SELECT EXISTS (
        SELECT FROM orders JOIN erased_accounts ON pseudonym = user_id WHERE orders.order_id = $4
    ) AS erased) AS of_order
    WHERE event_number = $1
"""
_WAIT = """
    UPDATE webhook_events SET state = 'WAITING', detail = $2, payment_id = $3, tries = tries + 1,
        due_time = clock_timestamp() + $4
    WHERE event_number = $1
"""
_POSTPONE = """
    UPDATE webhook_events SET tries = tries + 1, due_time = clock_timestamp() + $2
    WHERE event_number = $1 AND due_time IS NOT NULL
"""
# Without waiting for those that somebody handles just now: they come to their due time by themselves.
_WAKE = """
    UPDATE webhook_events SET due_time = clock_timestamp() WHERE event_number IN (
        SELECT event_number FROM webhook_events
        WHERE state = 'WAITING' AND provider = $1 AND payment_id = $2 AND due_time IS NOT NULL
        FOR NO KEY UPDATE SKIP LOCKED
    )
"""
_REJECT = """
    INSERT INTO webhook_rejections (provider, verdict, headers, body_start, body_bytes)
    VALUES ($1, $2, CAST($3 AS jsonb), $4, $5) RETURNING rejection_number
"""
_TRIM = "DELETE FROM webhook_rejections WHERE rejection_number <= $1"
_FORGET = """
    UPDATE webhook_events SET headers = NULL, body = NULL WHERE event_number IN (
        SELECT event_number FROM webhook_events
        WHERE body IS NOT NULL AND handle_time IS NOT NULL AND receive_time < now() - $1::interval
        ORDER BY receive_time LIMIT $2
        FOR NO KEY UPDATE SKIP LOCKED
    )
"""
_FORGET_REJECTED = "DELETE FROM webhook_rejections WHERE receive_time < now() - $1::interval"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A webhook event as it stands."""

    event_number: int
    provider: str
    event_id: str
    headers: Mapping[str, str]
    body: bytes
    state: EventState
    order_id: UUID | None
    tries: int
    age: timedelta


async def store(
    connection: "asyncpg.Connection[Any]",
    provider: str,
    event_id: str,
    kind: str,
    headers: Mapping[str, str],
    body: bytes,
) -> int:
    """Keep an event and answer its number; of one that is there, by its id or its body, that one's.

    Two copies of the service that are given the same event: the second one waits for the first one's commit.
    """
    digest = hashlib.sha256(body).digest()
    given = (provider, event_id, digest)
    number: int | None = await connection.fetchval(
        _STORE, *given, kind, json.dumps(dict(headers)), body, CLAIM
    )
    if number is None:
        number = await connection.fetchval(_STORED, *given)
    assert number is not None
    return number


async def lock(connection: "asyncpg.Connection[Any]", event_number: int) -> StoredEvent:
    """Lock an event and answer it as it is then.

    Closes the race of two who handle one event: the provider's second delivery, another copy, the background.
    """
    await connection.execute(_LOCK, event_number)
    return await read(connection, event_number)


async def read(connection: "asyncpg.Connection[Any]", event_number: int) -> StoredEvent:
    """Answer an event as it is now."""
    row = await connection.fetchrow(_READ, event_number)
    assert row is not None
    return StoredEvent(
        event_number=row["event_number"],
        provider=row["provider"],
        event_id=row["event_id"],
        headers=row["headers"] or {},
        body=row["body"] or b"",
        state=EventState(row["state"]),
        order_id=row["order_id"],
        tries=row["tries"],
        age=row["age"],
    )


async def lock_next(connection: "asyncpg.Connection[Any]", providers: Sequence[str]) -> int | None:
    """Lock the event of these providers that is due longest and that nobody holds, and answer its number."""
    number: int | None = await connection.fetchval(_NEXT, list(providers))
    return number


async def end(
    connection: "asyncpg.Connection[Any]",
    event_number: int,
    state: EventState,
    detail: str = "",
    order_id: UUID | None = None,
) -> None:
    """Write how a locked event ended."""
    await connection.execute(_END, event_number, state, detail[:1_000], order_id)


async def wait(
    connection: "asyncpg.Connection[Any]",
    event_number: int,
    detail: str,
    payment_id: str | None,
    pause: timedelta,
) -> None:
    """Have a locked event without an order tried again after a pause, or when its payment is known."""
    await connection.execute(_WAIT, event_number, detail[:1_000], payment_id, pause)


async def postpone(connection: "asyncpg.Connection[Any]", event_number: int, pause: timedelta) -> None:
    """Have an event that could not be handled tried again after a pause; one that has ended stays."""
    await connection.execute(_POSTPONE, event_number, pause)


async def wake(connection: "asyncpg.Connection[Any]", provider: str, payment_id: str) -> None:
    """Make what waits for the order of a payment due now: the payment has become known."""
    await connection.execute(_WAKE, provider, payment_id)


async def reject(
    connection: "asyncpg.Connection[Any]",
    provider: str,
    verdict: str,
    headers: Mapping[str, str],
    body: bytes,
) -> None:
    """Keep the beginning of a webhook without a good signature, and drop the oldest of too many.

    Anybody can send these, so they must not fill the disk.
    """
    number: int = await connection.fetchval(
        _REJECT, provider, verdict, json.dumps(dict(headers)), body[:MAX_REJECTED_BYTES], len(body)
    )
    await connection.execute(_TRIM, number - MAX_REJECTIONS)


async def forget(connection: "asyncpg.Connection[Any]", age: timedelta, limit: int) -> int:
    """Drop bodies and headers of events that ended and are older, and answer how many; their ids stay.

    Rejected webhooks that are older go as well: one that is a provider's, signed with a secret that we do not
    have, names its payer like any other.
    """
    await connection.execute(_FORGET_REJECTED, age)
    done: str = await connection.execute(_FORGET, age, limit)
    return int(done.split()[-1])
