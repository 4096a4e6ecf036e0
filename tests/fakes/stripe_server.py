"""Stripe as far as a coin purchase needs it: Checkout Sessions, refunds, disputes, and signed events.

Speaks api.stripe.com's wire format: form-encoded requests, idempotency keys, errors in an object.
"""

import itertools
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import stripe

from tests.fakes.http_server import Answer, FakeServer, Request

KEY = "sk_test_fake"
WEBHOOK_SECRET = "whsec_fake"

Object = dict[str, Any]


@dataclass
class FakeStripe(FakeServer):
    """A Stripe account. Tests make things happen there, and send what `event` makes of them."""

    sessions: dict[str, Object] = field(default_factory=dict)
    refunds: dict[str, Object] = field(default_factory=dict)
    disputes: dict[str, Object] = field(default_factory=dict)
    _by_key: dict[str, tuple[bytes, Object]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def respond(self, request: Request) -> Answer:
        """Answer an API call."""
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _error(401, "invalid_request_error", "Invalid API Key provided")
        query = dict(parse_qsl(request.query))
        match (request.method, request.path.removeprefix("/v1/").split("/")):
            case ("POST", ["checkout", "sessions"]):
                return self._create(request)
            case ("GET", ["checkout", "sessions", session_id]) if session_id in self.sessions:
                return Answer(self.sessions[session_id])
            case ("GET", ["refunds"]):
                return _list(self.refunds, query)
            case ("GET", ["disputes"]):
                return _list(self.disputes, query)
        return _error(404, "invalid_request_error", "No such thing", "resource_missing")

    def _create(self, request: Request) -> Answer:
        key = request.headers.get("idempotency-key", "")
        if key in self._by_key:
            body, session = self._by_key[key]
            if body != request.body:
                return _error(400, "idempotency_error", "Keys for idempotent requests can only be used so")
            return Answer(session)
        given = dict(parse_qsl(request.body.decode()))
        if given.get("mode") != "payment" or not given.get("success_url"):
            return _error(400, "invalid_request_error", "Missing required param", "parameter_missing")
        session = self._session(given)
        self.sessions[session["id"]] = session
        self._by_key[key] = (request.body, session)
        return Answer(session)

    def _session(self, given: dict[str, str]) -> Object:
        session_id = f"cs_test_{next(self._numbers)}"
        price = "line_items[0][price_data]"
        return {
            "id": session_id,
            "object": "checkout.session",
            "url": f"https://checkout.stripe.com/c/pay/{session_id}",
            "status": "open",
            "payment_status": "unpaid",
            "payment_intent": None,
            "amount_total": int(given[f"{price}[unit_amount]"]) * int(given["line_items[0][quantity]"]),
            "currency": given[f"{price}[currency]"],
            "client_reference_id": given["client_reference_id"],
            "metadata": {"order_id": given["metadata[order_id]"]},
            "expires_at": int(time.time()) + 86_400,
        }

    # What happens at Stripe.

    def pay(self, session_id: str) -> Object:
        """Let the payer pay, and answer the payment intent."""
        session = self.sessions[session_id]
        intent = {
            "id": f"pi_{next(self._numbers)}",
            "object": "payment_intent",
            "status": "succeeded",
            "amount_received": session["amount_total"],
            "currency": session["currency"],
            "metadata": session["metadata"],
        }
        session |= {"status": "complete", "payment_status": "paid", "payment_intent": intent["id"]}
        return intent

    def expire(self, session_id: str) -> Object:
        """Let the session's time run out, and answer it."""
        self.sessions[session_id] |= {"status": "expired"}
        return self.sessions[session_id]

    def refund(self, intent: Object, amount: int, status: str = "succeeded") -> Object:
        """Give money back, and answer the refund."""
        refund = {
            "id": f"re_{next(self._numbers)}",
            "object": "refund",
            "payment_intent": intent["id"],
            "amount": amount,
            "currency": intent["currency"],
            "status": status,
        }
        self.refunds[refund["id"]] = refund
        return refund

    def charge(self, intent: Object) -> Object:
        """Answer the payment's charge as it is now: it names the sum of the refunds that did not fail."""
        refunds = (one for one in self.refunds.values() if one["payment_intent"] == intent["id"])
        return {
            "id": f"ch_{intent['id']}",
            "object": "charge",
            "payment_intent": intent["id"],
            "amount": intent["amount_received"],
            "amount_refunded": sum(one["amount"] for one in refunds if one["status"] != "failed"),
            "currency": intent["currency"],
            "metadata": intent["metadata"],
        }

    def dispute(self, intent: Object, status: str = "needs_response", amount: int | None = None) -> Object:
        """Have the payer's bank dispute the payment, and answer the dispute."""
        dispute = {
            "id": f"dp_{next(self._numbers)}",
            "object": "dispute",
            "payment_intent": intent["id"],
            "charge": f"ch_{intent['id']}",
            "amount": intent["amount_received"] if amount is None else amount,
            "currency": intent["currency"],
            "status": status,
        }
        self.disputes[dispute["id"]] = dispute
        return dispute

    def event(self, kind: str, thing: Object, event_id: str | None = None) -> bytes:
        """Answer the body of an event about a thing as it is now."""
        event = {
            "id": event_id or f"evt_{next(self._numbers)}",
            "object": "event",
            "type": kind,
            "api_version": "2026-10-28",
            "created": int(time.time()),
            "data": {"object": thing},
        }
        return json.dumps(event).encode()


def signed(body: bytes, secret: str = WEBHOOK_SECRET, timestamp: int | None = None) -> dict[str, str]:
    """Answer the headers of a webhook, signed by the SDK's own helper."""
    signature = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, timestamp)
    return {"Stripe-Signature": signature, "Content-Type": "application/json"}


def _list(things: dict[str, Object], query: dict[str, str]) -> Answer:
    found = [one for one in things.values() if one["payment_intent"] == query.get("payment_intent")]
    return Answer({"object": "list", "data": found, "has_more": False, "url": "/v1/things"})


def _error(status: int, kind: str, message: str, code: str | None = None) -> Answer:
    return Answer({"error": {"type": kind, "message": message, "code": code}}, status)
