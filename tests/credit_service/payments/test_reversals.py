"""Money that goes back: refunds and disputes take coins, and give them again where they come to nothing."""

import pytest

from tests.credit_service.payments.shop import RAZORPAY, Shop

_COINS = 400
_PRICE = 499


def test_partial_refunds_take_coins_back_in_proportion_and_the_last_takes_the_rest(shop: Shop) -> None:
    order, intent = shop.bought()
    left = []
    for amount in (100, 100, _PRICE - 200):
        assert shop.says("refund.created", shop.stripe.refund(intent, amount)) == "HANDLED"
        # the charge says it as well, as a sum
        assert shop.says("charge.refunded", shop.stripe.charge(intent)) == "HANDLED"
        left.append((shop.holds(), shop.state(order)))
    assert left == [(320, "PAID"), (240, "PAID"), (0, "REFUNDED")]
    assert shop.now(order).taken_coins == _COINS


def test_a_refund_of_razorpays_takes_coins_when_it_is_processed(shop: Shop) -> None:
    order = shop.order(RAZORPAY)
    payment = shop.razorpay.pay(order.provider_order_id)
    shop.razorpay_says("payment.captured", payment=payment)
    refund = shop.razorpay.refund(payment, payment["amount"], "pending")
    assert shop.razorpay_says("refund.created", refund=refund, payment=payment) == "HANDLED"
    assert shop.holds() == _COINS
    refund["status"] = "processed"
    assert shop.razorpay_says("refund.processed", refund=refund, payment=payment) == "HANDLED"
    assert (shop.holds(), shop.state(order)) == (0, "REFUNDED")


def test_a_refund_that_fails_gives_the_coins_again(shop: Shop) -> None:
    order, intent = shop.bought()
    refund = shop.stripe.refund(intent, _PRICE, "pending")
    shop.says("refund.created", refund)
    shop.says("charge.refunded", shop.stripe.charge(intent))
    assert (shop.holds(), shop.state(order)) == (0, "REFUNDED")
    refund["status"] = "failed"
    assert shop.says("refund.failed", refund) == "HANDLED"
    assert (shop.holds(), shop.state(order)) == (_COINS, "PAID")
    # and another one may follow
    shop.says("refund.created", shop.stripe.refund(intent, _PRICE))
    assert (shop.holds(), shop.state(order)) == (0, "REFUNDED")


def test_a_dispute_takes_the_coins_and_a_won_one_gives_them_again(shop: Shop) -> None:
    order, intent = shop.bought()
    dispute = shop.stripe.dispute(intent)
    for kind in ("charge.dispute.created", "charge.dispute.funds_withdrawn"):
        assert shop.says(kind, dispute) == "HANDLED"
        assert (shop.holds(), shop.state(order)) == (0, "DISPUTED")
    dispute["status"] = "won"
    for kind in ("charge.dispute.funds_reinstated", "charge.dispute.closed"):
        assert shop.says(kind, dispute) == "HANDLED"
        assert (shop.holds(), shop.state(order)) == (_COINS, "PAID")
    types = [row.type for row in shop.coins.call("ListTransactions", user_id="ana").transactions]
    assert types == [3, 6, 1]  # REFUND, CHARGEBACK, PURCHASE, newest first


def test_a_lost_dispute_keeps_the_coins_and_an_inquiry_takes_none(shop: Shop) -> None:
    order, intent = shop.bought()
    dispute = shop.stripe.dispute(intent, "warning_needs_response")
    shop.says("charge.dispute.created", dispute)
    assert (shop.holds(), shop.state(order)) == (_COINS, "PAID")
    for status in ("needs_response", "lost"):
        dispute["status"] = status
        shop.says("charge.dispute.closed", dispute)
        assert (shop.holds(), shop.state(order)) == (0, "DISPUTED")


@pytest.mark.parametrize(
    ("phase", "status", "deducted", "coins"),
    [
        ("retrieval", "open", 0, _COINS),
        ("chargeback", "open", 0, 0),
        ("chargeback", "closed", 39_900, 0),
        ("fraud", "closed", 0, _COINS),
        ("chargeback", "won", 0, _COINS),
        ("chargeback", "lost", 39_900, 0),
    ],
)
def test_disputes_at_razorpay(shop: Shop, phase: str, status: str, deducted: int, coins: int) -> None:
    order = shop.order(RAZORPAY)
    payment = shop.razorpay.pay(order.provider_order_id)
    shop.razorpay_says("payment.captured", payment=payment)
    dispute = shop.razorpay.dispute(payment, status, phase) | {"amount_deducted": deducted}
    assert shop.razorpay_says("payment.dispute.created", payment=payment, dispute=dispute) == "HANDLED"
    assert shop.holds() == coins


def test_coins_that_are_reserved_are_taken_back_too(shop: Shop) -> None:
    order, intent = shop.bought()
    reservation = shop.coins.reserved(300)
    shop.says("charge.dispute.created", shop.stripe.dispute(intent))
    assert (shop.coins.coins(), shop.state(order)) == ((0, 0, 0), "DISPUTED")
    assert shop.coins.reservation(reservation).release_reason == "balance_withdrawn"


def test_coins_that_were_spent_are_missing_and_the_first_to_be_forgiven(shop: Shop) -> None:
    # given a user who has spent most of what was bought
    order, intent = shop.bought()
    shop.coins.debit(300, type=5)
    # when the payment is disputed
    dispute = shop.stripe.dispute(intent)
    shop.says("charge.dispute.created", dispute)
    # then what is there is taken, and the rest on record
    now = shop.now(order)
    assert (shop.holds(), now.taken_coins, now.missing_coins) == (0, 100, 300)
    # and nothing is taken of what comes later
    shop.coins.grant(1_000)
    dispute["status"] = "lost"
    shop.says("charge.dispute.closed", dispute)
    assert shop.holds() == 1_000
    # when it is won after all, then what was taken comes again, and no more
    dispute["status"] = "won"
    shop.says("charge.dispute.closed", dispute)
    now = shop.now(order)
    assert (shop.holds(), now.taken_coins, now.missing_coins) == (1_100, 0, 0)


def test_a_refund_beside_a_dispute_takes_nothing_twice(shop: Shop) -> None:
    order, intent = shop.bought()
    shop.says("refund.created", shop.stripe.refund(intent, 250))
    dispute = shop.stripe.dispute(intent)
    shop.says("charge.dispute.created", dispute)
    assert (shop.holds(), shop.now(order).taken_coins) == (0, _COINS)
    dispute["status"] = "won"
    shop.says("charge.dispute.closed", dispute)
    assert (shop.holds(), shop.state(order)) == (_COINS - _COINS * 250 // _PRICE, "PAID")
