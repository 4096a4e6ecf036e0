"""Plain SQL on the ledger's tables: what a test looks at and what an operator could do by hand."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812  # it is the class

_TABLES = (
    "order_transactions",
    "reversals",
    "webhook_events",
    "webhook_rejections",
    "orders",
    "archived_requests",
    "archived_reservations",
    "erased_accounts",
    "event_cursors",
    "events",
    "requests",
    "transactions",
    "reservations",
    "accounts",
)

_EVERY_RESERVATION = """
    WITH every_reservation AS (SELECT * FROM reservations UNION ALL SELECT * FROM archived_reservations)
"""

_INVARIANTS = {
    "balance is the sum of the transactions": """
        SELECT user_id, balance, coalesce(moved, 0) FROM accounts
        LEFT JOIN (
            SELECT user_id, sum(amount) AS moved FROM transactions GROUP BY user_id
        ) AS t USING (user_id)
        WHERE balance <> coalesce(moved, 0)
    """,
    "reserved is the sum of what is RESERVED": """
        SELECT user_id, reserved, coalesce(held, 0) FROM accounts
        LEFT JOIN (
            SELECT user_id, sum(amount) AS held FROM reservations WHERE state = 'RESERVED' GROUP BY user_id
        ) AS r USING (user_id)
        WHERE reserved <> coalesce(held, 0)
    """,
    "balance_after follows from the transaction before": """
        SELECT user_id, number, balance_after FROM (
            SELECT *, sum(amount) OVER (PARTITION BY user_id ORDER BY number) AS expected FROM transactions
        ) AS t WHERE balance_after <> expected
    """,
    "transactions are numbered without gaps": """
        SELECT user_id, transaction_count, count(t.number), max(t.number) FROM accounts
        LEFT JOIN transactions AS t USING (user_id) GROUP BY user_id
        HAVING count(t.number) <> transaction_count OR coalesce(max(t.number), 0) <> transaction_count
    """,
    "reservations are numbered without gaps": """
        SELECT user_id, reservation_count, count(r.number), max(r.number) FROM accounts
        LEFT JOIN every_reservation AS r USING (user_id) GROUP BY user_id
        HAVING count(r.number) <> reservation_count OR coalesce(max(r.number), 0) <> reservation_count
    """,
    "a charged reservation and its transaction agree": """
        SELECT r.reservation_id, r.charged_amount, t.amount FROM every_reservation AS r
        FULL JOIN transactions AS t USING (reservation_id)
        WHERE (t.reservation_id IS NOT NULL OR r.charged_amount > 0)
            AND (r.transaction_id, -r.charged_amount, r.user_id)
                IS DISTINCT FROM (t.transaction_id, t.amount, t.user_id)
    """,
}


class Database:
    """One connection that commits every statement, and more on demand."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection = self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _connect(self) -> Connection:
        connection = psycopg2.connect(self._url, application_name="plain_sql")
        connection.autocommit = True
        return connection

    def run(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement and answer its rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def one(self, sql: str, *values: object) -> Any:
        """Run one statement and answer the first column of its only row."""
        [row] = self.run(sql, *values)
        return row[0]

    @contextmanager
    def held(self) -> Iterator["Held"]:
        """Give another connection inside a transaction, to hold locks with; rolled back unless committed."""
        connection = self._connect()
        connection.autocommit = False
        try:
            yield Held(connection)
        finally:
            # Closing alone would leave the locks until the server notices.
            connection.rollback()
            connection.close()

    def empty(self) -> None:
        """Empty the ledger; its triggers, which forbid that, are off for this connection meanwhile."""
        self.run(
            "SET session_replication_role = replica;"
            f"{';'.join(f'DELETE FROM {table}' for table in _TABLES)};"
            "SET session_replication_role = origin"
        )

    def waiting_for_locks(self) -> int:
        """Count the statements of the service that wait for a lock now."""
        return int(
            self.one(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE application_name = 'credit_service' AND wait_event_type = 'Lock'"
            )
        )

    def let_expire(self, reservation_ids: Sequence[str]) -> None:
        """Move an expiry a second into the past, which the triggers forbid otherwise."""
        self.run(
            "SET session_replication_role = replica;"
            "UPDATE reservations SET expire_time = clock_timestamp() - interval '1 second'"
            " WHERE reservation_id = ANY (CAST(%s AS uuid[]));"
            "SET session_replication_role = origin",
            list(reservation_ids),
        )

    def corrupt(self, sql: str, *values: object) -> None:
        """Run one statement with triggers and foreign keys off; only what the tables CHECK still holds."""
        self.run(
            f"SET session_replication_role = replica; {sql}; SET session_replication_role = origin", *values
        )

    def explain(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Run one statement and answer the nodes of its plan, top first, with what each did."""
        [plan] = self.one(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *values)
        return list(_nodes(plan["Plan"]))

    def check_invariants(self) -> None:
        """Recompute every sum from the rows."""
        for name, sql in _INVARIANTS.items():
            assert self.run(f"{_EVERY_RESERVATION} {sql}") == [], name


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


class Held:
    """A transaction that a test keeps open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, sql: str, *values: object) -> None:
        """Run one statement in the transaction."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values or None)

    def commit(self) -> None:
        """Commit, and free what was locked."""
        self._connection.commit()

    def rollback(self) -> None:
        """Undo, and free what was locked."""
        self._connection.rollback()
