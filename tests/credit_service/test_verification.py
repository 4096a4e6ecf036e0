"""The check of the books: it finds every kind of damage, nothing in sound books, and costs what it reads."""

import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

import grpc
import pytest
from sqlalchemy.dialects import postgresql

from credit_service.settings import CreditSettings
from credit_service.verification import MAX_FINDINGS, Verification, page_statement
from protos.credit.v1 import credit_pb2
from servicekit.database import async_engine, session_factory
from tests.credit_service.client import Client, at_once, new_id, refused
from tests.credit_service.database import Database

ADJUSTMENT = credit_pb2.TRANSACTION_TYPE_ADJUSTMENT
_WRITERS = 6
_VERIFICATIONS = 25

Found = tuple[str, str, str, str]


def verify(client: Client, **fields: str) -> credit_pb2.VerifyLedgerResponse:
    """Have the books checked."""
    answer: credit_pb2.VerifyLedgerResponse = client.call("VerifyLedger", **fields)
    return answer


def found(answer: credit_pb2.VerifyLedgerResponse) -> list[Found]:
    """Answer the findings."""
    return [(row.user_id, row.check, row.expected, row.found) for row in answer.findings]


def live(client: Client, user_id: str) -> None:
    """Do all that can happen to an account but its end."""
    client.grant(100, user_id)
    client.grant(20, user_id, type=ADJUSTMENT)
    client.charge(client.reserved(30, user_id), amount=10)
    client.charge(client.reserved(5, user_id))
    client.charge(client.reserved(5, user_id), amount=0)
    client.release(client.reserved(5, user_id))
    refused("INSUFFICIENT_CREDITS", lambda: client.reserve(1_000, user_id))
    client.extend(client.reserved(7, user_id), 3_600)
    client.reserved(8, user_id)
    client.call("Debit", user_id=user_id, amount=3, type=ADJUSTMENT, request_id=new_id())


@pytest.fixture
def books(client: Client, database: Database) -> Iterator[Client]:
    """The books of three users, one of them gone; whatever a test does to them, they are empty afterwards."""
    for user_id in ("ana", "ben", "zoe"):
        live(client, user_id)
    client.call("CloseAccount", user_id="zoe", request_id=new_id())
    yield client
    database.empty()


def test_sound_books_have_no_findings(books: Client, database: Database) -> None:
    database.let_expire([books.reserved(1)])
    answer = verify(books)
    assert (answer.accounts_checked, found(answer), answer.findings_total) == (3, [], 0)
    answer = verify(books, user_id="zoe")
    assert (answer.accounts_checked, found(answer), answer.findings_total) == (1, [], 0)


def test_empty_books_are_sound(client: Client) -> None:
    assert verify(client) == credit_pb2.VerifyLedgerResponse()


