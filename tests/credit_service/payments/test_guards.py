"""What the database refuses of payments even against a defect of the service, or a hand."""

import psycopg2
import pytest
from psycopg2 import errors

from tests.credit_service.database import Database
from tests.credit_service.payments.shop import Shop

UNIQUE = errors.UniqueViolation
CHECK = errors.CheckViolation
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
