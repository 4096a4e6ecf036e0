"""Whose a webhook is: the vendors' own test cases, and what their SDKs leave open.

Vectors and cases come from the test suites of stripe-python 16.1.0 and razorpay-python 2.0.1 (both MIT
License); the v1 of Stripe's vector was computed over its payload.
"""

import pytest

from credit_service.payments.signatures import hmac_sha256, razorpay_verdict, stripe_verdict

_SECRET = "whsec_test_secret"
_BODY = b"""{
  "id": "evt_test_webhook",
  "object": "event",
  "data": { "object": { "id": "rdr_123", "object": "terminal.reader" } }
}"""
_TIME = 1_700_000_000
_V1 = "3bfab77baf5f7b6991a46c9b53b6547d7afc56148b10468fcad9f35c1992ffbd"
_GOOD = f"t={_TIME},v1={_V1}"

# razorpay-python's tests/mocks/fake_payment_authorized_webhook.json, byte for byte.
_RAZORPAY_BODY = b"""{
  "event": "payment.authorized",
  "entity": "event",
  "contains": [
    "payment"
  ],
  "payload": {
    "payment": {
      "entity": {
        "id": "pay_6koWN7bvxujzxM",
        "entity": "payment",
        "amount": 1000000,
        "currency": "INR",
        "status": "captured",
        "order_id": "order_100000000order",
        "international": false,
        "method": "card",
        "amount_refunded": 0,
        "refund_status": null,
        "captured": true,
        "description": "random description",
        "card_id": "card_6koWNAT6LASUqy",
        "bank": null,
        "wallet": null,
        "vpa": null,
        "email": "a@b.com",
        "contact": "+919999999999",
        "notes": {
          "merchant_order_id": "random order id"
        },
        "fee": 23000,
        "service_tax": 3000,
        "error_code": null,
        "error_description": null,
        "created_at": 1479978483
      }
    }
  },
  "created_at": 1400826760
}
"""
_RAZORPAY_SIGNATURE = "d60e67fd884556c045e9be7dad57903e33efc7172c17c6e3ef77db42d2b366e9"


def stripe_says(
    header: str | None = _GOOD, body: bytes = _BODY, secrets: tuple[str, ...] = (_SECRET,), now: float = _TIME
) -> str:
    headers = {} if header is None else {"stripe-signature": header}
    return stripe_verdict(body, headers, secrets, tolerance_s=300, now_s=now)


@pytest.mark.parametrize(
    ("secret", "message", "expected"),
    [
        (
            "key_secret",
            "fake_order_id|fake_payment_id",
            "b2335e3b0801106b84a7faff035df56ecffde06918c9ddd1f0fafbb37a51cc89",
        ),
        (
            "EnLs21M47BllR3X8PSFtjtbd",
            "pay_IDZNwZZFtnjyym|sub_ID6MOhgkcoHj9I",
            "601f383334975c714c91a7d97dd723eb56520318355863dcf3821c0d07a17693",
        ),
        (
            "EnLs21M47BllR3X8PSFtjtbd",
            "plink_IH3cNucfVEgV68|TSsd1989|paid|pay_IH3d0ara9bSsjQ",
            "07ae18789e35093e51d0a491eb9922646f3f82773547e5b0f67ee3f2d3bf7d5b",
        ),
    ],
)
def test_razorpays_vectors_come_out(secret: str, message: str, expected: str) -> None:
    assert hmac_sha256(secret.encode(), message.encode()) == expected


def test_razorpays_webhook_is_its_own_to_the_last_newline() -> None:
    assert len(_RAZORPAY_BODY) == 971
    signature = {"x-razorpay-signature": _RAZORPAY_SIGNATURE}
    assert razorpay_verdict(_RAZORPAY_BODY, signature, ["key_secret"]) == ""
    # when a byte is missing, it is another body
    assert razorpay_verdict(_RAZORPAY_BODY.rstrip(b"\n"), signature, ["key_secret"]) != ""
    stripped = "0971cde1d9216765d9aa72c766aef4a913fedfd2d36cc05cbca5de1ef90c12e4"
    assert hmac_sha256(b"key_secret", _RAZORPAY_BODY.rstrip(b"\n")) == stripped


@pytest.mark.parametrize("signature", ["", "é" * 64, "0" * 64, _RAZORPAY_SIGNATURE.upper(), "x" * 5_000])
def test_a_bad_signature_of_razorpays_is_refused_and_never_raises(signature: str) -> None:
    headers = {"x-razorpay-signature": signature}
    assert razorpay_verdict(_RAZORPAY_BODY, headers, ["key_secret"]) != ""


def test_a_webhook_of_razorpays_may_be_any_bytes() -> None:
    body = b"\xff\xfe\x00"
    headers = {"x-razorpay-signature": hmac_sha256(b"new", body)}
    assert razorpay_verdict(body, headers, ["old", "new"]) == ""
    assert razorpay_verdict(body, headers, ["old"]) != ""
    assert razorpay_verdict(body, headers, []) != ""


def test_stripes_vector_is_accepted() -> None:
    assert stripe_says() == ""


def test_one_good_signature_of_several_is_enough() -> None:
    assert stripe_says(f"t={_TIME},v1=bad,v1={_V1}") == ""
    assert stripe_says(f"t={_TIME},v0=bad,v1={_V1},v1=bad") == ""


def test_one_good_secret_of_several_is_enough() -> None:
    assert stripe_says(secrets=("whsec_new", _SECRET)) == ""


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "   ",
        "i'm not even a real signature header",
        f"t={_TIME}",
        f"v1={_V1}",
        f"t={_TIME},v0={_V1}",
        f"t={_TIME},v1=bad_signature",
        f"t=,v1={_V1}",
        f"t=-5,v1={_V1}",
        f"t={_TIME}é,v1={_V1}",
        f"t={_TIME},v1=é",
        f"t={'9' * 400},v1={_V1}",
        f"t={_TIME},t={_TIME},v1={_V1}",
    ],
)
def test_a_bad_header_of_stripes_is_refused_and_never_raises(header: str | None) -> None:
    assert stripe_says(header) != ""


@pytest.mark.parametrize("secrets", [(), ("",), (" \t\n",), ("whsec_other",), (f" {_SECRET}",)])
def test_no_secret_a_blank_one_or_another_one_refuses_everything(secrets: tuple[str, ...]) -> None:
    assert stripe_says(secrets=secrets) != ""


def test_another_body_or_one_that_is_no_text_is_refused() -> None:
    assert stripe_says(body=_BODY + b"\n") != ""
    assert stripe_says(body=b"\xff\xfe") != ""


@pytest.mark.parametrize(
    ("age_s", "accepted"), [(0, True), (300, True), (301, False), (10**9, False), (-10, True), (-11, False)]
)
def test_a_signature_is_good_for_minutes_and_not_before_its_time(age_s: int, accepted: bool) -> None:
    assert (stripe_says(now=_TIME + age_s) == "") is accepted


@pytest.mark.parametrize(
    "signed_time", [f"0000{_TIME}", f" {_TIME}", f"+{_TIME}", f"{_TIME // 1000}_{_TIME % 1000:03}"]
)
def test_an_old_signature_is_not_made_young_by_a_second_timestamp(signed_time: str) -> None:
    # given that Stripe's SDK reads the first of two, in any of the ways that Python writes a number in
    now = _TIME + 10_000
    # then the one whose age is looked at is the one that was signed
    assert stripe_says(f"t={signed_time},t={now},v1={_V1}", now=now) != ""
    assert stripe_says(f"t={now},t={signed_time},v1={_V1}", now=now) != ""
