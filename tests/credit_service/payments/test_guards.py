"""What the database refuses of payments even against a defect of the service, or a hand."""

from collections.abc import Mapping
from uuid import uuid4

import psycopg2
import pytest
from psycopg2 import errors

from tests.credit_service.database import Database
from tests.credit_service.payments.shop import Shop

UNIQUE = errors.UniqueViolation
CHECK = errors.CheckViolation
FOREIGN_KEY = errors.ForeignKeyViolation
FORBIDDEN = errors.RestrictViolation

_COPY = """
    INSERT INTO orders (order_id, user_id, request_id, package_id, provider, currency, amount, coins, state,
        provider_order_id, payment_id, paid_time, granted_coins)
    SELECT gen_random_uuid(), user_id, {request_id}, package_id, provider, currency, amount, coins, state,
        {provider_order_id}, {payment_id}, paid_time, granted_coins
    FROM orders WHERE state = 'PAID'
"""
_EVENT = """
    INSERT INTO webhook_events (provider, event_id, body_digest, kind, headers, body, state, handle_time)
    SELECT provider, {event_id}, {digest}, kind, headers, body, state, handle_time FROM webhook_events
"""
_OTHER = "'other'"
_ANEW = "gen_random_uuid()"

REFUSED: dict[str, tuple[type[psycopg2.Error], str]] = {
    "a second order of one request": (
        UNIQUE,
        _COPY.format(request_id="request_id", provider_order_id=_OTHER, payment_id=_OTHER),
    ),
    "a second order of one session": (
        UNIQUE,
        _COPY.format(request_id=_ANEW, provider_order_id="provider_order_id", payment_id=_OTHER),
    ),
    "a second order of one payment": (
        UNIQUE,
        _COPY.format(request_id=_ANEW, provider_order_id=_OTHER, payment_id="payment_id"),
    ),
    "an event under an id that is there": (
        UNIQUE,
        _EVENT.format(event_id="event_id", digest="'\\x01'"),
    ),
    "an event with a body that is there": (
        UNIQUE,
        _EVENT.format(event_id=_OTHER, digest="body_digest"),
    ),
    "a fact that moved coins already": (
        UNIQUE,
        "INSERT INTO order_transactions SELECT business_key, order_id,"
        " (SELECT transaction_id FROM transactions WHERE type = 'BONUS'), 5 FROM order_transactions",
    ),
    "one transaction for two facts": (
        UNIQUE,
        "INSERT INTO order_transactions"
        " SELECT 'other', order_id, transaction_id, coins FROM order_transactions",
    ),
    "a paid order that waits to be paid": (FORBIDDEN, "UPDATE orders SET state = 'CREATED'"),
    "a paid order that failed": (FORBIDDEN, "UPDATE orders SET state = 'FAILED'"),
    "another price": (FORBIDDEN, "UPDATE orders SET amount = amount + 1"),
    "more coins": (FORBIDDEN, "UPDATE orders SET coins = coins + 1"),
    "another payment": (FORBIDDEN, "UPDATE orders SET payment_id = 'other'"),
    "another session": (FORBIDDEN, "UPDATE orders SET provider_order_id = 'other'"),
    "coins that were never granted": (FORBIDDEN, "UPDATE orders SET granted_coins = 0"),
    "an order without its end": (FORBIDDEN, "DELETE FROM orders"),
    "a move that did not happen": (FORBIDDEN, "DELETE FROM order_transactions"),
    "a move of another amount": (FORBIDDEN, "UPDATE order_transactions SET coins = 1"),
    "more taken than granted": (CHECK, "UPDATE orders SET taken_coins = 401"),
    "more missing than granted": (CHECK, "UPDATE orders SET taken_coins = 200, missing_coins = 201"),
    "more given back than paid": (CHECK, "UPDATE orders SET refunded_amount = 500"),
    "an order in a currency that is none": (
        CHECK,
        "INSERT INTO orders (order_id, user_id, request_id, package_id, provider, currency, amount, coins)"
        " VALUES (gen_random_uuid(), 'ana', gen_random_uuid(), 'coins-400', 'STRIPE', 'eur', 1, 1)",
    ),
    "a refund with the status of a dispute": (
        CHECK,
        "INSERT INTO reversals (order_id, kind, reversal_id, payment_id, amount, status)"
        " SELECT order_id, 'REFUND', 're', 'pi', 1, 'WON' FROM orders",
    ),
    "a handled event that is due": (CHECK, "UPDATE webhook_events SET due_time = now()"),
    "an event that is handled and waits": (CHECK, "UPDATE webhook_events SET state = 'WAITING'"),
}


def _row(right: Mapping[str, str], changes: Mapping[str, str]) -> tuple[str, str]:
    row = {**right, **changes}
    return ", ".join(row), ", ".join(row.values())


def new_order(**changes: str) -> str:
    """Write an INSERT of an unpaid order that is right but for the changes."""
    right = {
        "order_id": _ANEW,
        "user_id": "'ana'",
        "request_id": _ANEW,
        "package_id": "'coins-400'",
        "provider": "'STRIPE'",
        "currency": "'EUR'",
        "amount": "499",
        "coins": "400",
    }
    columns, values = _row(right, changes)
    return f"INSERT INTO orders ({columns}) VALUES ({values})"


