"""Whether the database was restored from a logical dump, which does not carry its transaction numbers over.

Keys of events are such numbers (`store.events`). In a database that counts afresh, new events would come
before old ones, and whoever has read those would never see them.
"""

from sqlalchemy import text

from servicekit.database import sync_engine

# Of a database that was never restored the number of this very transaction is above all keys.
_LEAD = text(
    "SELECT coalesce(max(event_key), 0) - CAST(CAST(pg_current_xact_id() AS text) AS bigint) FROM events"
)


def transactions_missing(url: str) -> int:
    """Answer how many transactions the database is behind the keys of its events; 0 is as it should be."""
    engine = sync_engine(url, "migrate")
    with engine.connect() as connection:
        lead = int(connection.scalar(_LEAD) or 0)
    engine.dispose()
    return max(lead, 0)
