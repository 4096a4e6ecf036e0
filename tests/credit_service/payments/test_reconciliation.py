"""The reconciliation: what no webhook has told is asked of the providers, and settled by the same rules."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from credit_service import payment_commands
from credit_service.settings import CreditSettings
from tests.credit_service.client import new_id
from tests.credit_service.database import Database
from tests.credit_service.payments.shop import RAZORPAY, TEST, Shop, settings
from tests.fakes.http_server import Answer, Fault

_COINS = 400
Reconcile = Callable[..., tuple[int, str]]


@pytest.fixture
def reconcile(shop: Shop, migrated: str, database: Database, capsys: pytest.CaptureFixture[str]) -> Reconcile:
    """Run the command as of an hour later, and answer its exit code and what it printed."""
    given = settings(shop.stripe, shop.razorpay) | {"credit_database_url": migrated}

    def run(order_id: str | None = None) -> tuple[int, str]:
        database.run(
            "UPDATE orders SET create_time = create_time - interval '1 hour' WHERE state = 'CREATED'"
        )
        capsys.readouterr()
        code = payment_commands.reconcile(
            CreditSettings.model_validate(given),
            timedelta(minutes=30),
            100,
            None if order_id is None else UUID(order_id),
        )
        printed = capsys.readouterr()
        lines = [line for line in printed.out.splitlines() if not line.startswith("2")]
        return code, "\n".join(lines) + printed.err

    return run


def test_orders_that_hang_are_asked_about_and_end_right(shop: Shop, reconcile: Reconcile) -> None:
    # given orders that were paid, expired, refunded and left open, and no webhook at all
    paid, expired, refunded, open_ = (shop.order() for _ in range(4))
    at_razorpay = shop.order(RAZORPAY, user_id="ben")
    intent = shop.stripe.pay(paid.provider_order_id)
    shop.stripe.expire(expired.provider_order_id)
    shop.stripe.refund(shop.stripe.pay(refunded.provider_order_id), 499)
    shop.razorpay.pay(at_razorpay.provider_order_id, "failed")
    payment = shop.razorpay.pay(at_razorpay.provider_order_id)
    shop.razorpay.refund(payment, 3_990)
    # when the providers are asked
    code, said = reconcile()
    # then each order is where it belongs
    assert code == 0
    assert said.endswith("5 orders asked about, 4 changed, 0 unclear")
    states = [shop.state(order) for order in (paid, expired, refunded, open_, at_razorpay)]
    assert states == ["PAID", "FAILED", "REFUNDED", "CREATED", "PAID"]
    assert (shop.holds(), shop.holds("ben")) == (_COINS, _COINS - 40)
    # and a webhook that comes late after all changes nothing, and so does asking again
    assert shop.says("payment_intent.succeeded", intent) == "HANDLED"
    assert reconcile()[1].endswith("1 orders asked about, 0 changed, 0 unclear")
    assert (shop.holds(), shop.holds("ben")) == (_COINS, _COINS - 40)


def test_one_order_is_asked_about_whatever_its_state(shop: Shop, reconcile: Reconcile) -> None:
    # given a paid order that was refunded and disputed without our hearing of it
    order, intent = shop.bought()
    shop.stripe.refund(intent, 499)
    dispute = shop.stripe.dispute(intent, "lost")
    code, said = reconcile(order.order_id)
    assert (code, shop.state(order), shop.holds()) == (0, "DISPUTED", 0)
    assert "PAID -> DISPUTED" in said
    # and the webhooks that were on their way are no second time
    assert shop.says("charge.dispute.closed", dispute) == "HANDLED"
    code, said = reconcile(str(uuid4()))
    assert (code, "there is no order" in said) == (1, True)


def test_a_provider_that_does_not_answer_leaves_the_order_unclear(shop: Shop, reconcile: Reconcile) -> None:
    order = shop.order()
    for fault in (Fault(cut=True), Fault(answer=Answer({"id": "cs_1", "payment_status": 5}))):
        shop.stripe.faults.append(fault)
        code, said = reconcile()
        assert (code, "1 unclear" in said) == (1, True)
        assert shop.state(order) == "CREATED"


def test_an_order_that_was_never_opened_is_given_up_after_a_day(
    shop: Shop, reconcile: Reconcile, database: Database
) -> None:
    # given an order whose maker died before the provider was asked
    order = shop.order(TEST)
    database.corrupt("UPDATE orders SET provider_order_id = NULL WHERE order_id = %s", order.order_id)
    code, said = reconcile()
    assert (code, "not opened yet" in said, shop.state(order)) == (1, True, "CREATED")
    database.run("UPDATE orders SET create_time = create_time - interval '1 day'")
    assert reconcile()[0] == 0
    assert shop.state(order) == "FAILED"


def test_an_order_that_nobody_pays_is_given_up_after_a_week_and_paid_all_the_same_when_money_comes(
    shop: Shop, reconcile: Reconcile, database: Database
) -> None:
    # given an order at Razorpay, where none ever expires
    order = shop.order(RAZORPAY)
    assert reconcile()[0] == 0
    assert shop.state(order) == "CREATED"
    database.run("UPDATE orders SET create_time = create_time - interval '7 days'")
    assert reconcile()[0] == 0
    assert shop.state(order) == "FAILED"
    shop.razorpay_says("payment.captured", payment=shop.razorpay.pay(order.provider_order_id))
    assert (shop.state(order), shop.holds()) == ("PAID", _COINS)


def test_what_needs_a_look_is_listed(shop: Shop, reconcile: Reconcile) -> None:
    order = shop.order()
    intent = shop.stripe.pay(order.provider_order_id) | {"amount_received": 1}
    shop.send(shop.stripe.event("payment_intent.succeeded", intent, "evt_wrong"))
    assert "look at: STRIPE evt_wrong payment_intent.succeeded REFUSED: the order costs 499" in reconcile()[1]


def test_money_that_brought_no_coins_is_listed_too(shop: Shop, reconcile: Reconcile) -> None:
    order = shop.order(RAZORPAY)
    for _ in range(2):
        shop.razorpay_says("payment.captured", payment=shop.razorpay.pay(order.provider_order_id))
    assert "payment.captured HANDLED: payment pay_" in reconcile()[1]
    # and what the reconciliation itself finds so is said at once
    late = shop.order(user_id="ben")
    shop.coins.call("EraseAccount", user_id="ben", request_id=new_id())
    shop.stripe.pay(late.provider_order_id)
    [line] = [line for line in reconcile()[1].splitlines() if late.order_id in line]
    assert line.endswith("-> PAID; the account takes no coins: give the money back")


def test_an_order_that_cannot_be_settled_keeps_no_other_from_it(
    shop: Shop, reconcile: Reconcile, database: Database
) -> None:
    # given an order whose purchase a hand has set back, and younger ones
    spoiled, _ = shop.bought()
    database.corrupt(
        "UPDATE orders SET state = 'CREATED', payment_id = NULL, paid_time = NULL, granted_coins = 0"
    )
    paid, open_ = shop.order(user_id="ben"), shop.order(user_id="ben")
    shop.stripe.pay(paid.provider_order_id)
    # when the providers are asked, then the one stays unclear, and the others are settled
    code, said = reconcile()
    assert (code, "3 orders asked about, 1 changed, 1 unclear" in said) == (1, True)
    assert [shop.state(order) for order in (spoiled, paid, open_)] == ["CREATED", "PAID", "CREATED"]


def test_a_test_order_lives_by_commands(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a TEST order
    order = shop.order(TEST)
    monkeypatch.setenv("HOLDFAST_CREDIT_PORT", shop.port)

    def happens(kind: str, amount: int | None = None) -> str:
        capsys.readouterr()
        assert payment_commands.pay_test_order("ana", UUID(order.order_id), kind, amount) == 0
        return capsys.readouterr().out.splitlines()[-1].split(": ", 1)[1]

    # then everything can happen to it
    assert happens("failed") == "FAILED, 0 coins granted, 0 taken back"
    assert happens("paid") == "PAID, 400 coins granted, 0 taken back"
    assert happens("refunded", 100) == "PAID, 400 coins granted, 80 taken back"
    assert happens("disputed") == "DISPUTED, 400 coins granted, 400 taken back"
    assert happens("dispute-won") == "PAID, 400 coins granted, 80 taken back"
    assert payment_commands.pay_test_order("ben", UUID(order.order_id), "paid", None) == 1
