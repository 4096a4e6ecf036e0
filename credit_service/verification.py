"""Whether the books are right: every sum, number and pair recomputed from the rows.

A page of accounts is one statement, so it sees one moment of all their rows. The ledger writes whole
transactions only, so whatever others commit meanwhile, a finding is a bug or a hand in the database.
"""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from credit_service.errors import AccountNotFound
from servicekit.database import Sessions
from servicekit.retry import execute_in_transaction

MAX_FINDINGS = 1_000
"""Findings that are answered; the others are counted."""

PAGE_ACCOUNTS = 5_000
"""Accounts that one statement checks at most."""

PAGE_ROWS = 100_000
"""Transactions and reservations that one statement checks; an account with more of them is checked alone."""

RUNS_AT_ONCE = 2
"""Runs of one process at once: each takes a connection, page after page."""

# Every part reads an index in the order of its keys, from the first user of the page to the last: what a
# page costs are the rows of its accounts, however large the tables are.
_SQL = """
WITH counted AS (
    SELECT *, sum(transaction_count + reservation_count) OVER (ORDER BY user_id) AS rows_with
    FROM (SELECT * FROM accounts WHERE {accounts} ORDER BY user_id LIMIT :page_accounts) AS next
), page AS MATERIALIZED (
    SELECT * FROM counted WHERE rows_with - transaction_count - reservation_count < :page_rows
), ends AS MATERIALIZED (
    SELECT min(user_id) AS first, max(user_id) AS last FROM page
), moves AS MATERIALIZED (
    SELECT user_id, number, type, transaction_id, reservation_id, amount, balance_after,
        sum(amount) OVER (PARTITION BY user_id ORDER BY number ROWS UNBOUNDED PRECEDING) AS running
    FROM transactions WHERE user_id BETWEEN (SELECT first FROM ends) AND (SELECT last FROM ends)
), drifts AS (
    SELECT *, lag(balance_after - running, 1, CAST(0 AS numeric))
        OVER (PARTITION BY user_id ORDER BY number) AS drift_before
    FROM moves
), holds AS MATERIALIZED (
    SELECT user_id, number, reservation_id, state, amount, charged_amount, transaction_id
    FROM reservations WHERE user_id BETWEEN (SELECT first FROM ends) AND (SELECT last FROM ends)
    UNION ALL
    SELECT user_id, number, reservation_id, state, amount, charged_amount, transaction_id
    FROM archived_reservations WHERE user_id BETWEEN (SELECT first FROM ends) AND (SELECT last FROM ends)
), moved AS (
    SELECT user_id, sum(amount) AS coins, count(*) AS rows, max(number) AS last FROM moves GROUP BY user_id
), held AS (
    SELECT user_id, coalesce(sum(amount) FILTER (WHERE state = 'RESERVED'), 0) AS coins,
        count(*) AS rows, max(number) AS last
    FROM holds GROUP BY user_id
), told AS (
    SELECT DISTINCT ON (user_id) user_id, balance, reserved
    FROM events WHERE user_id BETWEEN (SELECT first FROM ends) AND (SELECT last FROM ends)
    ORDER BY user_id, event_key DESC, event_seq DESC
), sums AS (
    SELECT user_id, page.balance, page.reserved, transaction_count, reservation_count,
        coalesce(moved.coins, 0) AS moved, coalesce(moved.rows, 0) AS transactions,
        coalesce(moved.last, 0) AS last_transaction,
        coalesce(held.coins, 0) AS held, coalesce(held.rows, 0) AS reservations,
        coalesce(held.last, 0) AS last_reservation,
        coalesce(told.balance, 0) AS told_balance, coalesce(told.reserved, 0) AS told_reserved
    FROM page LEFT JOIN moved USING (user_id) LEFT JOIN held USING (user_id) LEFT JOIN told USING (user_id)
), pairs AS (
    SELECT coalesce(r.user_id, t.user_id) AS user_id, r.reservation_id AS charged, r.charged_amount,
        r.transaction_id AS named, t.reservation_id AS unlocked, t.transaction_id, t.amount
    FROM (SELECT * FROM holds WHERE charged_amount > 0) AS r
    FULL JOIN (SELECT * FROM moves WHERE type = 'INSIGHT_UNLOCK') AS t
        ON t.reservation_id = r.reservation_id AND t.user_id = r.user_id
), bought AS (
    SELECT user_id, order_id, granted_coins - taken_coins AS expected, found, noted
    FROM orders CROSS JOIN LATERAL (
        SELECT coalesce(sum(t.amount), 0) AS found, coalesce(sum(o.coins), 0) AS noted
        FROM order_transactions AS o LEFT JOIN LATERAL (
            SELECT amount FROM transactions WHERE transaction_id = o.transaction_id LIMIT 1
        ) AS t ON true
        WHERE o.order_id = orders.order_id
    ) AS moved_coins
    WHERE user_id BETWEEN (SELECT first FROM ends) AND (SELECT last FROM ends) AND payment_id IS NOT NULL
), findings AS MATERIALIZED (
    SELECT user_id, 'balance' AS failed, CAST(moved AS text) AS expected, CAST(balance AS text) AS found
    FROM sums WHERE balance <> moved
    UNION ALL
    SELECT user_id, 'reserved', CAST(held AS text), CAST(reserved AS text) FROM sums WHERE reserved <> held
    UNION ALL
    SELECT user_id, 'reserved_within_balance', format('0 to %s', balance), CAST(reserved AS text)
    FROM sums WHERE NOT reserved BETWEEN 0 AND balance
    UNION ALL
    SELECT user_id, 'transaction_count', format('%s, the last is %s', transactions, last_transaction),
        CAST(transaction_count AS text)
    FROM sums WHERE transactions <> transaction_count OR last_transaction <> transaction_count
    UNION ALL
    SELECT user_id, 'reservation_count', format('%s, the last is %s', reservations, last_reservation),
        CAST(reservation_count AS text)
    FROM sums WHERE reservations <> reservation_count OR last_reservation <> reservation_count
    UNION ALL
    SELECT user_id, 'last_event', format('balance %s, reserved %s', told_balance, told_reserved),
        format('balance %s, reserved %s', balance, reserved)
    FROM sums WHERE (told_balance, told_reserved) <> (balance, reserved)
    UNION ALL
    SELECT user_id, 'balance_after', format('transaction %s: %s', number, running),
        format('transaction %s: %s', number, balance_after)
    FROM drifts WHERE balance_after - running NOT IN (0, drift_before)
    UNION ALL
    SELECT user_id, 'charged_reservation',
        format('reservation %s: transaction %s, %s', charged, named, -charged_amount),
        CASE WHEN unlocked IS NULL THEN 'none' ELSE format('transaction %s, %s', transaction_id, amount) END
    FROM pairs
    WHERE charged IS NOT NULL AND (transaction_id, amount) IS DISTINCT FROM (named, -charged_amount)
    UNION ALL
    SELECT user_id, 'order_coins', format('order %s: %s', order_id, expected),
        format('transactions %s, noted %s', found, noted)
    FROM bought WHERE expected <> found OR expected <> noted
    UNION ALL
    SELECT user_id, 'unlock_transaction', format('transaction %s: reservation %s', transaction_id, unlocked),
        'none'
    FROM pairs WHERE charged IS NULL
)
SELECT ends.last, (SELECT count(*) FROM page WHERE transaction_count > 0) AS accounts,
    (SELECT count(*) FROM findings) AS total, shown.*
FROM ends LEFT JOIN (SELECT * FROM findings ORDER BY user_id, failed, found LIMIT :room) AS shown ON true
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong in the books of an account."""

    user_id: str
    check: str
    expected: str
    found: str


