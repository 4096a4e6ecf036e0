"""How to make each route fail in the ways that are its own: what `test_matrix` cannot do for all alike.

An entry is a route's method and path, and for each code that it documents a way to get it. A route that
documents a status which nothing here or in the matrix provokes fails a test there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import httpx

from tests.gateway.house import EXPORT, Api, good
from tests.gateway.test_main_job import do_the_work


@dataclass(frozen=True)
class World:
    """What a failure may use: a user with a chat, 1,000 coins and a job that waits; and somebody new."""

    user: Api
    #: Nobody has stored this one yet.
    stranger: Api
    ids: Mapping[str, str]
    chat_channel: grpc.Channel
    credit_channel: grpc.Channel

    def order(self, category_id: str, key: str | None = None) -> httpx.Response:
        """Unlock a category of the user's chat."""
        body = {"chat_id": self.ids["chat_id"], "category_id": category_id}
        headers = {"Idempotency-Key": key} if key else {}
        return self.user.post("/api/insights/unlock", json=body, headers=headers)

    def again(self, path: str, first: Mapping[str, object], then: Mapping[str, object]) -> httpx.Response:
        """POST two bodies under one key, and answer what the second one got."""
        headers = {"Idempotency-Key": "the-same"}
        assert self.user.post(path, json=first, headers=headers).is_success
        return self.user.post(path, json=then, headers=headers)


Fails = Mapping[tuple[int, str], Callable[[World], httpx.Response]]


def _too_few_coins(world: World) -> httpx.Response:
    body = {"chat_id": world.stranger.chat(), "category_id": "romantic"}
    return world.stranger.post("/api/insights/unlock", json=body)


def _ended(world: World) -> httpx.Response:
    do_the_work(world.chat_channel, world.credit_channel, world.ids["job_id"])
    return world.user.post(f"/api/insights/jobs/{world.ids['job_id']}/cancel")


def _another_file(world: World) -> httpx.Response:
    good(world.user.upload(key="the-same"), 201)
    return world.user.upload(EXPORT * 2, key="the-same")


_WISH = {"package_id": "coins-400", "provider": "TEST", "currency": "EUR"}
_INSIGHT = {"category_id": "romantic", "insight_type_id": "message_balance"}


def _bad_key(world: World, method: str, path: str, **given: Any) -> httpx.Response:
    return world.user.request(method, path, headers={"Idempotency-Key": "a b"}, **given)


FAILURES: Mapping[str, Fails] = {
    "DELETE /api/users/delete-account": {
        (400, "INVALID_FIELD"): lambda world: _bad_key(world, "DELETE", "/api/users/delete-account"),
        (404, "USER_NOT_FOUND"): lambda world: world.stranger.request("DELETE", "/api/users/delete-account"),
    },
    "GET /api/users/export": {
        (404, "USER_NOT_FOUND"): lambda world: world.stranger.get("/api/users/export"),
    },
    "POST /api/payments/orders": {
        (400, "INVALID_FIELD"): lambda world: _bad_key(world, "POST", "/api/payments/orders", json=_WISH),
        (404, "PACKAGE_NOT_FOUND"): lambda world: world.user.post(
            "/api/payments/orders", json=_WISH | {"package_id": "none-such"}
        ),
        (409, "REQUEST_ID_REUSED"): lambda world: world.again(
            "/api/payments/orders", _WISH, _WISH | {"package_id": "coins-850"}
        ),
    },
    "POST /api/payments/webhooks/stripe": {
        (400, "INVALID_FIELD"): lambda world: world.user.post("/api/payments/webhooks/stripe", content=b""),
        (401, "WEBHOOK_SIGNATURE_INVALID"): lambda world: world.user.post(
            "/api/payments/webhooks/stripe", content=b"{}"
        ),
    },
    "POST /api/payments/webhooks/razorpay": {
        (400, "INVALID_FIELD"): lambda world: world.user.post("/api/payments/webhooks/razorpay", content=b""),
        (401, "WEBHOOK_SIGNATURE_INVALID"): lambda world: world.user.post(
            "/api/payments/webhooks/razorpay", content=b"{}"
        ),
    },
    "GET /api/chats/public/{chat_id}/stats": {
        (400, "INVALID_FIELD"): lambda world: world.user.get("/api/chats/public/not-a-uuid/stats"),
    },
    "POST /api/rag/query": {
        (409, "REQUEST_ID_REUSED"): lambda world: world.again(
            "/api/rag/query",
            {"chat_id": world.ids["chat_id"], "question": "What is message number 3?"},
            {"chat_id": world.ids["chat_id"], "question": "What is message number 4?"},
        ),
    },
    "POST /api/rag/generate": {
        (402, "INSUFFICIENT_CREDITS"): lambda world: world.stranger.post(
            "/api/rag/generate", json=_INSIGHT | {"chat_id": world.stranger.chat()}
        ),
        (409, "REQUEST_ID_REUSED"): lambda world: (
            world.order("friendship", "the-same"),
            world.user.post(
                "/api/rag/generate",
                json=_INSIGHT | {"chat_id": world.ids["chat_id"]},
                headers={"Idempotency-Key": "the-same"},
            ),
        )[1],
    },
    "POST /api/users/store": {
        (400, "INVALID_FIELD"): lambda world: world.user.post(
            "/api/users/store", json={"display_name": "x" * 257}
        ),
    },
    "GET /api/categories/{category_id}/insights": {
        (400, "INVALID_FIELD"): lambda world: world.user.get(f"/api/categories/{'x' * 65}/insights"),
    },
    "POST /api/insights/unlock": {
        (402, "INSUFFICIENT_CREDITS"): _too_few_coins,
        (404, "CATEGORY_NOT_FOUND"): lambda world: world.order("none-such"),
        (409, "NOTHING_TO_UNLOCK"): lambda world: world.order("family"),
        (409, "REQUEST_ID_REUSED"): lambda world: (
            world.order("friendship", "the-same"),
            world.order("workplace", "the-same"),
        )[1],
    },
    "POST /api/insights/jobs/{job_id}/cancel": {(409, "JOB_NOT_CANCELLABLE"): _ended},
    "POST /api/chats/upload": {
        (400, "IMPORT_UNREADABLE"): lambda world: world.user.upload(b"no chat"),
        (404, "USER_NOT_FOUND"): lambda world: world.stranger.upload(),
        (409, "REQUEST_ID_REUSED"): _another_file,
        (422, "INVALID_FIELD"): lambda world: world.user.upload(format="none-such"),
    },
    "PUT /api/chats/{chat_id}/display-name": {
        (400, "INVALID_FIELD"): lambda world: world.user.request(
            "PUT", f"/api/chats/{world.ids['chat_id']}/display-name", json={"display_name": ""}
        ),
    },
}

#: Statuses that need services set up in another way: which file has the check.
ELSEWHERE: Mapping[str, Mapping[int, str]] = {"POST /api/rag/query": {402: "test_rag.py"}}
