"""What an app may keep, and how it asks whether that still holds."""

from collections.abc import Callable

import grpc
import pytest

from tests.gateway.house import Api, RunningGateway, good
from tests.gateway.test_main_job import do_the_work, grant

Connect = Callable[..., Api]

PUBLIC = ["/api/categories", "/api/categories/romantic/insights", "/api/credits/packages"]


@pytest.mark.parametrize("path", PUBLIC)
def test_what_is_the_same_for_everybody_may_be_kept_for_a_minute(
    gateway: RunningGateway, connect: Connect, path: str
) -> None:
    nobody = connect(gateway)
    first = nobody.get(path)
    assert first.headers.get_list("Cache-Control") == ["public, max-age=60"]
    etag = first.headers["ETag"]
    # when it is asked again whether that still holds, then it is told so without the body
    for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = nobody.get(path, headers={"If-None-Match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == etag
    assert nobody.get(path, headers={"If-None-Match": '"other"'}).json() == first.json()


def test_insights_are_sent_again_only_when_they_have_changed(
    user: Api, chat_channel: grpc.Channel, credit_channel: grpc.Channel
) -> None:
    # given an app that has read the insights of a chat
    chat_id = user.chat()
    path = f"/api/insights/chats/{chat_id}"
    before = user.get(path)
    assert before.headers["Cache-Control"] == "private, no-cache"
    assert before.headers["Vary"] == "Authorization"
    known = {"If-None-Match": before.headers["ETag"]}
    assert user.get(path, headers=known).status_code == 304
    # when more are made
    grant(credit_channel, user.user_id, 400)
    order = {"chat_id": chat_id, "category_id": "romantic"}
    job = good(user.post("/api/insights/unlock", json=order), 202)
    do_the_work(chat_channel, credit_channel, job["job_id"])
    # then it gets them
    after = user.get(path, headers=known)
    assert len(good(after)["insights"]) > 0
    assert user.get(path, headers={"If-None-Match": after.headers["ETag"]}).status_code == 304


def test_a_balance_is_kept_by_nobody(user: Api) -> None:
    user.store()
    headers = user.get("/api/credits/balance").headers
    assert headers["Cache-Control"] == "no-store"
    assert "ETag" not in headers
