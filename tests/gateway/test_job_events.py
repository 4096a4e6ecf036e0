"""A job followed as server-sent events, over a real connection."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import httpx
import pytest

from chat_service import bootstrap as chat_bootstrap
from chat_service.settings import ChatSettings
from tests.eventually import eventually
from tests.gateway.house import Api, RunningGateway, error, good
from tests.gateway.test_main_job import do_the_work, grant
from tests.served import ServedApp

Connect = Callable[..., Api]
Start = Callable[..., RunningGateway]


class Events:
    """An open stream, read event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def next(self) -> dict[str, str]:
        """Answer the fields of the next event or comment; an empty one at the end of the stream."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line:
                return fields
            name, _, value = line.partition(":")
            fields[name or "comment"] = value.strip()
        return {}

    def next_job(self) -> dict[str, Any]:
        """Answer the job of the next event, comments left out."""
        while (fields := self.next()).get("event") != "job":
            assert fields, "the stream has ended"
        job: dict[str, Any] = json.loads(fields["data"])
        return job | {"event_id": fields["id"]}

    def until(self, state: str) -> dict[str, Any]:
        """Answer the job of the first event that shows it in this state."""
        while (job := self.next_job())["state"] != state:
            pass
        return job


@contextmanager
def follow(api: Api, job_id: str, last_event_id: str | None = None) -> Iterator[Events]:
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    path = f"/api/insights/jobs/{job_id}/events"
    with api.http.stream("GET", path, headers=headers) as response:
        if response.status_code != 200:
            response.read()
        yield Events(response)


@pytest.fixture
def job_id(user: Api, credit_channel: grpc.Channel) -> str:
    """A job that waits for a worker."""
    order = {"chat_id": user.chat(), "category_id": "romantic"}
    grant(credit_channel, user.user_id, 400)
    return str(good(user.post("/api/insights/unlock", json=order), 202)["job_id"])


def test_a_stream_shows_every_state_and_ends_with_the_last(
    user: Api, job_id: str, chat_channel: grpc.Channel, credit_channel: grpc.Channel
) -> None:
    with follow(user, job_id) as events:
        # given a stream, which says first how long to wait before coming again
        assert events.response.headers["content-type"].startswith("text/event-stream")
        assert events.response.headers["Cache-Control"] == "no-store"
        assert events.response.headers["X-Accel-Buffering"] == "no"
        assert int(events.next()["retry"]) > 0
        seen = [events.next_job()]
        # when the work is done
        do_the_work(chat_channel, credit_channel, job_id)
        while seen[-1]["state"] != "COMPLETED":
            seen.append(events.next_job())
        # then the ids have grown with every change, the last event shows the end, and so does the stream
        ids = [int(job["event_id"]) for job in seen]
        assert ids == sorted(set(ids))
        assert seen[-1]["totals"]["completed"] == seen[-1]["totals"]["requested"] > 0
        assert events.next() == {}
    # and an event's data is what the status answers
    status = good(user.get(f"/api/insights/jobs/{job_id}/status"))
    assert seen[-1] == status | {"event_id": seen[-1]["event_id"]}


def test_a_client_that_comes_again_gets_what_it_has_not_seen(
    user: Api, job_id: str, chat_channel: grpc.Channel, credit_channel: grpc.Channel
) -> None:
    # given a client that saw the job wait, and left
    with follow(user, job_id) as events:
        waiting = events.until("QUEUED")
    # when it comes again while nothing has changed
    with follow(user, job_id, waiting["event_id"]) as events:
        # then the first that it hears is news
        do_the_work(chat_channel, credit_channel, job_id)
        assert events.next_job()["state"] != "QUEUED"
        last = events.until("COMPLETED")
    # and when the end has happened meanwhile, it hears of the end
    with follow(user, job_id, waiting["event_id"]) as events:
        assert events.next_job() == last
    # and who has seen the end is told not to come again: browsers do so for ever otherwise
    with follow(user, job_id, last["event_id"]) as events:
        assert (events.response.status_code, events.response.content) == (204, b"")


@pytest.mark.parametrize("last_event_id", ["", "nonsense", "9" * 400])
def test_an_id_that_was_never_given_shows_the_job_as_it_is(
    user: Api, job_id: str, last_event_id: str
) -> None:
    with follow(user, job_id, last_event_id) as events:
        assert events.next_job()["job_id"] == job_id


def test_a_quiet_stream_says_that_it_lives(
    user: Api, job_id: str, start: Start, connect: Connect, credit_target: str, chat_target: str
) -> None:
    lively = start(credit_target=credit_target, chat_target=chat_target, gateway_heartbeat_s=0.05)
    with follow(connect(lively, user.user_id), job_id) as events:
        events.until("QUEUED")
        assert [events.next() for _ in range(3)] == [{"comment": "still here"}] * 3


def test_a_user_has_a_bounded_number_of_streams_and_gets_one_back_by_leaving(
    user: Api, job_id: str, start: Start, connect: Connect, credit_target: str, chat_target: str
) -> None:
    # given a gateway with two streams a user, both open, and one request at once
    few = start(
        credit_target=credit_target,
        chat_target=chat_target,
        gateway_streams_per_user=2,
        gateway_max_in_flight=1,
    )
    api = connect(few, user.user_id)
    with follow(api, job_id) as first:
        first.until("QUEUED")
        with follow(api, job_id) as second:
            second.until("QUEUED")
            # then streams do not count as requests, and a third one is refused
            good(api.get("/"))
            with follow(api, job_id) as third:
                details = error(third.response, 429, "RATE_LIMITED")
                assert details == {"limit": "2 streams at once", "by": "streams"}

    # and those that left are no more, here and at the metrics
    def open_streams() -> str:
        text = api.get("/metrics").text
        return next(line for line in text.splitlines() if line.startswith("holdfast_http_streams_open "))

    eventually(lambda: open_streams() == "holdfast_http_streams_open 0.0")
    with follow(api, job_id) as again:
        again.until("QUEUED")


def test_a_stream_ends_after_its_time_and_can_be_taken_up(
    user: Api, job_id: str, start: Start, connect: Connect, credit_target: str, chat_target: str
) -> None:
    hasty = start(credit_target=credit_target, chat_target=chat_target, gateway_stream_max_s=0.3)
    with follow(connect(hasty, user.user_id), job_id) as events:
        seen = events.until("QUEUED")
        assert events.next() == {}
    with follow(user, job_id, seen["event_id"]) as events:
        assert events.next()["retry"]


def test_streams_end_when_the_gateway_stops(
    user: Api, job_id: str, connect: Connect, credit_target: str, chat_target: str
) -> None:
    # given a gateway that would wait for its streams for longer than the test does
    with RunningGateway(credit_target=credit_target, chat_target=chat_target, drain_s=300.0) as patient:
        response = connect(patient, user.user_id).http.stream("GET", f"/api/insights/jobs/{job_id}/events")
        events = Events(response.__enter__())
        events.until("QUEUED")
        # when it stops, which is the end of this block
    # then the stream has ended in order
    assert events.next() == {}
    response.__exit__(None, None, None)


def test_a_stream_goes_on_while_chat_service_restarts(
    user: Api,
    job_id: str,
    start: Start,
    connect: Connect,
    credit_target: str,
    chat_settings: ChatSettings,
    chat_channel: grpc.Channel,
    credit_channel: grpc.Channel,
) -> None:
    # given a stream through a chat_service that stops
    def serve(port: int) -> ServedApp:
        settings = chat_settings.model_copy(update={"chat_port": port, "drain_s": 300.0})
        return ServedApp(lambda: chat_bootstrap.build(settings), chat_bootstrap.App.close)

    with serve(0) as served:
        port = served.port
        gateway = start(credit_target=credit_target, chat_target=served.target, gateway_heartbeat_s=0.1)
        response = connect(gateway, user.user_id).http.stream("GET", f"/api/insights/jobs/{job_id}/events")
        events = Events(response.__enter__())
        events.until("QUEUED")
    # when the work is done at another copy, while the gateway reaches none
    do_the_work(chat_channel, credit_channel, job_id)
    assert events.next()["comment"] == "still here"
    # then the stream shows the end once one is back
    with serve(port):
        assert events.until("COMPLETED")["job_id"] == job_id
        assert events.next() == {}
    response.__exit__(None, None, None)


def test_a_service_that_is_down_when_the_stream_begins_is_503(
    alone: RunningGateway, connect: Connect
) -> None:
    with follow(connect(alone, "alice"), "0197a3c4-11aa-7c3d-8e55-94b1d0c2f377") as events:
        error(events.response, 503, "UNAVAILABLE")