# Given ana: transactions of +100, +20, -10, -5, -3; reservations of 30, 5, 5, 5, 1000 (refused), 7, 8 (held).
_DAMAGE = {
    "a balance without a transaction": (
        "UPDATE accounts SET balance = 103 WHERE user_id = 'ana'",
        [
            ("ana", "balance", "102", "103"),
            ("ana", "last_event", "balance 102, reserved 15", "balance 103, reserved 15"),
        ],
    ),
    "coins reserved by nobody": (
        "UPDATE accounts SET reserved = 16 WHERE user_id = 'ana'",
        [
            ("ana", "last_event", "balance 102, reserved 15", "balance 102, reserved 16"),
            ("ana", "reserved", "15", "16"),
        ],
    ),
    "a reservation that was settled and its coins kept": (
        "UPDATE reservations SET state = 'RELEASED', settle_time = create_time"
        " WHERE user_id = 'ana' AND number = 7",
        [("ana", "reserved", "7", "15")],
    ),
    "a wrong balance_after": (
        "UPDATE transactions SET balance_after = 111 WHERE user_id = 'ana' AND number = 3",
        [("ana", "balance_after", "transaction 3: 110", "transaction 3: 111")],
    ),
    "two wrong balances_after": (
        "UPDATE transactions SET balance_after = balance_after + number"
        " WHERE user_id = 'ana' AND number IN (2, 3)",
        [
            ("ana", "balance_after", "transaction 2: 120", "transaction 2: 122"),
            ("ana", "balance_after", "transaction 3: 110", "transaction 3: 113"),
        ],
    ),
    "a transaction of another amount": (
        "UPDATE transactions SET amount = 21 WHERE user_id = 'ana' AND number = 2",
        [
            ("ana", "balance", "103", "102"),
            ("ana", "balance_after", "transaction 2: 121", "transaction 2: 120"),
        ],
    ),
    "a transaction that is gone": (
        "DELETE FROM transactions WHERE user_id = 'ana' AND number = 5",
        [
            ("ana", "balance", "105", "102"),
            ("ana", "transaction_count", "4, the last is 4", "5"),
        ],
    ),
    "a gap in the transactions": (
        "UPDATE transactions SET number = 9 WHERE user_id = 'ana' AND number = 5",
        [("ana", "transaction_count", "5, the last is 9", "5")],
    ),
    "a gap in the reservations": (
        "UPDATE reservations SET number = 9 WHERE user_id = 'ana' AND number = 5",
        [("ana", "reservation_count", "7, the last is 9", "7")],
    ),
    "a reservation that is gone": (
        "DELETE FROM reservations WHERE user_id = 'ana' AND number = 4",
        [("ana", "reservation_count", "6, the last is 7", "7")],
    ),
    "an event that is gone": (
        "DELETE FROM events WHERE user_id = 'ana' AND kind = 'debited'",
        [("ana", "last_event", "balance 105, reserved 15", "balance 102, reserved 15")],
    ),
    "an account without events": (
        "DELETE FROM events WHERE user_id = 'ana'",
        [("ana", "last_event", "balance 0, reserved 0", "balance 102, reserved 15")],
    ),
}


@pytest.mark.parametrize(("damage", "findings"), _DAMAGE.values(), ids=_DAMAGE)
def test_each_damage_is_found_and_nothing_else(
    books: Client, database: Database, damage: str, findings: list[Found]
) -> None:
    database.corrupt(damage)
    answer = verify(books)
    assert (found(answer), answer.findings_total, answer.accounts_checked) == (findings, len(findings), 3)
    assert found(verify(books, user_id="ana")) == findings
    assert found(verify(books, user_id="ben")) == []


def charge_of(database: Database, user_id: str, amount: int) -> tuple[str, str]:
    """Answer the ids of a charged reservation and its transaction."""
    [row] = database.run(
        "SELECT CAST(reservation_id AS text), CAST(transaction_id AS text) FROM reservations"
        " WHERE user_id = %s AND charged_amount = %s",
        user_id,
        amount,
    )
    return row[0], row[1]


def test_a_charge_of_another_amount_than_its_transaction_is_found(books: Client, database: Database) -> None:
    reservation_id, transaction_id = charge_of(database, "ana", 10)
    database.corrupt("UPDATE reservations SET charged_amount = 9 WHERE reservation_id = %s", reservation_id)
    expected = f"reservation {reservation_id}: transaction {transaction_id}, -9"
    found_instead = f"transaction {transaction_id}, -10"
    assert found(verify(books)) == [("ana", "charged_reservation", expected, found_instead)]


def test_a_charge_that_names_another_transaction_is_found(books: Client, database: Database) -> None:
    reservation_id, transaction_id = charge_of(database, "ana", 10)
    other = new_id()
    database.corrupt(
        "UPDATE reservations SET transaction_id = %s WHERE reservation_id = %s", other, reservation_id
    )
    expected = f"reservation {reservation_id}: transaction {other}, -10"
    found_instead = f"transaction {transaction_id}, -10"
    assert found(verify(books)) == [("ana", "charged_reservation", expected, found_instead)]


