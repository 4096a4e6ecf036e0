"""Upload, reserve, work, charge, read: from outside, on the processes that `make run` starts."""

import base64
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
import redis

from tests.eventually import eventually
from tests.spine.conftest import EXAMPLES, System

pytestmark = [pytest.mark.spine, pytest.mark.timeout(240)]


def test_the_whole_job_over_rest(system: System) -> None:
    app = system.app()
    assert app.coins() == (50, 0)  # the sign-up bonus
    app.grant(450)
    chat_id = app.chat()

    ordered = app.unlock(chat_id, "romantic")

    assert ordered.status_code == 202
    assert ordered.json()["price"] == 400
    job = app.wait_for(ordered.json()["job_id"], "COMPLETED")
    assert job["totals"] == {
        "requested": len(job["insight_type_ids"]),
        "completed": len(job["insight_type_ids"]),
        "failed": 0,
    }
    assert job["progress"]["percent"] == 100
    assert app.coins() == (100, 0)
    assert app.charges() == [-400]
    insights = app.insights(chat_id)
    assert {insight["type"] for insight in insights} == set(job["insight_type_ids"])
    assert len(insights) >= 8
    assert all(insight["data"]["chart"] and insight["sentences"] for insight in insights)


def test_the_whole_job_over_grpc_with_a_reflection_client_alone(system: System) -> None:
    user_id = f"user-{uuid.uuid4().hex}"
    assert {
        "credit.v1.CreditService",
        "payment.v1.PaymentService",
        "ops.v1.OpsService",
    } <= system.credit.services()
    system.chat.call("chat.v1.UserService/StoreUser", {"user_id": user_id})
    system.credit.call(
        "credit.v1.CreditService/Grant",
        {
            "user_id": user_id,
            "amount": 150,
            "type": "TRANSACTION_TYPE_PURCHASE",
            "request_id": str(uuid.uuid4()),
        },
    )
    header = {"user_id": user_id, "file_name": "the-flat-share.txt", "request_id": str(uuid.uuid4())}
    chunk = base64.b64encode((EXAMPLES / "the-flat-share.txt").read_bytes()).decode()
    imported = system.chat.upload("chat.v1.ChatService/ImportChat", [{"header": header}, {"chunk": chunk}])
    chat_id = imported["chat"]["chat_id"]

    order = {
        "user_id": user_id,
        "chat_id": chat_id,
        "category_id": "friendship",
        "request_id": str(uuid.uuid4()),
    }
    job = system.chat.call("insight.v1.InsightService/Unlock", order)["job"]
    updates = [
        update["job"]["state"]
        for update in system.chat.stream(
            "insight.v1.InsightService/WatchJob", {"user_id": user_id, "job_id": job["job_id"]}
        )
    ]

    assert updates[-1] == "JOB_STATE_COMPLETED"
    account = system.credit.call("credit.v1.CreditService/GetAccount", {"user_id": user_id})["account"]
    # Defaults are left out of JSON: nothing is owned, nothing is reserved.
    assert (account.get("balance", "0"), account.get("reserved", "0")) == ("0", "0")
    reservation = system.credit.call(
        "credit.v1.CreditService/GetReservation", {"reservation_id": job["reservation_id"]}
    )["reservation"]
    assert (reservation["state"], reservation["charged_amount"]) == ("RESERVATION_STATE_CHARGED", "200")
    shown = system.chat.call(
        "insight.v1.InsightService/ListInsights", {"user_id": user_id, "chat_id": chat_id}
    )
    assert len(shown["insights"]) >= 6


