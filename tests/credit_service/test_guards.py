"""The last defence: PostgreSQL itself refuses what no bug may write, said in plain SQL."""

import psycopg2
import psycopg2.errors
import pytest

from tests.credit_service.client import Client
from tests.credit_service.database import Database
from tests.credit_service.server import Server

CHECK = psycopg2.errors.CheckViolation
UNIQUE = psycopg2.errors.UniqueViolation
TRIGGER = psycopg2.errors.RestrictViolation
FOREIGN_KEY = psycopg2.errors.ForeignKeyViolation
NOT_NULL = psycopg2.errors.NotNullViolation


class Rows:
    """An account of 100 coins with one reservation in each state but EXPIRED."""

    def __init__(self, client: Client) -> None:
        client.grant(100)
        client.grant(100, "ben")
        self.held = client.reserved(10)
        self.charged = client.reserved(10)
        self.released = client.reserved(10)
        client.charge(self.charged, amount=4)
        client.release(self.released, reason="r")


@pytest.fixture(scope="module")
def rows(running: Server, plain_sql: Database) -> Rows:
    """The rows that every test here tries to harm; none may succeed."""
    plain_sql.empty()
    with Client(running.target) as client:
        client.grant(1, "zoe")
        plain_sql.run("UPDATE accounts SET close_time = now() WHERE user_id = 'zoe'")
        plain_sql.run("INSERT INTO accounts (user_id, close_time) VALUES ('old', now())")
        plain_sql.run("INSERT INTO erased_accounts VALUES ('old', now(), 0)")
        return Rows(client)


_NEW_RESERVATION = (
    "INSERT INTO reservations SELECT gen_random_uuid(), user_id, {number}, {amount}, '{state}',"
    " {expires}, create_time, {charged}, {settled}, '{reason}', '', '', '', '{{{{}}}}', {transaction}"
    " FROM reservations WHERE reservation_id = '{{held}}'"
)


def new_reservation(**changes: object) -> str:
    """Write an INSERT of a reservation that is right but for the changes."""
    right = {
        "number": 9,
        "amount": 1,
        "state": "RESERVED",
        "expires": "expire_time",
        "charged": 0,
        "settled": "NULL",
        "reason": "",
        "transaction": "NULL",
    }
    return _NEW_RESERVATION.format(**{**right, **changes})


_NEW_TRANSACTION = (
    "INSERT INTO transactions SELECT gen_random_uuid(), '{user}', {number}, '{type}', {amount},"
    " {balance}, now(), '', {reservation}, '', '', '{{{{}}}}'"
)


def new_transaction(**changes: object) -> str:
    """Write an INSERT of a transaction that is right but for the changes."""
    right = {
        "user": "ana",
        "number": 9,
        "type": "BONUS",
        "amount": 1,
        "balance": 97,
        "reservation": "NULL",
    }
    return _NEW_TRANSACTION.format(**{**right, **changes})


