"""The main job through REST: store, upload, unlock, follow, read, and see the coins move."""

import json
import uuid
from collections.abc import Callable
from functools import partial

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from chat_service import bootstrap as chat_bootstrap
from chat_service.settings import ChatSettings
from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from protos.insight.v1 import insight_pb2, insight_pb2_grpc
from tests.eventually import eventually
from tests.gateway.house import Api, RunningGateway, error, good, unused_port
from tests.served import ServedApp


def grant(channel: grpc.Channel, user_id: str, coins: int) -> None:
    """Give a user coins, as an operator does."""
    credit_pb2_grpc.CreditServiceStub(channel).Grant(
        credit_pb2.GrantRequest(
            user_id=user_id,
            amount=coins,
            type=credit_pb2.TRANSACTION_TYPE_PURCHASE,
            description="coins",
            request_id=str(uuid.uuid4()),
        ),
        timeout=10,
    )


def list_value(params: Struct, key: str) -> list[str]:
    """Answer a list of texts in a job's parameters."""
    return [value.string_value for value in params.fields[key].list_value.values]


def do_the_work(chat: grpc.Channel, credit: grpc.Channel, job_id: str) -> None:
    """Do what a worker does: claim, save every insight, charge, finish."""
    runner = insight_pb2_grpc.JobRunnerServiceStub(chat)
    claim = runner.ClaimJob(insight_pb2.ClaimJobRequest(job_id=job_id, worker_id="test"), timeout=10)
    attempt = claim.lease.attempt
    for name in list_value(claim.job.params, "insight_type_ids"):
        insight = insight_pb2.SaveInsightRequest(
            job_id=job_id, attempt=attempt, insight_type_id=name, sentences=["Six messages."]
        )
        insight.data.update(
            {"total": 6, "mean": 1.5, "bars": [{"label": "Alice", "value": -3}], "x": None, "ok": True}
        )
        runner.SaveInsight(insight, timeout=10)
    runner.Heartbeat(insight_pb2.HeartbeatRequest(job_id=job_id, attempt=attempt, settling=True), timeout=10)
    charged = credit_pb2_grpc.CreditServiceStub(credit).Charge(
        credit_pb2.ChargeRequest(reservation_id=claim.job.reservation_id), timeout=10
    )
    runner.FinishJob(
        insight_pb2.FinishJobRequest(
            job_id=job_id,
            attempt=attempt,
            outcome=insight_pb2.JOB_STATE_COMPLETED,
            transaction_id=charged.transaction.transaction_id,
        ),
        timeout=10,
    )


def test_a_user_uploads_unlocks_follows_and_reads(
    user: Api, credit_channel: grpc.Channel, chat_channel: grpc.Channel
) -> None:
    # given a user with a chat and 450 coins
    chat_id = user.chat()
    grant(credit_channel, user.user_id, 400)
    # when they unlock a category
    accepted = user.post("/api/insights/unlock", json={"chat_id": chat_id, "category_id": "romantic"})
    job = good(accepted, 202)
    # then the coins are held, and the job can be followed where the answer says
    assert good(user.get("/api/credits/balance")) | {"update_time": None} == {
        "user_id": user.user_id,
        "balance": 450,
        "reserved": 400,
        "available": 50,
        "update_time": None,
    }
    assert accepted.headers["Location"] == f"/api/insights/jobs/{job['job_id']}/status"
    assert job["state"] in ("RESERVING", "QUEUED")
    assert job["totals"]["requested"] == len(job["insight_type_ids"]) > 0
    # when a worker has done it
    do_the_work(chat_channel, credit_channel, job["job_id"])
    done = good(user.get(accepted.headers["Location"]))
    # then the job, the insights and the history say so
    assert (done["state"], done["price"], done["error"]) == ("COMPLETED", 400, None)
    assert (done["charge_mode"], done["charge_amount"], done["failures"]) == ("ALL_OR_NOTHING", 400, [])
    assert done["totals"] == {
        "requested": len(job["insight_type_ids"]),
        "completed": len(job["insight_type_ids"]),
        "failed": 0,
    }
    assert done["finish_time"].endswith("Z")
    shown = good(user.get(f"/api/insights/chats/{chat_id}"))["insights"]
    assert {insight["type"] for insight in shown} == set(job["insight_type_ids"])
    whole = '{"bars":[{"label":"Alice","value":-3}],"mean":1.5,"ok":true,"total":6,"x":null}'
    assert json.dumps(shown[0]["data"], sort_keys=True, separators=(",", ":")) == whole
    history = good(user.get("/api/credits/transactions", params={"type": "INSIGHT_UNLOCK"}))["transactions"]
    assert [(row["amount"], row["transaction_id"]) for row in history] == [(-400, done["transaction_id"])]


def test_too_few_coins_answer_402_with_required_and_available_as_numbers(user: Api) -> None:
    # given a user with a chat and only the 50 coins of the sign-up
    chat_id = user.chat()
    # when they order something for 400
    refused = user.post("/api/insights/unlock", json={"chat_id": chat_id, "category_id": "romantic"})
    # then the answer has the numbers
    details = error(refused, 402, "INSUFFICIENT_CREDITS")
    assert (details["required"], details["available"]) == (400, 50)


