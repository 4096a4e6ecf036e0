"""Orders: made once a request, opened at the vendors through their own SDKs, whatever fails in between."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from credit_service.payments.errors import ProviderUnavailable
from credit_service.payments.vendor_calls import VendorCalls
from credit_service.settings import CreditSettings
from protos.payment.v1 import payment_pb2 as pb
from servicekit.errors import ServiceError
from tests.credit_service.client import Client, at_once, new_id, refused
from tests.credit_service.database import Database
from tests.credit_service.payments.shop import RAZORPAY, STRIPE, TEST, Shop, settings
from tests.eventually import eventually
from tests.fakes import stripe_server
from tests.fakes.http_server import Answer, Fault

_ERROR_500 = Fault(answer=Answer("<html>bad gateway</html>", 502))


def test_packages_have_prices_and_the_providers_are_listed(shop: Shop) -> None:
    answer = shop.call("ListPackages", pb.ListPackagesRequest())
    smallest = answer.packages[0]
    prices = {price.currency: (price.amount, price.minor_digits) for price in smallest.prices}
    assert (smallest.package_id, smallest.coins) == ("coins-400", 400)
    assert prices["EUR"] == (499, 2)
    assert prices["JPY"] == (800, 0)
    assert [price.currency for price in smallest.prices] == sorted(prices)
    assert list(answer.providers) == [STRIPE, RAZORPAY, TEST]


def test_without_keys_no_provider_is_offered_and_nothing_can_be_bought(start: Callable[..., Client]) -> None:
    # given a service without keys
    shop = Shop(start(), None, None)  # type: ignore[arg-type]  # there is no provider
    # then it lists none, and takes no order for any
    assert list(shop.call("ListPackages", pb.ListPackagesRequest()).providers) == []
    for provider in (STRIPE, RAZORPAY, TEST):
        error = refused("INVALID_FIELD", partial(shop.order, provider, currency="EUR"))
        assert error.metadata["field"] == "provider"
        refused("WEBHOOK_SIGNATURE_INVALID", partial(shop.webhook, provider, b"{}", {}))


def test_an_order_at_stripe_is_a_checkout_session(shop: Shop) -> None:
    # when a package is ordered
    order = shop.order(STRIPE)
    # then Stripe has a session for it
    session = shop.stripe.sessions[order.provider_order_id]
    assert (session["amount_total"], session["currency"]) == (499, "eur")
    assert session["metadata"] == {"order_id": order.order_id}
    # and the app has what opens it
    assert order.checkout.url == session["url"]
    assert order.checkout.expire_time.seconds == session["expires_at"]
    assert (order.amount, order.currency, order.coins) == (499, "EUR", 400)
    assert shop.state(order) == "CREATED"


def test_an_order_at_razorpay_is_an_order_there(shop: Shop) -> None:
    order = shop.order(RAZORPAY)
    made = shop.razorpay.orders[order.provider_order_id]
    assert (made["amount"], made["currency"], made["receipt"]) == (39_900, "INR", order.order_id)
    assert order.checkout.key_id == "rzp_test_fake"


@pytest.mark.parametrize("provider", [STRIPE, RAZORPAY, TEST])
def test_the_same_request_is_one_order_also_at_once(shop: Shop, provider: Any) -> None:
    # given one request
    request_id = str(uuid4())
    # when it is sent several times at once and again
    orders = at_once([partial(shop.order, provider, request_id=request_id)] * 5)
    orders.append(shop.order(provider, request_id=request_id))
    # then every caller has the same order, opened once as far as anybody sees
    assert all(order == orders[0] for order in orders)


def test_the_same_request_id_for_something_else_is_refused_and_names_the_field(shop: Shop) -> None:
    request_id = str(uuid4())
    shop.order(STRIPE, request_id=request_id)
    for other in ({"package_id": "coins-850"}, {"provider": RAZORPAY}, {"currency": "USD"}):
        error = refused("REQUEST_ID_REUSED", partial(shop.order, request_id=request_id, **other))
        assert error.metadata["field"] == next(iter(other))
    # and it is another user's to use
    assert shop.order(STRIPE, request_id=request_id, user_id="ben").user_id == "ben"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"user_id": ""}, "user_id"),
        ({"package_id": ""}, "package_id"),
        ({"provider": 0}, "provider"),
        ({"provider": 99}, "provider"),
        ({"currency": "EURO"}, "currency"),
        ({"currency": "CHF"}, "currency"),
        ({"request_id": "1"}, "request_id"),
    ],
)
def test_a_malformed_order_names_the_field(shop: Shop, wrong: dict[str, Any], field: str) -> None:
    given = {"provider": STRIPE, **wrong}
    assert refused("INVALID_FIELD", partial(shop.order, **given)).metadata["field"] == field


def test_what_is_not_there_is_not_found(shop: Shop) -> None:
    refused("PACKAGE_NOT_FOUND", partial(shop.order, package_id="coins-1"))
    order = shop.order()
    for user_id, order_id in (("ben", order.order_id), ("ana", str(uuid4()))):
        request = pb.GetOrderRequest(user_id=user_id, order_id=order_id)
        refused("ORDER_NOT_FOUND", partial(shop.call, "GetOrder", request))


def test_a_closed_account_orders_nothing(shop: Shop) -> None:
    shop.coins.grant(5)
    shop.coins.close()
    refused("ACCOUNT_CLOSED", shop.order)


def test_an_account_that_is_erased_while_its_order_is_opened_gets_no_checkout(shop: Shop) -> None:
    held = threading.Event()
    shop.stripe.faults.append(Fault(held=held))

    def erase() -> Any:
        eventually(lambda: shop.stripe.requests)
        try:
            return shop.coins.call("EraseAccount", user_id="ana", request_id=new_id())
        finally:
            held.set()

    calls: list[Callable[[], Any]] = [shop.order, erase]
    ordered, erased = at_once(calls)
    assert isinstance(ordered, ServiceError)
    assert ordered.reason == "ACCOUNT_CLOSED"
    assert not isinstance(erased, ServiceError)
    assert erased.account.user_id.startswith("erased-")


def test_noting_what_was_opened_waits_for_a_lock_no_longer_than_is_allowed(
    start: Callable[..., Client], shop: Shop, database: Database
) -> None:
    given = settings(shop.stripe, shop.razorpay) | {"database_lock_timeout_s": 0.05}
    hasty = Shop(start(**given), shop.stripe, shop.razorpay)
    shop.stripe.faults.append(Fault(cut=True))
    request_id = new_id()
    refused("PAYMENT_PROVIDER_UNAVAILABLE", partial(hasty.order, request_id=request_id))
    with database.held() as held:
        held.run("SELECT FROM orders FOR UPDATE")
        refused("LOCK_TIMEOUT", partial(hasty.order, request_id=request_id))
    hasty.order(request_id=request_id)


def test_unpaid_orders_of_an_hour_are_bounded(start: Callable[..., Client], shop: Shop) -> None:
    given = settings(shop.stripe, shop.razorpay) | {"payment_max_unpaid_orders": 2}
    small = Shop(start(**given), shop.stripe, shop.razorpay)
    orders = [small.order() for _ in range(2)]
    refused("RATE_LIMITED", small.order)
    # and a paid one makes room
    small.says("payment_intent.succeeded", shop.stripe.pay(orders[0].provider_order_id))
    small.order()


def test_they_are_bounded_also_when_they_come_at_once(start: Callable[..., Client], shop: Shop) -> None:
    given = settings(shop.stripe, shop.razorpay) | {"payment_max_unpaid_orders": 2}
    small = Shop(start(**given), shop.stripe, shop.razorpay)
    made = at_once([small.order] * 8)
    assert sum(isinstance(one, pb.Order) for one in made) == 2


@pytest.mark.parametrize("fault", [Fault(cut=True), Fault(lost=True), _ERROR_500])
@pytest.mark.parametrize("provider", [STRIPE, RAZORPAY])
def test_a_vendor_that_fails_leaves_an_order_that_the_same_request_finishes(
    shop: Shop, provider: Any, fault: Fault
) -> None:
    # given a vendor whose answer is lost, or that is away
    request_id = str(uuid4())
    api: Any = shop.stripe if provider == STRIPE else shop.razorpay
    made_before = len(shop.stripe.sessions if provider == STRIPE else shop.razorpay.orders)
    # gRPC repeats UNAVAILABLE by itself in real clients, not in this one
    api.faults.append(fault)
    error = refused("PAYMENT_PROVIDER_UNAVAILABLE", partial(shop.order, provider, request_id=request_id))
    assert error.retry_after_s
    # when the request is repeated
    order = shop.order(provider, request_id=request_id)
    # then the vendor has one order, which is ours
    made = shop.stripe.sessions if provider == STRIPE else shop.razorpay.orders
    assert len(made) == made_before + 1
    assert list(made)[-1] == order.provider_order_id


def test_another_success_page_between_two_tries_is_no_error(start: Callable[..., Client], shop: Shop) -> None:
    request_id = str(uuid4())
    shop.stripe.faults.append(Fault(lost=True))
    refused("PAYMENT_PROVIDER_UNAVAILABLE", partial(shop.order, request_id=request_id))
    given = settings(shop.stripe, shop.razorpay) | {"stripe_success_url": "https://new.example"}
    assert Shop(start(**given), shop.stripe, shop.razorpay).order(request_id=request_id).checkout.url


@pytest.mark.parametrize("provider", [STRIPE, RAZORPAY])
def test_a_vendor_that_refuses_is_said_so(shop: Shop, provider: Any) -> None:
    api: Any = shop.stripe if provider == STRIPE else shop.razorpay
    wrong = {"error": {"type": "invalid_request_error", "code": "BAD_REQUEST_ERROR", "message": "no"}}
    api.faults.append(Fault(answer=Answer(wrong, 400)))
    refused("ORDER_REFUSED", partial(shop.order, provider))


def test_a_slow_vendor_holds_nobody_else_up(start: Callable[..., Client], shop: Shop) -> None:
    # given a vendor that does not answer, and a service that waits for it a little
    given = settings(shop.stripe, shop.razorpay) | {"payment_provider_timeout_s": 0.3}
    client = start(**given)
    impatient = Shop(client, shop.stripe, shop.razorpay)
    answer = threading.Event()
    shop.stripe.faults.extend([Fault(held=answer)] * 20)
    try:
        # when many orders wait for it
        results = at_once([impatient.order] * 10 + [partial(client.grant, 5, user_id="ben")])
        # then each hears so, and everything else goes on
        reasons = [one.reason for one in results if isinstance(one, ServiceError)]
        assert reasons == ["PAYMENT_PROVIDER_UNAVAILABLE"] * 10
        assert client.account("ben").balance == 5
    finally:
        shop.stripe.faults.clear()
        answer.set()


async def test_calls_that_hang_hold_no_more_threads_than_there_are_turns() -> None:
    # given a provider with two turns, whose calls hang for longer than anybody waits
    calls, answer, running = VendorCalls("STRIPE", timeout_s=0.05, at_once=2), threading.Event(), []

    def hang() -> None:
        running.append(threading.get_ident())
        answer.wait(30)

    # when many callers come, and give up
    outcomes = await asyncio.gather(*(calls.run(hang) for _ in range(6)), return_exceptions=True)
    # then two threads are held, and nobody else's call was begun
    assert [type(outcome) for outcome in outcomes] == [ProviderUnavailable] * 6
    assert len(running) == 2
    # and when they end, there are turns again
    answer.set()
    patient = VendorCalls("STRIPE", timeout_s=20.0, at_once=2)
    patient._turns = calls._turns
    assert await patient.run(lambda: "done") == "done"


async def test_calls_that_hang_leave_the_event_loop_its_own_threads() -> None:
    # given an event loop with one thread, which looks up the database's address among others
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    calls = VendorCalls("STRIPE", timeout_s=5)
    running, release = asyncio.Event(), threading.Event()

    def hang() -> bool:
        loop.call_soon_threadsafe(running.set)
        return release.wait(30)

    hanging = asyncio.ensure_future(calls.run(hang))
    try:
        await running.wait()
        # when a call hangs, then that thread is free
        async with asyncio.timeout(4):
            await asyncio.to_thread(lambda: None)
        assert not hanging.done()
    finally:
        release.set()
    assert await hanging


def test_a_provider_is_set_up_whole_or_not_at_all() -> None:
    url = {"credit_database_url": "postgresql://nowhere"}
    with pytest.raises(ValidationError, match="HOLDFAST_STRIPE_WEBHOOK_SECRET, HOLDFAST_STRIPE_SUCCESS_URL"):
        CreditSettings.model_validate({**url, "stripe_secret_key": stripe_server.KEY})
    with pytest.raises(ValidationError, match="HOLDFAST_RAZORPAY_KEY_SECRET"):
        CreditSettings.model_validate({**url, "razorpay_key_id": "rzp", "razorpay_webhook_secret": " , "})
    production = {"environment": "production", "page_token_secret": "x" * 32, "payment_test_provider": True}
    with pytest.raises(ValidationError, match="not in production"):
        CreditSettings.model_validate({**url, **production})


def test_no_key_and_no_secret_shows_in_what_settings_print(shop: Shop, database: Database) -> None:
    given = CreditSettings.model_validate(
        {"credit_database_url": "postgresql://x", **settings(shop.stripe, shop.razorpay)}
    )
    shown = repr(given)
    for secret in ("sk_test_fake", "whsec_fake", "fake_key_secret", "fake_webhook_secret"):
        assert secret not in shown