FORBIDDEN: dict[str, tuple[type[psycopg2.Error], str, str]] = {
    "a negative balance": (
        CHECK,
        "accounts_reserved_within_balance",
        "UPDATE accounts SET balance = -1, reserved = -1",
    ),
    "negative reserved coins": (
        CHECK,
        "accounts_reserved_within_balance",
        "UPDATE accounts SET reserved = -1",
    ),
    "more reserved than owned": (
        CHECK,
        "accounts_reserved_within_balance",
        "UPDATE accounts SET reserved = 97",
    ),
    "a negative count": (CHECK, "accounts_counts", "UPDATE accounts SET transaction_count = -1"),
    "an empty user id": (CHECK, "accounts_user_id_length", "INSERT INTO accounts (user_id) VALUES ('')"),
    "a long user id": (
        CHECK,
        "accounts_user_id_length",
        "INSERT INTO accounts (user_id) VALUES (repeat('x', 129))",
    ),
    "an account twice": (UNIQUE, "accounts_pkey", "INSERT INTO accounts (user_id) VALUES ('ana')"),
    "no amount": (CHECK, "reservations_amount", new_reservation(amount=0)),
    "too large an amount": (CHECK, "reservations_amount", new_reservation(amount=10**12 + 1)),
    "an unknown state": (CHECK, "reservations_state", new_reservation(state="HELD", settled="now()")),
    "a number twice": (UNIQUE, "reservations_user_id_number_key", new_reservation(number=1)),
    "a number below 1": (CHECK, "reservations_number", new_reservation(number=0)),
    "more charged than reserved": (
        CHECK,
        "reservations_charged_amount",
        new_reservation(state="CHARGED", charged=2, settled="now()", transaction="gen_random_uuid()"),
    ),
    "charged coins of an open reservation": (
        CHECK,
        "reservations_charged_amount",
        new_reservation(charged=1, transaction="gen_random_uuid()"),
    ),
    "charged coins without a transaction": (
        CHECK,
        "reservations_transaction_id",
        new_reservation(state="CHARGED", charged=1, settled="now()"),
    ),
    "a transaction without charged coins": (
        CHECK,
        "reservations_transaction_id",
        new_reservation(state="CHARGED", settled="now()", transaction="gen_random_uuid()"),
    ),
    "a settled reservation without a time": (
        CHECK,
        "reservations_settle_time",
        new_reservation(state="RELEASED"),
    ),
    "an open reservation with one": (CHECK, "reservations_settle_time", new_reservation(settled="now()")),
    "an expiry at another time": (
        CHECK,
        "reservations_expired_when_due",
        new_reservation(state="EXPIRED", expires="create_time", settled="now()"),
    ),
    "a reason for no release": (CHECK, "reservations_release_reason", new_reservation(reason="x")),
    "a reservation of nobody": (
        FOREIGN_KEY,
        "reservations_user_id_fkey",
        new_reservation().replace("user_id,", "'nobody',", 1),
    ),
    "a charge after the expiry": (
        CHECK,
        "reservations_settled_in_time",
        "UPDATE reservations SET state = 'CHARGED', settle_time = expire_time"
        " WHERE reservation_id = '{held}'",
    ),
    "a release after the expiry": (
        CHECK,
        "reservations_settled_in_time",
        "UPDATE reservations SET state = 'RELEASED', settle_time = expire_time + interval '1 s'"
        " WHERE reservation_id = '{held}'",
    ),
    "a charge by a transaction that is not there": (
        FOREIGN_KEY,
        "reservations_transaction_id_fkey",
        "UPDATE reservations SET state = 'CHARGED', settle_time = now(), charged_amount = 10,"
        " transaction_id = gen_random_uuid() WHERE reservation_id = '{held}'",
    ),
    "a charge of another user's reservation": (
        FOREIGN_KEY,
        "transactions_name_a_reservation",
        new_transaction(user="ben", type="INSIGHT_UNLOCK", amount=-1, reservation="'{held}'"),
    ),
    "a charge without a reservation": (
        CHECK,
        "transactions_reservation_id",
        new_transaction(type="INSIGHT_UNLOCK", amount=-1),
    ),
    "a present with a reservation": (
        CHECK,
        "transactions_reservation_id",
        new_transaction(reservation="'{held}'"),
    ),
    "a purchase that takes coins": (CHECK, "transactions_sign", new_transaction(type="PURCHASE", amount=-1)),
    "a present that takes coins": (CHECK, "transactions_sign", new_transaction(amount=-1)),
    "a chargeback that gives coins": (CHECK, "transactions_sign", new_transaction(type="CHARGEBACK")),
    "a charge that gives coins": (
        CHECK,
        "transactions_sign",
        new_transaction(type="INSIGHT_UNLOCK", reservation="'{held}'"),
    ),
    "more coins at once than may move": (CHECK, "transactions_amount", new_transaction(amount=10**12 + 1)),
    "fewer coins at once than may move": (
        CHECK,
        "transactions_amount",
        new_transaction(type="REFUND", amount=-(10**12) - 1),
    ),
    "a transaction of nothing": (CHECK, "transactions_amount", new_transaction(type="REFUND", amount=0)),
    "a transaction into debt": (CHECK, "transactions_balance_after", new_transaction(balance=-1)),
    "an unknown type": (CHECK, "transactions_type", new_transaction(type="GIFT")),
    "a transaction's number twice": (UNIQUE, "transactions_user_id_number_key", new_transaction(number=1)),
    "a transaction's number below 1": (CHECK, "transactions_number", new_transaction(number=0)),
    "a second charge of one reservation": (
        UNIQUE,
        "transactions_reservation_id_key",
        new_transaction(type="INSIGHT_UNLOCK", amount=-1, reservation="'{charged}'"),
    ),
    "a charge of no reservation": (
        FOREIGN_KEY,
        "transactions_name_a_reservation",
        new_transaction(type="INSIGHT_UNLOCK", amount=-1, reservation="gen_random_uuid()"),
    ),
    "a transaction of nobody": (FOREIGN_KEY, "transactions_user_id_fkey", new_transaction(user="nobody")),
    "a request id twice in one account": (
        UNIQUE,
        "requests_pkey",
        "INSERT INTO requests SELECT * FROM requests LIMIT 1",
    ),
    "an unknown kind of event": (
        CHECK,
        "events_kind",
        "INSERT INTO events VALUES (1, DEFAULT, 'ana', 'stolen', now(), 1, 1, 0, NULL, NULL)",
    ),
    "an event with more reserved than there is": (
        CHECK,
        "events_reserved_within_balance",
        "INSERT INTO events VALUES (1, DEFAULT, 'ana', 'granted', now(), 1, 1, 2, NULL, NULL)",
    ),
    "a pseudonym of nobody": (
        FOREIGN_KEY,
        "erased_accounts_pseudonym_fkey",
        "INSERT INTO erased_accounts VALUES ('nobody', now(), 0)",
    ),
    "a pseudonym twice": (
        UNIQUE,
        "erased_accounts_pkey",
        "INSERT INTO erased_accounts VALUES ('old', now(), 0)",
    ),
    "fewer than no coins forfeited": (
        CHECK,
        "erased_accounts_forfeited",
        "INSERT INTO erased_accounts VALUES ('ana', now(), -1)",
    ),
    "an unknown operation": (
        CHECK,
        "requests_operation",
        "INSERT INTO requests VALUES ('ana', gen_random_uuid(), 'STEAL', '{{}}', now())",
    ),
    "coins for nothing on sale": (CHECK, "packages_coins", "INSERT INTO packages VALUES ('x', 'x', 0, true)"),
}