def test_an_order_that_was_taken_while_the_ledger_was_away_may_be_refused_under_its_key(
    user: Api, chat_settings: ChatSettings, start: Callable[..., RunningGateway], connect: Callable[..., Api]
) -> None:
    # given a user with too few coins, and a chat_service that does not reach the ledger
    order = {"chat_id": user.chat(), "category_id": "romantic"}
    key = {"Idempotency-Key": "order-1"}
    away = {"credit_target": f"127.0.0.1:{unused_port()}", "job_credit_timeout_s": 0.2}
    settings = chat_settings.model_copy(update=away)
    with ServedApp(lambda: chat_bootstrap.build(settings), chat_bootstrap.App.close) as lame:
        # when they order, then the order is taken
        client = connect(start(chat_target=lame.target), user.user_id)
        taken = good(client.post("/api/insights/unlock", json=order, headers=key), 202)
        assert taken["state"] == "RESERVING"
    # and once the ledger has been asked it is refused, under the same key
    unlock = partial(user.post, "/api/insights/unlock", json=order, headers=key)
    eventually(lambda: unlock().status_code != 202, 30.0)
    assert error(unlock(), 402, "INSUFFICIENT_CREDITS")["required"] == 400
    job = good(user.get(f"/api/insights/jobs/{taken['job_id']}/status"))
    assert job["state"] == "REJECTED"


def test_the_same_idempotency_key_orders_once(user: Api, credit_channel: grpc.Channel) -> None:
    # given a user who can pay twice
    chat_id = user.chat()
    grant(credit_channel, user.user_id, 1_000)
    order = {"chat_id": chat_id, "category_id": "romantic"}
    # when they send the order twice under one key
    jobs = [
        good(user.post("/api/insights/unlock", json=order, headers={"Idempotency-Key": "order-1"}), 202)
        for _ in range(2)
    ]
    # then there is one job and one reservation
    assert jobs[0]["job_id"] == jobs[1]["job_id"]
    assert good(user.get("/api/credits/balance"))["reserved"] == 400


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("order-1", {}),
        ("DE305D54-75B4-431B-ADB2-EB6B9E546014", {"request_id": "de305d54-75b4-431b-adb2-eb6b9e546014"}),
    ],
)
def test_a_key_that_was_used_for_another_order_is_named_as_it_was_sent(
    user: Api, credit_channel: grpc.Channel, key: str, shown: dict[str, str]
) -> None:
    chat_id = user.chat()
    grant(credit_channel, user.user_id, 1_000)
    headers = {"Idempotency-Key": key}
    first, again = (
        user.post(
            "/api/insights/unlock", json={"chat_id": chat_id, "category_id": category_id}, headers=headers
        )
        for category_id in ("romantic", "family")
    )
    # then the error says so of the key, and has no id that was made of it
    good(first, 202)
    details = error(again, 409, "REQUEST_ID_REUSED")
    assert details == {"idempotency_key": key, "field": "category_id", **shown}
    assert again.json()["error"]["message"] == (
        "this Idempotency-Key was used before for a request with another category_id"
    )


def test_one_key_of_two_users_names_two_requests(user: Api, other: Api, credit_channel: grpc.Channel) -> None:
    # given two users who count their orders alike
    jobs = []
    for client in (user, other):
        chat_id = client.chat()
        grant(credit_channel, client.user_id, 400)
        # when both order under the same key
        order = {"chat_id": chat_id, "category_id": "romantic"}
        made = client.post("/api/insights/unlock", json=order, headers={"Idempotency-Key": "order-1"})
        jobs.append(good(made, 202))
    # then each has an own job
    assert jobs[0]["job_id"] != jobs[1]["job_id"]


def test_a_cancelled_job_gives_the_coins_back(user: Api, credit_channel: grpc.Channel) -> None:
    # given an order that no worker took yet
    chat_id = user.chat()
    grant(credit_channel, user.user_id, 400)
    job = good(user.post("/api/insights/unlock", json={"chat_id": chat_id, "category_id": "romantic"}), 202)
    # when it is cancelled
    cancelled = good(user.post(f"/api/insights/jobs/{job['job_id']}/cancel"))
    # then the coins are free again
    assert cancelled["state"] == "CANCELLED"
    assert good(user.get("/api/credits/balance"))["available"] == 450


def test_the_sign_up_bonus_comes_once(user: Api) -> None:
    # when a user is stored twice
    first, second = user.store(), user.store()
    # then the first time made the user, and the bonus was granted once
    assert (first["created"], second["created"]) == (True, False)
    assert good(user.get("/api/credits/balance"))["balance"] == 50
    assert len(good(user.get("/api/credits/transactions"))["transactions"]) == 1


def test_a_body_cannot_say_who_the_user_is(user: Api, other: Api) -> None:
    # when a profile names another user
    stored = good(user.post("/api/users/store", json={"user_id": other.user_id, "display_name": "x"}))
    # then the token's user is stored, and the other one is not
    assert stored["user_id"] == user.user_id
    assert good(other.get("/api/credits/balance")) == {
        "user_id": other.user_id,
        "balance": 0,
        "reserved": 0,
        "available": 0,
        "update_time": None,
    }