@dataclass(slots=True)
class Verified:
    """What was looked at, and what is wrong: the first findings, and how many there are."""

    accounts_checked: int = 0
    findings: list[Finding] = field(default_factory=list)
    findings_total: int = 0


def page_statement(accounts: str) -> TextClause:
    """Answer the statement that checks a page of the accounts that meet the condition."""
    return text(_SQL.format(accounts=accounts))


_AFTER = page_statement("user_id > :user_id")
_ONE = page_statement("user_id = :user_id")


class Verification:
    """Recomputes the books. Reads only; raises `DatabaseUnavailable`."""

    def __init__(
        self, sessions: Sessions, page_accounts: int = PAGE_ACCOUNTS, page_rows: int = PAGE_ROWS
    ) -> None:
        """Take the sessions, and how much one statement checks."""
        self._sessions = sessions
        self._page = {"page_accounts": page_accounts, "page_rows": page_rows}
        self._turns = asyncio.Semaphore(RUNS_AT_ONCE)

    async def everybody(self) -> Verified:
        """Check every account, page by page, for as long as whoever asks waits."""
        verified, after = Verified(), ""
        async with self._turns:
            while (last := await self._check(_AFTER, after, verified)) is not None:
                after = last
        return verified

    async def one(self, user_id: str) -> Verified:
        """Check one account; raises `AccountNotFound`."""
        verified = Verified()
        async with self._turns:
            await self._check(_ONE, user_id, verified)
        if not verified.accounts_checked and not verified.findings:
            raise AccountNotFound(user_id)
        return verified

    async def _check(self, statement: TextClause, user_id: str, verified: Verified) -> str | None:
        """Check a page, add to `verified`, and answer the page's last user; None for an empty page."""
        values = {**self._page, "user_id": user_id, "room": MAX_FINDINGS - len(verified.findings)}

        async def read(session: AsyncSession) -> list[tuple[str | None, int, int, str, str, str, str]]:
            return [tuple(row) for row in await session.execute(statement, values)]

        rows = await execute_in_transaction(self._sessions, read)
        last, accounts, total, *_ = rows[0]
        verified.accounts_checked += accounts
        verified.findings_total += total
        verified.findings += [Finding(*row[3:]) for row in rows if row[3] is not None]
        return last
