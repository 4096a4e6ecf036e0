"""Webhooks out of order, at once and by the hundred: each order ends right, and the coins are exact."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

from protos.payment.v1 import payment_pb2 as pb
from tests.credit_service.client import Client, at_once
from tests.credit_service.database import Database
from tests.credit_service.payments.shop import RAZORPAY, Shop, settings
from tests.eventually import eventually

_COINS = 400
_PRICE = 499
_EVENT = "SELECT state FROM webhook_events WHERE event_id = %s"


def test_what_comes_before_its_order_waits_and_is_handled_once_that_is_known(
    shop: Shop, database: Database
) -> None:
    # given a refund that is told of before the payment: Stripe names it by the payment only
    order = shop.order()
    intent = shop.stripe.pay(order.provider_order_id)
    refund = shop.stripe.event("refund.created", shop.stripe.refund(intent, _PRICE), "evt_early")
    assert shop.send(refund) == "WAITING"
    assert shop.send(refund) == "WAITING"
    # when the payment comes, then the refund follows by itself
    assert shop.says("payment_intent.succeeded", intent) == "HANDLED"
    eventually(lambda: shop.state(order) == "REFUNDED")
    assert shop.holds() == 0
    eventually(lambda: database.run(_EVENT, "evt_early")[0][0] == "HANDLED")
    # and both stand in the history
    amounts = [row.amount for row in shop.coins.call("ListTransactions", user_id="ana").transactions]
    assert amounts == [-_COINS, _COINS]


def test_what_names_its_order_is_kept_until_the_payment_comes(shop: Shop) -> None:
    # given a refund and a dispute at Razorpay, which name the order
    order = shop.order(RAZORPAY)
    payment = shop.razorpay.pay(order.provider_order_id)
    refund = shop.razorpay.refund(payment, 9_900)
    assert shop.razorpay_says("refund.processed", refund=refund, payment=payment) == "HANDLED"
    dispute = shop.razorpay.dispute(payment, "lost")
    assert shop.razorpay_says("payment.dispute.lost", dispute=dispute, payment=payment) == "HANDLED"
    assert shop.state(order) == "CREATED"
    # when the payment comes last
    assert shop.razorpay_says("payment.captured", payment=payment) == "HANDLED"
    assert (shop.holds(), shop.state(order)) == (0, "DISPUTED")


def test_what_never_finds_its_order_has_an_end(shop: Shop, database: Database) -> None:
    refund = {"id": "re_x", "payment_intent": "pi_x", "amount": 5, "currency": "eur", "status": "succeeded"}
    body = shop.stripe.event("refund.created", refund, "evt_lost")
    assert shop.send(body) == "WAITING"
    database.run(
        "UPDATE webhook_events SET receive_time = now() - interval '5 days', due_time = now()"
        " WHERE event_id = 'evt_lost'"
    )
    eventually(lambda: database.run(_EVENT, "evt_lost")[0][0] == "UNMATCHED")
    assert shop.send(body) == "DUPLICATE"


def test_one_event_in_two_copies_at_once_is_handled_once(
    shop: Shop, database: Database, start: Callable[..., Client]
) -> None:
    other = Shop(start(**settings(shop.stripe, shop.razorpay)), shop.stripe, shop.razorpay)
    for _ in range(5):
        order = shop.order(user_id=str(uuid4()))
        events = shop.paid_events(order, shop.stripe.pay(order.provider_order_id))
        # when both events come to both copies at once, several times
        sends = [partial(copy.send, event) for copy in (shop, other) for event in events * 2]
        outcomes = at_once(sends)
        # then each is handled once, and the coins come once
        assert sorted(map(str, outcomes)) == ["DUPLICATE"] * 6 + ["HANDLED"] * 2
        assert shop.holds(order.user_id) == _COINS
    assert database.one("SELECT count(*) FROM order_transactions") == 5


def test_webhooks_beside_reservations_and_grants_of_the_same_user_never_deadlock(shop: Shop) -> None:
    bought = [shop.order() for _ in range(6)]
    intents = [shop.stripe.pay(order.provider_order_id) for order in bought]
    calls: list[Callable[[], Any]] = [
        partial(shop.says, "payment_intent.succeeded", intent) for intent in intents
    ]
    calls += [partial(shop.coins.grant, 10) for _ in range(6)]
    calls += [partial(shop.says, "charge.refunded", shop.stripe.charge(intent)) for intent in intents]
    at_once(calls)
    eventually(lambda: shop.holds() == 6 * _COINS + 60)


def test_payments_beside_an_erasure_are_all_paid_under_the_pseudonym_with_their_coins_or_none(
    shop: Shop, database: Database
) -> None:
    intents = [shop.stripe.pay(shop.order().provider_order_id) for _ in range(6)]
    # when all of them are said to be paid while the account is erased
    pays: list[Callable[[], Any]] = [
        partial(shop.says, "payment_intent.succeeded", intent) for intent in intents
    ]
    erase: Callable[[], Any] = partial(
        shop.coins.call, "EraseAccount", user_id="ana", request_id=str(uuid4())
    )
    at_once([*pays[:3], erase, *pays[3:]])
    # then each is settled, and the books have what the orders say
    unpaid = "SELECT count(*) FROM orders WHERE state <> 'PAID' OR user_id NOT LIKE 'erased-%'"
    eventually(lambda: database.one(unpaid) == 0)
    granted = database.one("SELECT sum(granted_coins) FROM orders")
    assert granted % _COINS == 0
    assert database.run("SELECT balance FROM accounts") == [(granted,)]


def test_duplicate_and_shuffled_webhooks_by_the_hundred_end_each_order_right(shop: Shop) -> None:
    # given orders that went all ways that there are, and every event that Stripe has of them, twice
    dice = random.Random(11)
    events: list[bytes] = []
    expected: dict[str, tuple[str, int]] = {}
    for number in range(24):
        order = shop.order(user_id=f"user-{number}")
        intent = shop.stripe.pay(order.provider_order_id)
        events += shop.paid_events(order, intent)
        expected[order.order_id] = _lived(shop, intent, number, events)
    events = events * 2
    dice.shuffle(events)
    # when all of them come, eight at a time
    for first in range(0, len(events), 8):
        at_once(partial(shop.send, event) for event in events[first : first + 8])

    def ends() -> dict[str, tuple[str, int]]:
        return {
            order_id: (
                shop.state(pb.Order(user_id=f"user-{number}", order_id=order_id)),
                shop.holds(f"user-{number}"),
            )
            for number, order_id in enumerate(expected)
        }

    # then each order is where its life has led it, and the coins are exact
    eventually(lambda: ends() == expected, timeout_s=30)
    assert len(events) >= 200


def _lived(shop: Shop, intent: dict[str, Any], number: int, events: list[bytes]) -> tuple[str, int]:
    """Let something happen to a payment, add its events, and answer the order's state and coins."""
    say = shop.stripe.event
    if number % 6 == 1:
        for amount in (120, 120):
            events.append(say("refund.created", shop.stripe.refund(intent, amount)))
            events.append(say("charge.refunded", shop.stripe.charge(intent)))
        return "PAID", _COINS - _COINS * 240 // _PRICE
    if number % 6 == 2:
        events.append(say("refund.created", shop.stripe.refund(intent, _PRICE)))
        events.append(say("charge.refunded", shop.stripe.charge(intent)))
        return "REFUNDED", 0
    if number % 6 == 3:
        refund = shop.stripe.refund(intent, _PRICE, "pending")
        events.append(say("refund.created", refund))
        events.append(say("charge.refunded", shop.stripe.charge(intent)))
        refund["status"] = "failed"
        events.append(say("refund.failed", refund))
        return "PAID", _COINS
    if number % 6 in (4, 5):
        dispute = shop.stripe.dispute(intent)
        events.append(say("charge.dispute.created", dispute))
        events.append(say("charge.dispute.funds_withdrawn", dispute))
        dispute["status"] = "won" if number % 6 == 4 else "lost"
        events.append(say("charge.dispute.closed", dispute))
        return ("PAID", _COINS) if number % 6 == 4 else ("DISPUTED", 0)
    return "PAID", _COINS