def test_a_charge_without_a_transaction_and_one_without_a_charge_are_found(
    books: Client, database: Database
) -> None:
    # Given a charge that was paid by another user
    reservation_id, transaction_id = charge_of(database, "ana", 5)
    database.corrupt(
        "UPDATE transactions SET user_id = 'ben', number = 6, balance_after = 97 WHERE transaction_id = %s;"
        "UPDATE transactions SET number = 4 WHERE user_id = 'ana' AND number = 5;"
        "UPDATE accounts SET transaction_count = CASE user_id WHEN 'ben' THEN 6 ELSE 4 END"
        " WHERE user_id <> 'zoe'",
        transaction_id,
    )
    # Then both users have a finding about it, beside their balances
    pairs = [row for row in found(verify(books)) if "balance" not in row[1]]
    paid = f"transaction {transaction_id}"
    assert pairs == [
        ("ana", "charged_reservation", f"reservation {reservation_id}: {paid}, -5", "none"),
        ("ben", "unlock_transaction", f"{paid}: reservation {reservation_id}", "none"),
    ]


def test_a_transaction_for_a_reservation_that_was_not_charged_is_found(
    books: Client, database: Database
) -> None:
    reservation_id, transaction_id = charge_of(database, "ana", 5)
    database.corrupt(
        "UPDATE reservations SET charged_amount = 0, transaction_id = NULL WHERE reservation_id = %s",
        reservation_id,
    )
    expected = f"transaction {transaction_id}: reservation {reservation_id}"
    assert found(verify(books)) == [("ana", "unlock_transaction", expected, "none")]


@pytest.mark.parametrize(("column", "value"), [("reserved", 103), ("reserved", -1)])
def test_more_reserved_than_there_is_is_found_even_where_no_constraint_refuses_it(
    books: Client, database: Database, column: str, value: int
) -> None:
    name = "accounts_reserved_within_balance"
    definition = database.one("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", name)
    database.run(f"ALTER TABLE accounts DROP CONSTRAINT {name}")
    try:
        database.corrupt(f"UPDATE accounts SET {column} = {value} WHERE user_id = 'ana'")
        findings = found(verify(books))
    finally:
        database.empty()
        database.run(f"ALTER TABLE accounts ADD CONSTRAINT {name} {definition}")
    assert ("ana", "reserved_within_balance", "0 to 102", str(value)) in findings
    assert [row[1] for row in findings] == ["last_event", "reserved", "reserved_within_balance"]


def test_a_user_without_an_account_is_not_found(client: Client, database: Database) -> None:
    assert refused("ACCOUNT_NOT_FOUND", lambda: verify(client, user_id="ana")).metadata == {"user_id": "ana"}
    # Given the row that a first Grant makes before it locks it
    database.run("INSERT INTO accounts (user_id) VALUES ('ana')")
    refused("ACCOUNT_NOT_FOUND", lambda: verify(client, user_id="ana"))
    assert verify(client) == credit_pb2.VerifyLedgerResponse()
    assert refused("INVALID_FIELD", lambda: verify(client, user_id="")).metadata == {"field": "user_id"}


def test_a_hidden_account_is_found(books: Client, database: Database) -> None:
    """With its count gone nobody else would see it any more."""
    database.corrupt("UPDATE accounts SET transaction_count = 0 WHERE user_id = 'ana'")
    for answer in (verify(books), verify(books, user_id="ana")):
        assert found(answer) == [("ana", "transaction_count", "5, the last is 5", "0")]


@pytest.fixture
async def verification(migrated: str) -> AsyncIterator[Callable[..., Verification]]:
    """Make checks with pages of any size."""
    engine = async_engine(migrated, CreditSettings(credit_database_url=migrated), "verification")
    yield partial(Verification, session_factory(engine))
    await engine.dispose()


@pytest.mark.parametrize("size", [{"page_accounts": 1}, {"page_accounts": 2}, {"page_rows": 1}, {}])
async def test_pages_of_any_size_find_the_same(
    books: Client, database: Database, verification: Callable[..., Verification], size: dict[str, int]
) -> None:
    live(books, "bob")
    database.corrupt("UPDATE accounts SET balance = balance + 1")
    verified = await verification(**size).everybody()
    users = ["ana", "ben", "bob", "zoe"]
    assert (verified.accounts_checked, verified.findings_total) == (4, 8)
    assert [(row.user_id, row.check) for row in verified.findings] == [
        (user_id, check) for user_id in users for check in ("balance", "last_event")
    ]


