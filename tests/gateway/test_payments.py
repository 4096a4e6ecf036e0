"""Buying coins over HTTP: orders of users, webhooks of providers."""

import json
from collections.abc import Callable

import grpc
import pytest

from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from tests.fakes import stripe_server
from tests.fakes.stripe_server import FakeStripe
from tests.gateway.house import Api, RunningGateway, error, good

Connect = Callable[..., Api]

_WISH = {"package_id": "coins-400", "provider": "STRIPE", "currency": "EUR"}
_STRIPE = "/api/payments/webhooks/stripe"


def test_a_purchase_from_the_packages_to_the_coins(
    user: Api, connect: Connect, gateway: RunningGateway, stripe_api: FakeStripe, credit_channel: grpc.Channel
) -> None:
    # given what is on sale
    nobody = connect(gateway)
    sale = good(nobody.get("/api/credits/packages"))
    assert {"currency": "JPY", "amount": 800, "minor_digits": 0} in sale["packages"][0]["prices"]
    assert sale["providers"] == ["STRIPE", "RAZORPAY", "TEST"]
    # when a package is ordered
    response = user.post("/api/payments/orders", json=_WISH)
    order = good(response, 201)
    place = response.headers["Location"]
    assert order["checkout"]["url"].startswith("https://checkout.stripe.com/")
    assert good(user.get(place)) == order
    # and Stripe says, without any token, that it is paid
    intent = stripe_api.pay(order["provider_order_id"])
    body = stripe_api.event("payment_intent.succeeded", intent)
    said = good(nobody.post(_STRIPE, content=body, headers=stripe_server.signed(body)))
    assert (said["outcome"], said["order_id"]) == ("HANDLED", order["order_id"])
    # then the coins are there, once, however often it is said
    again = good(nobody.post(_STRIPE, content=body, headers=stripe_server.signed(body)))
    assert again["outcome"] == "DUPLICATE"
    paid = good(user.get(place))
    assert (paid["state"], paid["granted_coins"], paid["checkout"]) == ("PAID", 400, None)
    assert good(user.get("/api/credits/balance"))["balance"] == 400
    [purchase] = good(user.get("/api/credits/transactions"))["transactions"]
    assert (purchase["type"], purchase["metadata"]["order_id"]) == ("PURCHASE", order["order_id"])
    verified = credit_pb2.VerifyLedgerRequest(user_id=user.user_id)
    stub = credit_pb2_grpc.CreditServiceStub(credit_channel)
    assert not stub.VerifyLedger(verified, timeout=20).findings


def test_the_same_idempotency_key_is_one_order_and_another_wish_under_it_409(user: Api) -> None:
    key = {"Idempotency-Key": "one"}
    orders = [good(user.post("/api/payments/orders", json=_WISH, headers=key), 201) for _ in range(2)]
    assert orders[0] == orders[1]
    other = user.post("/api/payments/orders", json={**_WISH, "currency": "USD"}, headers=key)
    assert error(other, 409, "REQUEST_ID_REUSED")["field"] == "currency"


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"package_id": "coins-1"}, 404, "PACKAGE_NOT_FOUND"),
        ({"package_id": ""}, 400, "INVALID_FIELD"),
        ({"currency": "CHF"}, 400, "INVALID_FIELD"),
        ({"currency": "eur"}, 422, "INVALID_FIELD"),
        ({"provider": "PAYPAL"}, 422, "INVALID_FIELD"),
        ({"package_id": "\ud800"}, 422, "INVALID_FIELD"),
    ],
)
def test_a_wish_that_cannot_be_is_said_so(user: Api, wrong: dict[str, str], status: int, code: str) -> None:
    body = json.dumps({**_WISH, **wrong})
    response = user.post("/api/payments/orders", content=body, headers={"Content-Type": "application/json"})
    error(response, status, code)


@pytest.mark.parametrize("provider", ["stripe", "razorpay"])
def test_a_forged_webhook_is_401_and_says_nothing_of_why(
    gateway: RunningGateway, connect: Connect, provider: str
) -> None:
    path = f"/api/payments/webhooks/{provider}"
    nobody = connect(gateway)
    forged = {"Stripe-Signature": "t=1,v1=0", "X-Razorpay-Signature": "0" * 64}
    details = error(nobody.post(path, content=b"{}", headers=forged), 401, "WEBHOOK_SIGNATURE_INVALID")
    assert details == {"provider": provider.upper()}
    error(nobody.post(path, content=b""), 400, "INVALID_FIELD")
    error(nobody.post(path, content=b"x" * 70_000, headers=forged), 413, "BODY_TOO_LARGE")


def test_a_body_reaches_the_check_byte_for_byte(gateway: RunningGateway, connect: Connect) -> None:
    # given a body that no JSON library would write like this
    body = b'\n{ "id":"evt_bytes" ,\t"object":"event","type":"x","data":{"object":{"\\u00e9":"\xc3\xa9"}}}\n'
    said = good(connect(gateway).post(_STRIPE, content=body, headers=stripe_server.signed(body)))
    assert (said["outcome"], said["event_id"], said["order_id"]) == ("IGNORED", "evt_bytes", None)
