"""Events as consumers see them: in the order of their ids, as far as nothing can come before them any more.

How far that is says the database (`store.events`). A transaction that runs long holds the end of what can be
read back, whatever it writes and in whichever database of the same PostgreSQL.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

PAGE = 500
"""Events that are read at once."""

_MAX_INT64 = 2**63 - 1
_EVENT_ID = re.compile(r"(0|[1-9][0-9]{0,18})-(0|[1-9][0-9]{0,18})")

# Of the statement's own snapshot, which sees whatever has a key below it.
_HORIZON = "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"


def _page(key: str, condition: str = "true") -> str:
    """Answer the statement of a page of events after the one of $1 and $2.

    The page's length is written out: in a plan for every length PostgreSQL would guess it far too long. The
    inner limits have it look up one row an event: it would else read all rows for the few of a full page.
    """
    return f"""
        SELECT e.event_key, e.event_seq, e.user_id, e.kind, e.event_time, e.amount, e.balance, e.reserved,
            e.reservation_id, e.transaction_id, t.type,
            coalesce(r.reference_type, ''), coalesce(r.reference_id, '')
        FROM (
            SELECT * FROM events
            WHERE ({key}, event_seq) > ($1, $2) AND {key} < {_HORIZON} AND {condition}
            ORDER BY {key}, event_seq LIMIT {PAGE}
        ) AS e
        LEFT JOIN LATERAL (
            SELECT reference_type, reference_id FROM reservations WHERE reservation_id = e.reservation_id
            UNION ALL
            SELECT reference_type, reference_id FROM archived_reservations
            WHERE reservation_id = e.reservation_id
            LIMIT 1
        ) AS r ON true
        LEFT JOIN LATERAL (
            SELECT type FROM transactions WHERE transaction_id = e.transaction_id LIMIT 1
        ) AS t ON true
        ORDER BY e.event_key, e.event_seq
    """  # noqa: S608  # our own names


EVERYBODYS = _page("event_key")
# The + 0 keeps the primary key out of it: to find one user's events PostgreSQL would else walk everybody's.
OF_USER = _page("event_key + 0", "user_id = $3")


class EventId(NamedTuple):
    """The id of an event; greater ids are later. As a text "<key>-<sequence>", which never changes."""

    key: int
    seq: int

    def __str__(self) -> str:
        return f"{self.key}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "EventId | None":
        """Read an id; None for what no event can have as its id."""
        match = _EVENT_ID.fullmatch(text)
        read = None if match is None else cls(int(match[1]), int(match[2]))
        return None if read is None or max(read) > _MAX_INT64 else read


BEGINNING = EventId(0, 0)
"""Before every event."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """What happened, with the account right after it, and what the rows that it names say."""

    event_id: EventId
    user_id: str
    kind: str
    event_time: datetime
    amount: int
    balance: int
    reserved: int
    reservation_id: UUID | None
    transaction_id: UUID | None
    transaction_type: str | None
    reference_type: str
    reference_id: str


async def read_horizon(connection: "asyncpg.Connection[Any]") -> EventId:
    """Answer the id before which nothing will come any more; whoever reads after it misses nothing later."""
    return EventId(await connection.fetchval(f"SELECT {_HORIZON}"), 0)


async def read_events(
    connection: "asyncpg.Connection[Any]", after: EventId, user_id: str | None = None
) -> list[EventRecord]:
    """Answer the next page of events, of everybody or of one user; a page that is not full is the last."""
    if user_id is None:
        rows = await connection.fetch(EVERYBODYS, *after)
    else:
        rows = await connection.fetch(OF_USER, *after, user_id)
    return [EventRecord(EventId(row[0], row[1]), *row[2:]) for row in rows]