async def test_what_is_not_answered_is_counted(
    books: Client, database: Database, verification: Callable[..., Verification]
) -> None:
    # Given 700 accounts with two findings each
    database.run(
        "INSERT INTO accounts (user_id, balance) SELECT 'user' || n, 1 FROM generate_series(1, 700) AS n"
    )
    answer = verify(books)
    assert (len(answer.findings), answer.findings_total, answer.accounts_checked) == (MAX_FINDINGS, 1_400, 3)
    # Then those are answered that come first, whatever the size of a page
    verified = await verification(page_accounts=300).everybody()
    assert found(answer) == [(row.user_id, row.check, row.expected, row.found) for row in verified.findings]
    assert (verified.findings_total, verified.accounts_checked) == (1_400, 3)


def test_nothing_is_found_while_others_write(client: Client, database: Database) -> None:
    users = [f"user{number}" for number in range(8)]
    for user_id in users:
        client.grant(1_000, user_id)
    done = threading.Event()
    writes: Counter[str] = Counter()

    def write(first: int) -> None:
        number = first
        while not done.is_set():
            number += 1
            user_id = users[number % len(users)]
            reservation_id = client.reserved(3, user_id)
            client.charge(reservation_id, amount=number % 4) if number % 3 else client.release(reservation_id)
            client.grant(number % 4 + 1, user_id)
            client.grant(1, new_id())
            writes[user_id] += 1

    answers: list[credit_pb2.VerifyLedgerResponse] = []

    def check() -> None:
        try:
            for _ in range(_VERIFICATIONS):
                answers.extend([verify(client), verify(client, user_id="user0")])
        finally:
            done.set()

    calls: list[Callable[[], None]] = [check, *(partial(write, first) for first in range(_WRITERS))]
    assert at_once(calls) == [None] * (_WRITERS + 1)
    assert sum(writes.values()) > _VERIFICATIONS
    assert [found(answer) for answer in answers if answer.findings_total] == []
    assert answers[-2].accounts_checked > answers[0].accounts_checked >= len(users)


def test_a_check_ends_with_the_deadline_of_its_caller(books: Client, database: Database) -> None:
    with database.held() as other:
        other.run("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(grpc.RpcError) as caught:
            books.stub.VerifyLedger(credit_pb2.VerifyLedgerRequest(), timeout=0.3)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert verify(books).accounts_checked == 3


def test_a_page_reads_the_rows_of_its_accounts_and_no_others(database: Database) -> None:
    """What makes the cost of all pages that of all rows."""
    # Given 3,000 accounts with 4 transactions and events each
    database.run(
        """
        INSERT INTO accounts (user_id, balance, transaction_count)
        SELECT 'user' || lpad(CAST(n AS text), 4, '0'), 4, 4 FROM generate_series(1, 3000) AS n;
        INSERT INTO transactions
        SELECT gen_random_uuid(), user_id, n, 'BONUS', 1, n, now(), '', NULL, '', '', '{}'
        FROM generate_series(1, 4) AS n, accounts;
        INSERT INTO events (event_key, user_id, kind, event_time, amount, balance, reserved)
        SELECT 0, user_id, 'granted', now() + n * interval '1 s', 1, n, 0
        FROM generate_series(1, 4) AS n, accounts;
        ANALYZE accounts, transactions, events
        """
    )
    values = {"user_id": "user1000", "page_accounts": 100, "page_rows": 10_000, "room": 1_000}
    statement = page_statement("user_id > :user_id").bindparams(**values)
    dialect = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap
    # When a page of 100 of them is checked
    plan = database.explain(str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})))
    # Then as many rows are read as they have
    read: Counter[str] = Counter()
    for node in plan:
        if "Scan" in node["Node Type"] and "Relation Name" in node:
            rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            read[node["Relation Name"]] += round(rows * node["Actual Loops"])
    assert read == {
        "accounts": 100,
        "transactions": 400,
        "events": 400,
        "reservations": 0,
        "archived_reservations": 0,
        "orders": 0,
        "order_transactions": 0,
    }, plan
