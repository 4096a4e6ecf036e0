"""Razorpay as far as a coin purchase needs it: orders, their payments and refunds, and signed events.

Speaks api.razorpay.com's wire format: JSON, basic authentication, errors with a code, entities in entities.
"""

import base64
import hashlib
import hmac
import itertools
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.fakes.http_server import Answer, FakeServer, Request

KEY_ID = "rzp_test_fake"
KEY_SECRET = "fake_key_secret"
WEBHOOK_SECRET = "fake_webhook_secret"

Entity = dict[str, Any]
_BASIC = "Basic " + base64.b64encode(f"{KEY_ID}:{KEY_SECRET}".encode()).decode()


@dataclass
class FakeRazorpay(FakeServer):
    """A Razorpay account. Tests let payers pay with `pay` and `refund`, and send what `event` makes."""

    orders: dict[str, Entity] = field(default_factory=dict)
    payments: dict[str, Entity] = field(default_factory=dict)
    refunds: dict[str, Entity] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def respond(self, request: Request) -> Answer:
        """Answer an API call."""
        if request.headers.get("authorization") != _BASIC:
            return _error(401, "Authentication failed")
        receipt = parse_qs(request.query).get("receipt", [""])[0]
        match (request.method, request.path.removeprefix("/v1/").split("/")):
            case ("POST", ["orders"]):
                return self._create(json.loads(request.body))
            case ("GET", ["orders"]):
                return _collection(one for one in self.orders.values() if one["receipt"] == receipt)
            case ("GET", ["orders", order_id, "payments"]):
                return _collection(one for one in self.payments.values() if one["order_id"] == order_id)
            case ("GET", ["payments", payment_id, "refunds"]):
                return _collection(one for one in self.refunds.values() if one["payment_id"] == payment_id)
        return _error(400, "The id provided does not exist")

    def _create(self, given: Entity) -> Answer:
        if given["amount"] < 100:
            return _error(400, "Order amount less than minimum amount allowed")
        order = {
            "id": f"order_{next(self._numbers)}",
            "entity": "order",
            "amount": given["amount"],
            "amount_paid": 0,
            "currency": given["currency"],
            "receipt": given["receipt"],
            "notes": given["notes"],
            "status": "created",
        }
        self.orders[order["id"]] = order
        return Answer(order)

    # What happens at Razorpay.

    def pay(self, order_id: str, status: str = "captured") -> Entity:
        """Let the payer try to pay, and answer the payment; its notes are empty, which is a list."""
        order = self.orders[order_id]
        payment = {
            "id": f"pay_{next(self._numbers)}",
            "entity": "payment",
            "order_id": order_id,
            "amount": order["amount"],
            "currency": order["currency"],
            "status": status,
            "captured": status == "captured",
            "notes": [],
        }
        self.payments[payment["id"]] = payment
        if status == "captured":
            order |= {"status": "paid", "amount_paid": order["amount"]}
        return payment

    def refund(self, payment: Entity, amount: int, status: str = "processed") -> Entity:
        """Give money back, and answer the refund."""
        refund = {
            "id": f"rfnd_{next(self._numbers)}",
            "entity": "refund",
            "payment_id": payment["id"],
            "amount": amount,
            "currency": payment["currency"],
            "status": status,
        }
        self.refunds[refund["id"]] = refund
        return refund

    def dispute(self, payment: Entity, status: str = "open", phase: str = "chargeback") -> Entity:
        """Have the payer's bank dispute the payment, and answer the dispute."""
        return {
            "id": f"disp_{next(self._numbers)}",
            "entity": "dispute",
            "payment_id": payment["id"],
            "amount": payment["amount"],
            "amount_deducted": 0,
            "currency": payment["currency"],
            "phase": phase,
            "status": status,
        }

    def event(self, kind: str, **entities: Entity) -> bytes:
        """Answer the body of an event with these entities as they are now."""
        event = {
            "entity": "event",
            "event": kind,
            "contains": list(entities),
            "payload": {name: {"entity": entity} for name, entity in entities.items()},
            "created_at": int(time.time()) + next(self._numbers),
        }
        return json.dumps(event).encode()


def signed(body: bytes, secret: str = WEBHOOK_SECRET, event_id: str | None = None) -> dict[str, str]:
    """Answer the headers of a webhook; without an id of its own the event is named by its body."""
    event_id = event_id or f"evt_{hashlib.sha256(body).hexdigest()[:14]}"
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Razorpay-Signature": signature, "x-razorpay-event-id": event_id}


def _collection(found: Any) -> Answer:
    items = list(found)
    return Answer({"entity": "collection", "count": len(items), "items": items})


def _error(status: int, description: str) -> Answer:
    return Answer({"error": {"code": "BAD_REQUEST_ERROR", "description": description}}, status)
