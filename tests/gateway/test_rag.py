"""Questions through REST: as JSON, as server-sent events, and what an app is told when it fails."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import httpx
import pytest

from chat_service import bootstrap as chat_bootstrap
from chat_service.settings import ChatSettings
from servicekit.embedded import EmbeddedPostgres, EmbeddedRedis
from tests.eventually import eventually
from tests.fakes.openai_server import Behaviour, FakeOpenAI
from tests.gateway.house import LINE_ENDS, LINE_ENDS_EXPORT, Api, RunningGateway, error, good
from tests.gateway.test_main_job import do_the_work, grant
from tests.served import ServedApp

PRICE = 5
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeOpenAI]:
    """A model server."""
    with FakeOpenAI() as server:
        yield server


@pytest.fixture(scope="module")
def rag_gateway(
    postgres: EmbeddedPostgres, redis_server: EmbeddedRedis, credit_target: str, fake: FakeOpenAI
) -> Iterator[RunningGateway]:
    """A gateway whose chat_service has a model, and a price for questions."""
    postgres.create_database("rag_chat")
    settings = ChatSettings(
        chat_port=0,
        chat_database_url=postgres.url("rag_chat"),
        redis_url=f"{redis_server.url}?db=3",
        credit_target=credit_target,
        chat_signup_bonus=0,
        embedding_base_url=fake.base_url,
        embedding_model="fake-embedding",
        model_base_url=fake.base_url,
        model_name="fake-model",
        model_max_retries=0,
        ask_price=PRICE,
        job_credit_timeout_s=20.0,
        drain_s=1.0,
        log_level="warning",
    )
    chat_bootstrap.migrate(settings)
    with (
        ServedApp(lambda: chat_bootstrap.build(settings), chat_bootstrap.App.close) as served,
        RunningGateway(credit_target=credit_target, chat_target=served.target) as running,
    ):
        yield running


@pytest.fixture
def asker(
    rag_gateway: RunningGateway,
    connect: Callable[..., Api],
    credit_channel: grpc.Channel,
    fake: FakeOpenAI,
    request: pytest.FixtureRequest,
) -> Iterator[Api]:
    """A client with a chat and coins."""
    fake.forget()
    api = connect(rag_gateway, f"asker-{request.node.name}"[:128])
    api.store()
    grant(credit_channel, api.user_id, 12)
    yield api
    fake.release()
    fake.forget()


def question(chat_id: str, text: str = "What is message number 3?", **fields: Any) -> dict[str, Any]:
    """A body for POST /api/rag/query."""
    return {"json": {"chat_id": chat_id, "question": text, **fields}}


def events(response: httpx.Response) -> list[tuple[str, Any]]:
    """Answer the events of a stream: name and data."""
    blocks = [block for block in response.text.split("\n\n") if block.startswith("event: ")]
    parsed = [block.removeprefix("event: ").split("\ndata: ", 1) for block in blocks]
    return [(name, json.loads(data)) for name, data in parsed]


def test_a_question_is_answered_whole_as_json(asker: Api) -> None:
    chat_id = asker.chat()
    assert good(asker.get(f"/api/chats/{chat_id}/vector-status"))["state"] == "NONE"
    answered = good(
        asker.post("/api/rag/query", **question(chat_id, "What is message number 2?", authors=["Alice"]))
    )
    assert answered["answer"] == "The passages say what they say [1]."
    first = answered["passages"][0]["messages"][0]
    assert (first["position"], first["author"], first["kind"]) == (3, "Alice", "TEXT")
    assert answered["authors"] == ["Alice"]
    assert answered["usage"]["charged_amount"] == PRICE
    assert good(asker.get("/api/credits/balance"))["available"] == 12 - PRICE
    status = good(asker.get(f"/api/chats/{chat_id}/vector-status"))
    assert (status["state"], status["percent"]) == ("READY", 100)


def test_the_same_key_answers_as_the_first_time_and_another_question_under_it_is_refused(
    asker: Api,
) -> None:
    chat_id = asker.chat()
    headers = {"Idempotency-Key": "question-1"}
    first = good(asker.post("/api/rag/query", headers=headers, **question(chat_id)))
    assert good(asker.post("/api/rag/query", headers=headers, **question(chat_id))) == first
    assert good(asker.get("/api/credits/balance"))["balance"] == 12 - PRICE
    reused = asker.post("/api/rag/query", headers=headers, **question(chat_id, "Another?"))
    assert error(reused, 409, "REQUEST_ID_REUSED")["field"] == "question"


def test_a_question_is_answered_part_by_part_as_events(asker: Api) -> None:
    response = asker.post("/api/rag/query", headers=EVENTS, **question(asker.chat()))
    assert response.headers["content-type"].startswith("text/event-stream")
    parts = [(name, data) for name, data in events(response) if name != "index"]
    names = [name for name, _ in parts]
    assert names == ["passages", *["token"] * (len(names) - 2), "usage"]
    assert "".join(data["text"] for name, data in parts if name == "token").startswith("The passages say")
    assert parts[-1][1]["charged_amount"] == PRICE


def test_no_text_of_a_message_or_of_a_model_ends_a_line_of_an_event(asker: Api, fake: FakeOpenAI) -> None:
    # given a chat in which somebody has written all that ends lines, and a model that repeats it
    chat_id = good(asker.upload(LINE_ENDS_EXPORT), 201)["chat_id"]
    fake.answer_with(lambda _: f"so{LINE_ENDS}it is")
    # when a question is answered as events
    response = asker.post("/api/rag/query", headers=EVENTS, **question(chat_id))
    # then Python's lines are those of the format, and every text is what it was
    assert response.text.splitlines() == response.text.removesuffix("\n").split("\n")
    parts = dict(reversed([(name, data) for name, data in events(response) if name != "token"]))
    bodies = [message["body"] for passage in parts["passages"]["passages"] for message in passage["messages"]]
    assert any(LINE_ENDS in body for body in bodies)
    assert (
        "".join(data["text"] for name, data in events(response) if name == "token") == f"so{LINE_ENDS}it is"
    )


def test_what_fails_before_the_first_part_has_a_status_and_after_it_an_event(
    asker: Api, fake: FakeOpenAI
) -> None:
    chat_id = asker.chat()
    for _ in range(2):
        good(asker.post("/api/rag/query", **question(chat_id)))
    # given too few coins, which is known before anything is found
    refused = asker.post("/api/rag/query", headers=EVENTS, **question(chat_id))
    assert error(refused, 402, "INSUFFICIENT_CREDITS") == {"required": PRICE, "available": 2}


def test_a_model_that_fails_is_an_event_in_a_stream_and_503_as_json(asker: Api, fake: FakeOpenAI) -> None:
    chat_id = asker.chat()
    good(asker.post("/api/rag/query", **question(chat_id)))
    fake.behave(Behaviour("answer", times=1), Behaviour("error"))
    parts = events(asker.post("/api/rag/query", headers=EVENTS, **question(chat_id)))
    assert [name for name, _ in parts] == ["passages", "error"]
    assert parts[-1][1]["error"]["code"] == "MODEL_UNAVAILABLE"
    fake.behave(Behaviour("answer", times=1), Behaviour("error"))
    error(asker.post("/api/rag/query", **question(chat_id)), 503, "MODEL_UNAVAILABLE")
    assert good(asker.get("/api/credits/balance"))["available"] == 12 - PRICE


def test_a_user_has_a_bounded_number_of_questions_at_once(
    asker: Api,
    fake: FakeOpenAI,
    rag_gateway: RunningGateway,
    start: Callable[..., RunningGateway],
    connect: Any,
) -> None:
    # given a gateway with one question a user, which a model is answering
    settings = rag_gateway.settings
    few = start(
        credit_target=settings.credit_target, chat_target=settings.chat_target, gateway_questions_per_user=1
    )
    api = connect(few, asker.user_id)
    chat_id = asker.chat()
    good(asker.post("/api/rag/query", **question(chat_id)))
    fake.behave(Behaviour("answer", times=1), Behaviour("hold", times=1))
    with api.http.stream("POST", "/api/rag/query", headers=EVENTS, **question(chat_id)) as first:
        assert first.status_code == 200
        # when another one is asked, then it is refused, and not before the first was
        details = error(api.post("/api/rag/query", **question(chat_id)), 429, "RATE_LIMITED")
        assert details == {"limit": "1 questions at once", "by": "questions"}
        fake.release()
        first.read()
    # and after it there is room again
    eventually(lambda: api.post("/api/rag/query", **question(chat_id)).status_code != 429)


@pytest.mark.parametrize("headers", [{}, EVENTS], ids=["json", "events"])
def test_a_client_that_goes_away_gets_its_coins_back(
    asker: Api, fake: FakeOpenAI, headers: dict[str, str]
) -> None:
    chat_id = asker.chat()
    good(asker.post("/api/rag/query", **question(chat_id)))
    fake.behave(Behaviour("answer", times=1), Behaviour("hold"))
    # when a client stops waiting for a model that does not answer
    with pytest.raises(httpx.TimeoutException):
        asker.post("/api/rag/query", headers=headers, timeout=1.0, **question(chat_id))
    # then nothing is reserved any more, and nothing was paid
    eventually(lambda: good(asker.get("/api/credits/balance"))["available"] == 12 - PRICE, 30.0)


def test_one_insight_at_once_costs_what_its_category_costs_and_once_it_is_there_nothing(
    user: Api, chat_channel: grpc.Channel, credit_channel: grpc.Channel
) -> None:
    chat_id = user.chat()
    grant(credit_channel, user.user_id, 1_000)
    order = {"chat_id": chat_id, "category_id": "friendship", "insight_type_id": "emoji"}
    headers = {"Idempotency-Key": "at-once"}
    before = good(user.get("/api/credits/balance"))["available"]
    # given no worker, it takes too long and the job goes on
    slow = user.post("/api/rag/generate", json=order, headers=headers)
    error(slow, 504, "DEADLINE_EXCEEDED")
    job_id = slow.json()["error"]["message"].split()[1]
    do_the_work(chat_channel, credit_channel, job_id)
    # then the same key gets the insight, and so does any other later
    insight = good(user.post("/api/rag/generate", json=order, headers=headers))
    assert insight["type"] == "emoji"
    paid = good(user.get("/api/credits/balance"))
    assert good(user.post("/api/rag/generate", json=order)) == insight
    assert good(user.get("/api/credits/balance")) == paid
    assert paid["available"] == before - 200


def test_an_insight_that_the_category_does_not_have_is_refused_before_anything_is_paid(
    user: Api, credit_channel: grpc.Channel
) -> None:
    order = {"chat_id": user.chat(), "category_id": "friendship", "insight_type_id": "nothing"}
    refused = user.post("/api/rag/generate", json=order)
    assert error(refused, 400, "INVALID_FIELD")["field"] == "insight_type_id"
    assert good(user.get("/api/credits/balance"))["reserved"] == 0


def test_a_job_that_is_cancelled_is_an_error_with_its_state(user: Api, credit_channel: grpc.Channel) -> None:
    order = {"chat_id": user.chat(), "category_id": "friendship", "insight_type_id": "emoji"}
    grant(credit_channel, user.user_id, 1_000)
    headers = {"Idempotency-Key": "cancelled"}
    slow = user.post("/api/rag/generate", json=order, headers=headers)
    job_id = slow.json()["error"]["message"].split()[1]
    good(user.post(f"/api/insights/jobs/{job_id}/cancel"))
    eventually(lambda: good(user.get(f"/api/insights/jobs/{job_id}/status"))["state"] == "CANCELLED")
    ended = user.post("/api/rag/generate", json=order, headers=headers)
    assert error(ended, 409, ended.json()["error"]["code"])["state"] == "CANCELLED"