REFUSED: dict[str, str] = {
    "deleting a reservation": "DELETE FROM reservations WHERE reservation_id = '{held}'",
    "emptying the reservations": "TRUNCATE reservations CASCADE",
    "changing what is archived": (
        "INSERT INTO archived_reservations SELECT * FROM reservations WHERE reservation_id = '{charged}';"
        "UPDATE archived_reservations SET amount = 5"
    ),
    "deleting what is archived": "DELETE FROM archived_reservations",
    "another name for an account": "UPDATE accounts SET user_id = 'yan' WHERE user_id = 'zoe'",
    "another name for an open account": (
        "INSERT INTO erased_accounts VALUES ('p', now(), 0);"
        "UPDATE accounts SET user_id = 'p' WHERE user_id = 'ben'"
    ),
    "other coins along with an erased name": (
        "INSERT INTO erased_accounts VALUES ('p', now(), 0);"
        "UPDATE accounts SET user_id = 'p', balance = 9 WHERE user_id = 'zoe'"
    ),
    "another amount in an erasure": (
        "INSERT INTO erased_accounts VALUES ('p', now(), 0);"
        "UPDATE transactions SET user_id = 'p', amount = 5 WHERE user_id = 'zoe'"
    ),
    "other words in an erasure": (
        "INSERT INTO erased_accounts VALUES ('p', now(), 0);"
        "UPDATE transactions SET user_id = 'p', description = 'x' WHERE user_id = 'zoe'"
    ),
    "no words without an erasure": "UPDATE transactions SET description = '' WHERE amount < 0",
    "an event's time in an erasure": (
        "INSERT INTO erased_accounts VALUES ('p', now(), 0);"
        "UPDATE events SET user_id = 'p', event_time = now() WHERE user_id = 'zoe'"
    ),
    "a name that an earlier erasure gave": "UPDATE transactions SET user_id = 'old' WHERE user_id = 'zoe'",
    "forgetting a request of nobody erased": (
        "INSERT INTO erased_accounts VALUES ('p', now(), 0); DELETE FROM requests WHERE user_id = 'zoe'"
    ),
    "changing what was erased": "UPDATE erased_accounts SET forfeited = 5",
    "forgetting what was erased": "DELETE FROM erased_accounts",
    "removing what changed after it was archived": (
        "INSERT INTO archived_reservations SELECT * FROM reservations WHERE reservation_id = '{held}';"
        "UPDATE reservations SET expire_time = expire_time + interval '1 h' WHERE reservation_id = '{held}';"
        "DELETE FROM reservations WHERE reservation_id = '{held}'"
    ),
    "changing an event": "UPDATE events SET amount = 5",
    "deleting an event": "DELETE FROM events",
    "emptying the events": "TRUNCATE events",
    "deleting an account": "DELETE FROM accounts WHERE user_id = 'ana'",
    "deleting a request": "DELETE FROM requests",
    "changing a request": "UPDATE requests SET sent = '{{}}'",
    "emptying the requests": "TRUNCATE requests",
    "opening a closed account": "UPDATE accounts SET close_time = NULL WHERE user_id = 'zoe'",
    "expiring before the time has run out": (
        "UPDATE reservations SET state = 'EXPIRED', settle_time = expire_time WHERE reservation_id = '{held}'"
    ),
    "making what expires later": new_reservation(state="EXPIRED", settled="expire_time"),
    "another kind of reference": (
        "UPDATE reservations SET reference_type = 'x' WHERE reservation_id = '{held}'"
    ),
    "another reference": "UPDATE reservations SET reference_id = 'x' WHERE reservation_id = '{held}'",
    "other words": "UPDATE reservations SET description = 'x' WHERE reservation_id = '{held}'",
    "other metadata": (
        "UPDATE reservations SET metadata = jsonb_build_object('k', 'v') WHERE reservation_id = '{held}'"
    ),
    "changing a transaction": "UPDATE transactions SET amount = 5",
    "changing a transaction's words": "UPDATE transactions SET description = 'x' WHERE amount < 0",
    "deleting a transaction": "DELETE FROM transactions",
    "emptying the transactions": "TRUNCATE transactions CASCADE",
    "emptying them along with others": "TRUNCATE accounts CASCADE",
    "reopening a charged reservation": (
        "UPDATE reservations SET state = 'RESERVED', settle_time = NULL, charged_amount = 0,"
        " transaction_id = NULL WHERE reservation_id = '{charged}'"
    ),
    "releasing a charged reservation": (
        "UPDATE reservations SET state = 'RELEASED', charged_amount = 0, transaction_id = NULL"
        " WHERE reservation_id = '{charged}'"
    ),
    "charging less afterwards": (
        "UPDATE reservations SET charged_amount = 3 WHERE reservation_id = '{charged}'"
    ),
    "charging a released reservation": (
        "UPDATE reservations SET state = 'CHARGED', release_reason = '' WHERE reservation_id = '{released}'"
    ),
    "another reason afterwards": (
        "UPDATE reservations SET release_reason = 'x' WHERE reservation_id = '{released}'"
    ),
    "another amount": "UPDATE reservations SET amount = 11 WHERE reservation_id = '{held}'",
    "another owner": "UPDATE reservations SET user_id = 'ben' WHERE reservation_id = '{held}'",
    "another number": "UPDATE reservations SET number = 9 WHERE reservation_id = '{held}'",
    "another id": (
        "UPDATE reservations SET reservation_id = gen_random_uuid() WHERE reservation_id = '{held}'"
    ),
    "an earlier expiry": (
        "UPDATE reservations SET expire_time = now() - interval '1 h' WHERE reservation_id = '{held}'"
    ),
    "refusing what was made": "UPDATE reservations SET state = 'REFUSED' WHERE reservation_id = '{held}'",
}