def test_fifty_callers_with_one_key_get_one_job_one_reservation_and_one_charge(system: System) -> None:
    app = system.app()
    app.grant(950)
    chat_id = app.chat()
    key = str(uuid.uuid4())

    with ThreadPoolExecutor(50) as callers:
        answers = list(callers.map(lambda _: app.unlock(chat_id, "romantic", key), range(50)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    app.wait_for(answers[0].json()["job_id"], "COMPLETED")
    assert app.charges() == [-400]
    assert app.coins() == (600, 0)
    reservations = system.credit.call("credit.v1.CreditService/ListReservations", {"user_id": app.user_id})
    assert len(reservations["reservations"]) == 1


def test_too_few_coins_say_what_is_needed_and_what_is_there(system: System) -> None:
    app = system.app()
    chat_id = app.chat("the-flat-share.txt")
    key = str(uuid.uuid4())

    refusal = app.unlock(chat_id, "friendship", key)

    assert refusal.status_code == 402
    assert refusal.json()["error"]["code"] == "INSUFFICIENT_CREDITS"
    assert refusal.json()["error"]["details"] == {"required": 200, "available": 50}
    app.grant(1_000)
    again = app.unlock(chat_id, "friendship", key)
    assert again.status_code == 402, "a refusal is remembered"
    assert app.unlock(chat_id, "friendship").status_code == 202


def test_work_that_fails_gives_its_coins_back(system: System) -> None:
    app = system.app()
    app.grant(150)
    chat_id = app.chat("too-short.txt")

    job_id = app.unlock(chat_id, "friendship").json()["job_id"]

    job = app.wait_for(job_id, "FAILED")
    assert job["error"]["code"] == "NOT_ENOUGH_MESSAGES"
    assert app.coins() == (200, 0)
    assert app.charges() == []
    assert app.insights(chat_id) == []


def test_a_redis_that_forgets_everything_loses_no_job(system: System) -> None:
    app = system.app()
    app.grant(800)
    chats = [app.chat("the-flat-share.txt") for _ in range(3)]

    with system.workers_stopped():
        jobs = [app.unlock(chat_id, "friendship").json()["job_id"] for chat_id in chats]
        store = redis.Redis.from_url(system.redis_url)
        eventually(lambda: store.llen("dramatiq:jobs") or store.keys("dramatiq:*"))
        store.flushall()
        store.close()

    for job_id in jobs:
        app.wait_for(job_id, "COMPLETED")
    assert app.charges() == [-200] * 3


def test_a_reservation_that_expired_hides_the_insights_until_a_retry_is_paid(system: System) -> None:
    app = system.app()
    app.grant(150)
    chat_id = app.chat("the-flat-share.txt")

    with system.workers_stopped():
        order = app.unlock(chat_id, "friendship").json()
        # No worker, no heartbeat: the reservation runs out, and the coins go elsewhere meanwhile.
        eventually(lambda: app.coins()[1] == 0, 20)
        spent = system.credit.call(
            "credit.v1.CreditService/Reserve",
            {"user_id": app.user_id, "amount": 150, "request_id": str(uuid.uuid4())},
        )["reservation"]

    job = app.wait_for(order["job_id"], "PAYMENT_FAILED")
    assert job["error"]["code"] in {"RESERVATION_EXPIRED", "INSUFFICIENT_CREDITS"}
    assert app.insights(chat_id) == []
    assert app.charges() == []
    with pytest.raises(grpc.RpcError) as late:
        system.credit.call("credit.v1.CreditService/Charge", {"reservation_id": order["reservation_id"]})
    assert late.value.code() is grpc.StatusCode.FAILED_PRECONDITION

    system.credit.call(
        "credit.v1.CreditService/Release", {"reservation_id": spent["reservation_id"], "reason": "test"}
    )
    app.wait_for(order["job_id"], "COMPLETED")
    assert app.insights(chat_id)
    assert app.charges() == [-200]


def test_a_deleted_chat_is_gone_its_job_is_cancelled_and_undelete_brings_it_back(system: System) -> None:
    app, stranger = system.app(), system.app()
    app.grant(750)
    chat_id = app.chat("the-flat-share.txt")
    app.wait_for(app.unlock(chat_id, "friendship").json()["job_id"], "COMPLETED")
    made = app.insights(chat_id)

    with system.workers_stopped():
        waiting = app.unlock(chat_id, "workplace").json()["job_id"]
        assert app.coins() == (600, 200)
        assert app.http.delete(f"/api/chats/{chat_id}").status_code == 204
        job = app.wait_for(waiting, "CANCELLED")

    assert job["transaction_id"] is None
    assert app.coins() == (600, 0)
    for path in (f"/api/chats/{chat_id}", f"/api/chats/{chat_id}/messages", f"/api/insights/chats/{chat_id}"):
        assert app.http.get(path).json()["error"]["code"] == "CHAT_NOT_FOUND"
    assert app.http.get("/api/chats").json()["chats"] == []
    assert stranger.http.post(f"/api/chats/{chat_id}/undelete").status_code == 404

    assert app.http.post(f"/api/chats/{chat_id}/undelete").status_code == 200
    assert app.insights(chat_id) == made
    assert app.http.get(f"/api/chats/{chat_id}/messages").json()["messages"]
    assert stranger.http.get(f"/api/chats/{chat_id}").status_code == 404


_BROKEN: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "IMPORT_UNREADABLE"),
    "binary": (bytes(range(256)) * 40, 400, "IMPORT_UNREADABLE"),
    "another encoding": ("01/02/24, 10:00 - Zoë: café".encode("latin-1"), 400, "IMPORT_UNREADABLE"),
    "no message": (b"just a letter\nto nobody\n", 400, "IMPORT_UNREADABLE"),
    "too large": (b"01/02/24, 10:00 - Ann: hello\n" * 40_000, 413, "IMPORT_TOO_LARGE"),
}


@pytest.mark.parametrize("name", _BROKEN)
def test_a_broken_upload_is_refused_with_its_reason_and_leaves_nothing(system: System, name: str) -> None:
    content, status, code = _BROKEN[name]
    app = system.app()

    answer = app.upload(content, name="the-flat-share.txt")

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert answer.json()["error"]["message"]
    assert app.http.get("/api/chats").json()["chats"] == []


def test_every_service_tells_that_it_serves_and_how_full_its_pool_is(system: System) -> None:
    app = system.app()

    health = app.http.get("/health")
    pools: list[dict[str, Any]] = app.http.get("/health/db-pool").json()["pools"]

    assert health.status_code == 200
    assert health.json()["status"] == "SERVING"
    assert {pool["service"] for pool in pools} == {"credit_service", "chat_service"}
    assert all(pool["size"] > 0 and pool["waiting"] == 0 for pool in pools)


def test_the_operators_commands_work_beside_the_running_system(system: System) -> None:
    user_id = f"user-{uuid.uuid4().hex}"

    granted = system.run("credit_service", "grant", user_id, "7")
    refused = system.run("credit_service", "grant", user_id, "-1")

    assert granted.returncode == 0, granted.stderr
    assert "7" in granted.stdout
    assert refused.returncode == 1
    assert "got '-1'" in refused.stderr
