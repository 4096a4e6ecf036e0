"""A user takes everything along, and leaves."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import grpc

from tests.gateway.house import LINE_ENDS, LINE_ENDS_EXPORT, Api, RunningGateway, error, good, unused_port
from tests.gateway.test_main_job import grant

Connect = Callable[..., Api]


def lines(user: Api) -> list[dict[str, Any]]:
    """Read an export."""
    answer = user.get("/api/users/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_an_export_has_all_that_the_api_shows_one_thing_a_line(
    user: Api, credit_channel: grpc.Channel
) -> None:
    chat_id = user.chat()
    grant(credit_channel, user.user_id, 1_000)
    job = good(user.post("/api/insights/unlock", json={"chat_id": chat_id, "category_id": "family"}), 202)

    exported = lines(user)

    of = {kind: [one["data"] for one in exported if one["type"] == kind] for kind in _kinds(exported)}
    assert of["user"][0]["display_name"] == user.user_id
    assert of["chat"] == [good(user.get(f"/api/chats/{chat_id}"))]
    shown = good(user.get(f"/api/chats/{chat_id}/messages"))["messages"]
    assert of["message"] == [{"chat_id": chat_id, **message} for message in shown]
    assert of["job"] == [good(user.get(f"/api/insights/jobs/{job['job_id']}/status"))]
    assert of["account"][0]["reserved"] == job["price"]
    assert of["transaction"] == good(user.get("/api/credits/transactions"))["transactions"]
    assert exported[-1] == {
        "type": "end",
        "data": {"lines": {"user": 1, "chat": 1, "message": 6, "job": 1, "account": 1, "transaction": 2}},
    }


def _kinds(exported: list[dict[str, Any]]) -> set[str]:
    return {one["type"] for one in exported}


def test_no_text_of_a_user_ends_a_line_of_the_export(user: Api) -> None:
    # given a chat in which somebody has written all that ends lines, and which is called so
    good(user.post("/api/users/store", json={"display_name": f"a{LINE_ENDS}b"}))
    good(user.upload(LINE_ENDS_EXPORT, display_name=f"c{LINE_ENDS}d"), 201)
    # when the user takes everything along
    answer = user.get("/api/users/export")
    # then Python's lines are those of the format, and every text is what it was
    assert answer.text.splitlines() == answer.text.removesuffix("\n").split("\n")
    exported = [json.loads(line) for line in answer.text.splitlines()]
    texts = {kind: [one["data"] for one in exported if one["type"] == kind] for kind in _kinds(exported)}
    assert texts["user"][0]["display_name"] == f"a{LINE_ENDS}b"
    assert texts["chat"][0]["display_name"] == f"c{LINE_ENDS}d"
    assert texts["message"][0]["body"].count(LINE_ENDS) == 8


def test_who_is_not_stored_has_nothing_to_export(user: Api) -> None:
    error(user.get("/api/users/export"), 404, "USER_NOT_FOUND")


def test_an_export_that_breaks_off_says_so_in_its_last_line(
    start: Callable[..., RunningGateway], connect: Connect, user: Api, chat_target: str
) -> None:
    # given a gateway that cannot reach credit_service
    user.chat()
    lame = start(chat_target=chat_target, credit_target=f"127.0.0.1:{unused_port()}", rpc_timeout_s=1.0)

    exported = lines(connect(lame, user.user_id))

    assert exported[0]["type"] == "user"
    assert exported[-1]["type"] == "error"
    assert exported[-1]["data"]["code"] == "UNAVAILABLE"
    assert "end" not in _kinds(exported)


def test_a_deleted_user_is_gone_from_every_answer_at_once(user: Api) -> None:
    chat_id = user.chat()

    begun = good(user.request("DELETE", "/api/users/delete-account"), 202)

    assert begun["delete_time"] < begun["purge_time"]
    error(user.get(f"/api/chats/{chat_id}"), 404, "CHAT_NOT_FOUND")
    assert good(user.get("/api/credits/balance"))["balance"] == 0
    error(user.get("/api/users/export"), 404, "USER_NOT_FOUND")
    error(user.upload(), 404, "USER_NOT_FOUND")
    assert good(user.get("/api/chats"))["chats"] == []
    assert good(user.get("/api/credits/transactions"))["transactions"] == []


def test_a_repeated_delete_answers_as_the_first_time_also_after_a_new_login(user: Api) -> None:
    user.store()
    key = {"Idempotency-Key": f"leave-{uuid.uuid4()}"}
    first = good(user.request("DELETE", "/api/users/delete-account", headers=key), 202)
    assert user.store()["created"]

    again = good(user.request("DELETE", "/api/users/delete-account", headers=key), 202)

    assert again == first
    assert not user.store()["created"]


def test_nobody_can_delete_who_was_never_stored(user: Api) -> None:
    error(user.request("DELETE", "/api/users/delete-account"), 404, "USER_NOT_FOUND")