def new_move(**changes: str) -> str:
    """Write an INSERT of what the paid order moved, by a transaction that moved nothing of it."""
    right = {
        "business_key": "'other'",
        "order_id": "order_id",
        "coins": "5",
        "transaction_id": "(SELECT transaction_id FROM transactions WHERE type = 'BONUS')",
    }
    columns, values = _row(right, changes)
    return f"INSERT INTO order_transactions ({columns}) SELECT {values} FROM orders"


def new_reversal(order_id: str = "order_id", amount: int = 1) -> str:
    """Write an INSERT of a refund of the paid order."""
    columns = "order_id, kind, reversal_id, payment_id, amount, status"
    values = f"{order_id}, 'REFUND', 're', 'pi', {amount}, 'TAKEN'"
    return f"INSERT INTO reversals ({columns}) SELECT {values} FROM orders"


#: By the constraint that alone stands against it.
BY_CONSTRAINT: dict[str, tuple[type[psycopg2.Error], str]] = {
    "orders_amount": (CHECK, new_order(amount="0")),
    "orders_coins": (CHECK, new_order(coins="0")),
    "orders_provider": (CHECK, new_order(provider="'PAYPAL'")),
    "orders_state": (CHECK, new_order(state="'LOST'", payment_id="'pi'", paid_time="now()")),
    "orders_paid_by_a_payment": (CHECK, new_order(state="'PAID'")),
    "orders_granted_coins": (CHECK, new_order(granted_coins="400")),
    "orders_package_id_fkey": (FOREIGN_KEY, new_order(package_id="'none'")),
    "orders_user_id_fkey": (FOREIGN_KEY, new_order(user_id="'nobody'")),
    "reversals_amount": (CHECK, new_reversal(amount=-1)),
    "reversals_order_id_fkey": (FOREIGN_KEY, new_reversal(_ANEW)),
    "order_transactions_coins": (CHECK, new_move(coins="0")),
    "order_transactions_order_id_fkey": (FOREIGN_KEY, new_move(order_id=_ANEW)),
    "order_transactions_transaction_id_fkey": (FOREIGN_KEY, new_move(transaction_id=_ANEW)),
    "webhook_events_state": (CHECK, "UPDATE webhook_events SET state = 'DONE'"),
    "webhook_events_kept_until_handled": (
        CHECK,
        "UPDATE webhook_events SET state = 'PENDING', due_time = now(), handle_time = NULL, body = NULL",
    ),
}


@pytest.mark.parametrize("name", BY_CONSTRAINT)
def test_a_constraint_forbids(shop: Shop, database: Database, name: str) -> None:
    # given a paid order
    shop.coins.grant(5, type=4)
    shop.bought()
    kind, sql = BY_CONSTRAINT[name]
    # then nobody writes what cannot be
    with pytest.raises(kind) as raised:
        database.run(sql)
    assert raised.value.diag.constraint_name == name


def test_the_templates_of_these_tests_are_right_without_their_change(shop: Shop, database: Database) -> None:
    """Otherwise the tests above would pass for another reason than the one they name."""
    shop.coins.grant(5, type=4)
    shop.bought()
    with database.held() as undone:
        undone.run(new_reversal())
        undone.run(new_move())
        undone.run(new_order())


def test_an_order_follows_its_erased_account_and_loses_what_its_webhooks_say_of_the_payer(
    shop: Shop, database: Database
) -> None:
    # given a paid order, of which a webhook has told
    order, _ = shop.bought()
    kept = "SELECT count(headers), count(body) FROM webhook_events WHERE order_id = %s"
    [before] = database.run(kept, order.order_id)
    assert min(before) > 0
    # when its account is erased
    erased = shop.coins.call("EraseAccount", user_id="ana", request_id=str(uuid4())).account
    # then it is the pseudonym's, and what the provider has sent is gone
    assert database.one("SELECT user_id FROM orders") == erased.user_id
    assert database.run(kept, order.order_id) == [(0, 0)]


@pytest.mark.parametrize(
    "wrong",
    [
        "UPDATE orders SET taken_coins = 1",
        "UPDATE order_transactions SET coins = 399",
        "DELETE FROM order_transactions",
    ],
)
def test_the_verification_finds_an_order_whose_coins_are_not_in_the_books(
    shop: Shop, database: Database, wrong: str
) -> None:
    # given two paid orders, one of which a hand has changed
    order, _ = shop.bought()
    shop.bought(user_id="ben")
    database.corrupt(f"{wrong} WHERE order_id = %s", order.order_id)
    [finding] = shop.coins.call("VerifyLedger").findings
    assert (finding.user_id, finding.check, order.order_id in finding.expected) == (
        "ana",
        "order_coins",
        True,
    )
    database.empty()


@pytest.mark.parametrize("what", REFUSED)
def test_the_database_refuses(shop: Shop, database: Database, what: str) -> None:
    # given a paid order
    shop.coins.grant(5, type=4)
    shop.bought()
    kind, sql = REFUSED[what]
    # then nobody writes what cannot be
    with pytest.raises(kind):
        database.run(sql)