@pytest.mark.parametrize("case", FORBIDDEN)
def test_a_constraint_forbids(rows: Rows, plain_sql: Database, case: str) -> None:
    error, constraint, sql = FORBIDDEN[case]
    with pytest.raises(error) as caught:
        plain_sql.run(sql.format(**vars(rows)))
    plain_sql.check_invariants()
    assert caught.value.diag.constraint_name == constraint


@pytest.mark.parametrize("case", REFUSED)
def test_a_trigger_refuses(rows: Rows, plain_sql: Database, case: str) -> None:
    with pytest.raises(TRIGGER, match="is refused"):
        plain_sql.run(REFUSED[case].format(**vars(rows)))
    plain_sql.check_invariants()


def test_the_templates_of_these_tests_are_right_without_their_change(rows: Rows, plain_sql: Database) -> None:
    """Otherwise the tests above would pass for another reason than the one they name."""
    with plain_sql.held() as undone:
        undone.run(new_reservation().format(**vars(rows)))
        undone.run(new_transaction().format(**vars(rows)))
        charge = new_transaction(number=10, type="INSIGHT_UNLOCK", amount=-1, reservation="'{held}'")
        undone.run(charge.format(**vars(rows)))


def test_an_open_reservation_may_be_extended_and_settled_by_hand(rows: Rows, plain_sql: Database) -> None:
    with plain_sql.held() as undone:
        undone.run(
            "UPDATE reservations SET expire_time = expire_time + interval '1 h' WHERE state = 'RESERVED'"
        )
        undone.run(
            "UPDATE reservations SET state = 'RELEASED', settle_time = now() WHERE reservation_id = %s",
            rows.held,
        )
