"""Webhooks: what grants coins, what is nothing to us, what is forged, and what is kept."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from credit_service.payments.webhook_events import MAX_REJECTED_BYTES, MAX_REJECTIONS
from protos.payment.v1 import payment_pb2 as pb
from tests.credit_service.client import Client, new_id, refused
from tests.credit_service.database import Database
from tests.credit_service.payments.shop import RAZORPAY, STRIPE, TEST, Shop, outcome
from tests.eventually import eventually
from tests.fakes import razorpay_server, stripe_server

_COINS = 400
_PRICE = 499


@pytest.mark.parametrize("first", [0, 1])
def test_coins_are_granted_once_whichever_paid_event_comes_first(shop: Shop, first: int) -> None:
    # given a paid order
    order = shop.order()
    events = shop.paid_events(order, shop.stripe.pay(order.provider_order_id))
    # when both events come, and both again
    assert shop.send(events[first]) == "HANDLED"
    assert shop.holds() == _COINS
    assert shop.send(events[1 - first]) == "HANDLED"
    assert [shop.send(event) for event in events] == ["DUPLICATE"] * 2
    # then the coins came once
    now = shop.now(order)
    assert (shop.holds(), now.granted_coins, shop.state(order)) == (_COINS, _COINS, "PAID")
    assert now.HasField("paid_time")
    assert not now.HasField("checkout")


@pytest.mark.parametrize("first", [0, 1])
def test_razorpays_two_paid_events_grant_once(shop: Shop, first: int) -> None:
    order = shop.order(RAZORPAY)
    payment = shop.razorpay.pay(order.provider_order_id)
    both = [
        shop.razorpay.event("payment.captured", payment=payment),
        shop.razorpay.event(
            "order.paid", payment=payment, order=shop.razorpay.orders[order.provider_order_id]
        ),
    ]
    assert shop.send(both[first], RAZORPAY) == "HANDLED"
    assert shop.send(both[1 - first], RAZORPAY) == "HANDLED"
    assert (shop.holds(), shop.state(order)) == (_COINS, "PAID")


def test_a_session_that_completes_unpaid_grants_nothing_until_the_money_comes(shop: Shop) -> None:
    # given a slow method of payment
    order = shop.order()
    session = shop.stripe.sessions[order.provider_order_id]
    unpaid = {**session, "status": "complete", "payment_intent": "pi_slow"}
    assert shop.says("checkout.session.completed", unpaid) == "IGNORED"
    assert shop.state(order) == "CREATED"
    # when the money comes
    assert (
        shop.says("checkout.session.async_payment_succeeded", {**unpaid, "payment_status": "paid"})
        == "HANDLED"
    )
    assert (shop.holds(), shop.state(order)) == (_COINS, "PAID")


@pytest.mark.parametrize("kind", ["checkout.session.expired", "checkout.session.async_payment_failed"])
def test_an_order_that_failed_is_paid_all_the_same_when_money_comes(shop: Shop, kind: str) -> None:
    order = shop.order()
    session = shop.stripe.sessions[order.provider_order_id]
    assert shop.says(kind, session) == "HANDLED"
    assert shop.state(order) == "FAILED"
    assert not shop.now(order).HasField("checkout")
    # when it was paid after all, then it is paid, and a late failure takes nothing back
    intent = shop.stripe.pay(order.provider_order_id)
    assert shop.says("payment_intent.succeeded", intent) == "HANDLED"
    assert shop.says(kind, session) == "HANDLED"
    assert (shop.state(order), shop.holds()) == ("PAID", _COINS)


def test_a_payment_that_failed_or_is_only_authorised_leaves_the_order_open(shop: Shop) -> None:
    order = shop.order(RAZORPAY)
    for kind, status in (("payment.failed", "failed"), ("payment.authorized", "authorized")):
        payment = shop.razorpay.pay(order.provider_order_id, status)
        assert shop.razorpay_says(kind, payment=payment) == "IGNORED"
    assert shop.state(order) == "CREATED"


@pytest.mark.parametrize("wrong", [{"amount_received": 1}, {"currency": "usd"}, {"amount_received": 10**12}])
def test_another_amount_or_currency_grants_nothing_and_asks_for_a_look(
    shop: Shop, database: Database, wrong: dict[str, Any]
) -> None:
    order = shop.order()
    intent = shop.stripe.pay(order.provider_order_id) | wrong
    assert shop.says("payment_intent.succeeded", intent) == "REFUSED"
    assert shop.state(order) == "CREATED"
    [(detail,)] = database.run("SELECT detail FROM webhook_events WHERE state = 'REFUSED'")
    assert detail.startswith("the order")


def test_a_second_payment_of_one_order_grants_nothing_and_its_refund_takes_nothing(
    shop: Shop, database: Database
) -> None:
    # given an order at Razorpay that was paid twice, the first payment being authorised late
    order = shop.order(RAZORPAY)
    first, second = (shop.razorpay.pay(order.provider_order_id) for _ in range(2))
    assert shop.razorpay_says("payment.captured", payment=first) == "HANDLED"
    assert shop.razorpay_says("payment.captured", payment=second) == "HANDLED"
    assert shop.holds() == _COINS
    [(detail,)] = database.run("SELECT detail FROM webhook_events WHERE detail <> ''")
    assert second["id"] in detail
    # when the second is given back, as the record asks for
    refund = shop.razorpay.refund(second, second["amount"])
    assert shop.razorpay_says("refund.processed", refund=refund, payment=second) == "HANDLED"
    # then the first still stands
    assert (shop.holds(), shop.state(order)) == (_COINS, "PAID")


def test_a_payment_for_an_account_that_was_closed_is_kept_for_a_look(shop: Shop, database: Database) -> None:
    order = shop.order()
    shop.coins.grant(5)
    shop.coins.close()
    intent = shop.stripe.pay(order.provider_order_id)
    assert shop.says("payment_intent.succeeded", intent) == "HANDLED"
    assert (shop.state(order), shop.now(order).granted_coins, shop.holds()) == ("PAID", 0, 5)
    assert "give the money back" in database.one("SELECT detail FROM webhook_events")
    # and giving it back takes no coins that were never given
    assert shop.says("refund.created", shop.stripe.refund(intent, _PRICE)) == "HANDLED"
    assert (shop.state(order), shop.holds()) == ("REFUNDED", 5)


def test_a_payment_for_an_account_that_was_erased_before_its_first_coin_is_kept_for_a_look(
    shop: Shop, database: Database
) -> None:
    # given a new user who orders, leaves, and comes back
    order, open_ = shop.order(), shop.order()
    request_id = new_id()
    shop.coins.call("EraseAccount", user_id="ana", request_id=request_id)
    shop.coins.grant(5)
    # when the first order is paid after all
    intent = shop.stripe.pay(order.provider_order_id)
    assert shop.says("payment_intent.succeeded", intent) == "HANDLED"
    # then it is paid, under the pseudonym, and nobody got coins
    order.user_id = f"erased-{request_id}"
    now = shop.now(order)
    assert (shop.state(order), now.granted_coins, shop.holds()) == ("PAID", 0, 5)
    assert "give the money back" in database.one("SELECT detail FROM webhook_events")
    # and giving it back is as ever
    assert shop.says("refund.created", shop.stripe.refund(intent, _PRICE)) == "HANDLED"
    assert (shop.state(order), shop.holds()) == ("REFUNDED", 5)
    # and what the payer is called stays with the provider, also of what comes later
    assert database.run("SELECT DISTINCT body IS NULL AND headers IS NULL FROM webhook_events") == [(True,)]
    assert shop.state(pb.Order(user_id=order.user_id, order_id=open_.order_id)) == "CREATED"


def test_notes_that_a_payer_wrote_lead_to_no_other_order(shop: Shop) -> None:
    # given that Razorpay's checkout lets whoever opens it write notes on the payment
    bought = shop.order(RAZORPAY)
    other = shop.order(RAZORPAY, package_id="coins-1600")
    payment = shop.razorpay.pay(bought.provider_order_id) | {"notes": {"order_id": other.order_id}}
    # when they name another order of the payer's
    in_order = shop.razorpay.orders[bought.provider_order_id]
    assert shop.razorpay_says("payment.captured", payment=payment) == "HANDLED"
    assert shop.razorpay_says("order.paid", payment=payment, order=in_order) == "HANDLED"
    # then the payment is that of the order that it was made for
    assert (shop.state(bought), shop.state(other), shop.holds()) == ("PAID", "CREATED", _COINS)
    # and what goes back goes back there
    refund = shop.razorpay.refund(payment, payment["amount"])
    assert shop.razorpay_says("refund.processed", refund=refund, payment=payment) == "HANDLED"
    assert (shop.state(bought), shop.holds()) == ("REFUNDED", 0)


def test_a_payment_of_another_product_pays_no_order_that_its_payer_names(shop: Shop) -> None:
    # given an order that was made outside of this service, and a payment whose payer names one of ours
    order = shop.order(RAZORPAY)
    elsewhere = shop.razorpay.pay(order.provider_order_id) | {
        "order_id": "order_elsewhere",
        "notes": {"order_id": order.order_id},
    }
    assert shop.razorpay_says("payment.captured", payment=elsewhere) == "WAITING"
    assert shop.state(order) == "CREATED"


def test_what_is_nothing_to_us_is_ignored(shop: Shop) -> None:
    # given other products of the same accounts, and events without any meaning here
    others: list[tuple[str, dict[str, Any]]] = [
        ("customer.created", {"id": "cus_1", "object": "customer"}),
        ("payment_intent.succeeded", {"id": "pi_x", "amount_received": 5, "currency": "eur"}),
        (
            "checkout.session.completed",
            {"id": "cs_x", "payment_status": "paid", "payment_intent": "pi_x", "metadata": {"cart": "7"}},
        ),
        ("payment_intent.payment_failed", {"id": "pi_x"}),
    ]
    assert [shop.says(*other) for other in others] == ["IGNORED"] * 4
    payment = {"id": "pay_x", "order_id": None, "amount": 5, "currency": "INR", "status": "captured"}
    assert shop.razorpay_says("payment.captured", payment=payment) == "IGNORED"


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        b"[1]",
        b"\xc3\xa9",
        b'{"id": "evt_1", "object": "event", "type": "refund.created", "data": {"object": 5}}',
        b'{"id": "evt_1", "object": "event", "type": "refund.created", "data": {"object": {"id": "re_1"}}}',
        b'{"id": "evt_\\u0000", "object": "event", "type": "x.y", "data": {"object": {}}}',
        b'{"id": "evt_1", "object": "event", "type": "x\\u0000", "data": {"object": {}}}',
        b"[" * 100_000,
    ],
)
def test_a_signed_event_that_cannot_be_read_is_kept_for_a_look(
    shop: Shop, database: Database, body: bytes
) -> None:
    assert shop.send(body) == "REFUSED"
    assert bytes(database.one("SELECT body FROM webhook_events")) == body
    assert shop.send(body) == "DUPLICATE"


def test_a_webhook_that_names_another_providers_order_changes_nothing(shop: Shop) -> None:
    order = shop.order(RAZORPAY)
    intent = {
        "id": "pi_1",
        "amount_received": 39_900,
        "currency": "inr",
        "metadata": {"order_id": order.order_id},
    }
    assert shop.says("payment_intent.succeeded", intent) == "WAITING"
    assert shop.state(order) == "CREATED"


def test_a_webhook_is_kept_as_it_came(shop: Shop, database: Database) -> None:
    order = shop.order()
    intent = shop.stripe.pay(order.provider_order_id)
    body = shop.stripe.event("payment_intent.succeeded", intent, "evt_kept").replace(b", ", b",\n\t")
    headers = stripe_server.signed(body)
    answer = shop.webhook(STRIPE, body, headers)
    assert (outcome(answer), answer.event_id, answer.order_id) == ("HANDLED", "evt_kept", order.order_id)
    [(kept, kept_headers, kind)] = database.run("SELECT body, headers, kind FROM webhook_events")
    assert bytes(kept) == body
    assert kept_headers["stripe-signature"] == headers["Stripe-Signature"]
    assert kind == "payment_intent.succeeded"


@pytest.mark.parametrize("provider", [STRIPE, RAZORPAY, TEST])
def test_a_forged_webhook_does_nothing_and_fills_no_disk(
    shop: Shop, database: Database, provider: Any
) -> None:
    order = shop.order()
    body = shop.stripe.event("payment_intent.succeeded", shop.stripe.pay(order.provider_order_id))
    forged = {
        STRIPE: stripe_server.signed(body, "whsec_other"),
        RAZORPAY: razorpay_server.signed(body, "other"),
        TEST: {"x-test-signature": "0"},
    }
    # when it comes large and again and again
    body += b" " * 10_000
    for _ in range(3):
        error = refused("WEBHOOK_SIGNATURE_INVALID", partial(shop.webhook, provider, body, forged[provider]))
        assert set(error.metadata) == {"provider"}
    # then only its beginning is kept
    assert database.one("SELECT count(*) FROM webhook_events") == 0
    assert database.run("SELECT DISTINCT octet_length(body_start), body_bytes FROM webhook_rejections") == [
        (MAX_REJECTED_BYTES, len(body))
    ]
    assert shop.state(order) == "CREATED"
    # and of many only the newest
    database.run("UPDATE webhook_rejections SET rejection_number = rejection_number - %s", MAX_REJECTIONS)
    refused("WEBHOOK_SIGNATURE_INVALID", partial(shop.webhook, provider, body, forged[provider]))
    assert database.one("SELECT count(*) FROM webhook_rejections") == 1


def test_an_old_or_a_future_signature_of_stripes_does_nothing(shop: Shop) -> None:
    body = shop.stripe.event("customer.created", {"id": "cus_1"})
    now = json.loads(body)["created"]
    for timestamp in (now - 400, now + 400):
        headers = stripe_server.signed(body, timestamp=timestamp)
        refused("WEBHOOK_SIGNATURE_INVALID", partial(shop.webhook, STRIPE, body, headers))


def test_razorpays_body_under_another_event_id_is_the_same_event(shop: Shop, database: Database) -> None:
    # given that Razorpay signs neither a time nor the event id
    order = shop.order(RAZORPAY)
    body = shop.razorpay.event("payment.captured", payment=shop.razorpay.pay(order.provider_order_id))
    # when a body is sent again under other ids, and without any
    sent = [razorpay_server.signed(body, event_id=name) for name in ("evt_1", "evt_1", "evt_2", "é")]
    sent.append({"x-razorpay-signature": sent[0]["X-Razorpay-Signature"]})
    outcomes = [outcome(shop.webhook(RAZORPAY, body, headers)) for headers in sent]
    # then it is known, and kept once
    assert outcomes == ["HANDLED"] + ["DUPLICATE"] * 4
    assert database.one("SELECT count(*) FROM webhook_events") == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"provider": 0}, "provider"),
        ({"body": b""}, "body"),
        ({"body": b"x" * (256 * 1024 + 1)}, "body"),
        ({"headers": {str(number): "" for number in range(65)}}, "headers"),
        ({"headers": {"a": "x" * 17_000}}, "headers"),
        ({"headers": {"a": "\x00"}}, "headers"),
    ],
)
def test_a_webhook_out_of_bounds_names_the_field(shop: Shop, wrong: dict[str, Any], field: str) -> None:
    request = pb.HandleWebhookRequest(**{"provider": STRIPE, "body": b"{}", **wrong})
    assert refused("INVALID_FIELD", partial(shop.call, "HandleWebhook", request)).metadata["field"] == field


def test_an_order_follows_its_account_to_a_pseudonym_and_its_webhooks_are_emptied(
    shop: Shop, database: Database
) -> None:
    # given a paid order, one that was never paid, and another user's
    order, intent = shop.bought(user_id="gone")
    open_ = shop.order(user_id="never-paid")
    shop.bought(user_id="ben")
    # when the accounts are erased
    erased = [
        shop.coins.call("EraseAccount", user_id=user_id, request_id=new_id()).account.user_id
        for user_id in ("gone", "never-paid")
    ]
    # then the orders go by these, and what Stripe sent about them is gone
    names = dict(database.run("SELECT CAST(order_id AS text), user_id FROM orders"))
    assert [names[order.order_id], names[open_.order_id]] == erased
    kept = database.run("SELECT body IS NOT NULL FROM webhook_events ORDER BY event_number")
    assert kept == [(False,), (True,)]
    # and money that goes back later takes and gives no coins
    shop.says("refund.created", shop.stripe.refund(intent, _PRICE))
    assert database.one("SELECT missing_coins FROM orders WHERE user_id = %s", erased[0]) == _COINS


def test_old_bodies_are_forgotten_and_their_ids_are_not(
    shop: Shop, database: Database, start: Callable[..., Client]
) -> None:
    body = shop.stripe.event("customer.created", {"id": "cus_1"}, "evt_old")
    shop.send(body)
    refused("WEBHOOK_SIGNATURE_INVALID", partial(shop.webhook, STRIPE, body, {}))
    for table in ("webhook_events", "webhook_rejections"):
        database.run(f"UPDATE {table} SET receive_time = now() - interval '91 days'")
    # when a service looks, as it does at its start
    start(payment_webhook_poll_s=0.05)
    eventually(lambda: database.one("SELECT body IS NULL AND headers IS NULL FROM webhook_events"))
    assert database.one("SELECT count(*) FROM webhook_rejections") == 0
    assert shop.send(body) == "DUPLICATE"
