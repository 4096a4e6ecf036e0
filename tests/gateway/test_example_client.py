"""The client in docs/examples does what it says, and knows nothing that the API does not have."""

import inspect
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints, is_typeddict

import grpc
import httpx
import pytest

from docs.examples import client as module
from docs.examples.client import ApiError, Client
from gateway.app import create_app
from gateway.settings import GatewaySettings
from tests.gateway.house import EXPORT, Api, RunningGateway
from tests.gateway.test_main_job import do_the_work, grant


@pytest.fixture
def client(gateway: RunningGateway, user: Api) -> Iterator[Client]:
    with Client(gateway.url, user.bearer or "") as client:
        yield client


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "WhatsApp Chat with Bob.txt"
    path.write_bytes(EXPORT)
    return path


def test_every_method_is_an_operation_and_every_field_is_in_the_document() -> None:
    document = create_app(GatewaySettings()).openapi()
    operations = {o["operationId"] for methods in document["paths"].values() for o in methods.values()}
    methods = {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if name[0] != "_"}
    assert methods <= operations
    schemas = document["components"]["schemas"]
    typed = {name: value for name, value in vars(module).items() if is_typeddict(value)}
    typed.pop("TypedDict", None)
    assert {"Job", "Chat", "Insight", "Balance"} <= set(typed)
    for name, value in typed.items():
        assert set(get_type_hints(value)) <= set(schemas[name]["properties"]), name


def test_the_main_job_by_the_client(
    client: Client, export: Path, user: Api, credit_channel: grpc.Channel, chat_channel: grpc.Channel
) -> None:
    # given a user with a chat and coins
    assert client.store_user(display_name="Alice")["created"]
    chat = client.upload_chat(export, time_zone="UTC")
    assert client.rename_chat(chat["chat_id"], "We two")["display_name"] == "We two"
    grant(credit_channel, user.user_id, 400)
    assert {category["category_id"] for category in client.list_categories()} >= {"romantic"}
    # when a category is unlocked twice under one key, and the work is done while it is followed
    jobs = [client.unlock_category(chat["chat_id"], "romantic", key="once") for _ in range(2)]
    assert jobs[0]["job_id"] == jobs[1]["job_id"]
    job_id = jobs[0]["job_id"]
    work = threading.Thread(target=do_the_work, args=(chat_channel, credit_channel, job_id))
    states: list[str] = []
    for job in client.follow_job(job_id):
        if not states:
            work.start()
        states.append(job["state"])
    work.join(30)
    # then its end is the last that is seen, the insights are there, and the coins are gone
    assert states[-1] == "COMPLETED"
    assert client.get_job_status(job_id)["state"] == "COMPLETED"
    assert len(client.list_chat_insights(chat["chat_id"])) > 0
    assert client.get_balance()["balance"] == 50
    assert [row["amount"] for row in client.list_transactions()] == [-400, 400, 50]
    # and lists go through all pages
    assert len(list(client.list_messages(chat["chat_id"], author="Bob"))) == 3
    assert [row["chat_id"] for row in client.list_chats()] == [chat["chat_id"]]
    client.delete_chat(chat["chat_id"])
    assert client.undelete_chat(chat["chat_id"])["chat_id"] == chat["chat_id"]


def test_what_the_api_refuses_is_raised_with_all_that_it_said(client: Client, export: Path) -> None:
    client.store_user()
    chat = client.upload_chat(export)
    with pytest.raises(ApiError) as refused:
        client.unlock_category(chat["chat_id"], "romantic")
    error = refused.value
    assert (error.status, error.code, error.retry_after_s) == (402, "INSUFFICIENT_CREDITS", None)
    assert error.details["required"] == 400
    assert error.request_id


def test_following_goes_on_after_the_stream_was_cut(
    start: Callable[..., RunningGateway],
    user: Api,
    credit_target: str,
    chat_target: str,
    credit_channel: grpc.Channel,
    chat_channel: grpc.Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a gateway whose streams are short
    monkeypatch.setattr(module, "_RECONNECT_S", 0.01)
    gateway = start(credit_target=credit_target, chat_target=chat_target, gateway_stream_max_s=0.2)
    grant(credit_channel, user.user_id, 400)
    with Client(gateway.url, user.bearer or "") as client:
        job = client.unlock_category(user.chat(), "romantic")
        opened = 0
        open_stream = client._events

        def counted(job_id: str, last_id: str) -> Iterator[tuple[str, module.Job]]:
            nonlocal opened
            opened += 1
            if opened == 3:
                do_the_work(chat_channel, credit_channel, job_id)
            return open_stream(job_id, last_id)

        monkeypatch.setattr(client, "_events", counted)
        # when a job takes longer than one of them, then the client hears of its end and nothing twice
        seen = [job["update_time"] for job in client.follow_job(job["job_id"])]
    assert opened >= 3
    assert len(seen) == len(set(seen)) >= 2


_API_ERROR = {"code": "X", "message": "x", "details": {}, "request_id": "r"}


@pytest.mark.parametrize("status", [302, 404, 413, 500, 502, 503, 504, 599])
@pytest.mark.parametrize(
    "body",
    [
        {"content": b""},
        {"text": "<html>nginx</html>"},
        {"content": b"\xff\xfe\x00"},
        {"content": b"[" * 100_000},
        {"json": ["error"]},
        {"json": "error"},
        {"json": None},
        {"json": {"error": "no"}},
        {"json": {"error": ["code"]}},
        {"json": {"error": {"code": 5}}},
        {"json": {"error": _API_ERROR | {"message": None}}},
        {"json": {"error": _API_ERROR | {"details": []}}},
        {"json": {"message": "no"}},
    ],
)
def test_every_answer_that_is_none_of_the_api_is_an_error_of_its_status(
    status: int, body: dict[str, Any]
) -> None:
    error = ApiError(httpx.Response(status, headers={"X-Request-ID": "r-1"}, **body))
    assert (error.status, error.code, error.details) == (status, f"HTTP_{status}", {})
    assert (error.request_id, error.retry_after_s) == ("r-1", None)
    assert str(error).startswith(f"{status} HTTP_{status}: ")


def test_the_message_of_a_proxys_error_is_what_the_status_means() -> None:
    assert str(ApiError(httpx.Response(503, text="<html>"))) == "503 HTTP_503: Service Unavailable"
    assert ApiError(httpx.Response(503, text="<html>")).request_id == ""


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (formatdate(0, usegmt=True), 0.0),
        ("Sun Nov  6 08:49:37 1994", 0.0),
        ("soon", None),
        ("", None),
        ("-1", None),
        ("nan", None),
        ("Sun, 06 Nov 99999999999999999999 08:49:37 GMT", None),
    ],
)
def test_a_retry_after_is_read_as_far_as_it_can_be(given: str, seconds: float | None) -> None:
    assert ApiError(httpx.Response(503, headers={"Retry-After": given})).retry_after_s == seconds


@pytest.mark.parametrize("usegmt", [True, False])
def test_a_retry_after_that_is_a_date_becomes_the_seconds_until_then(
    usegmt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    monkeypatch.setattr(module, "time", SimpleNamespace(time=now.timestamp))
    later = format_datetime(now + timedelta(seconds=90), usegmt=usegmt)
    assert ApiError(httpx.Response(503, headers={"Retry-After": later})).retry_after_s == 90.0


class _Proxy(httpx.BaseTransport):
    """Answers these itself, one a request, and lets what comes after them through."""

    def __init__(self, answers: list[httpx.Response]) -> None:
        self._answers = answers
        self._behind = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._answers.pop(0) if self._answers else self._behind.handle_request(request)

    def close(self) -> None:
        self._behind.close()


def behind(proxy: _Proxy, client: Client) -> None:
    """Let the client reach its gateway through the proxy."""
    http = client._http
    client._http = httpx.Client(base_url=http.base_url, headers=http.headers, transport=proxy)
    http.close()


def test_following_goes_on_after_errors_of_a_proxy(
    client: Client,
    user: Api,
    credit_channel: grpc.Channel,
    chat_channel: grpc.Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a job that is done, and a proxy that has no gateway for a while
    pauses: list[float] = []
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=pauses.append))
    grant(credit_channel, user.user_id, 400)
    job_id = client.unlock_category(user.chat(), "romantic")["job_id"]
    client.cancel_job(job_id)
    answers = [
        httpx.Response(503, text="<html>nginx</html>"),
        httpx.Response(502, json=["bad gateway"]),
        httpx.Response(504),
        httpx.Response(503, headers={"Retry-After": "7"}),
        httpx.Response(429, headers={"Retry-After": "86400"}),
    ]
    behind(_Proxy(answers), client)
    # when it is followed, then its end is seen, and pauses are as long as was asked for, up to a minute
    assert [job["state"] for job in client.follow_job(job_id)] == ["CANCELLED"]
    assert (answers, pauses) == ([], [1.0, 1.0, 1.0, 7.0, 60.0])


def test_following_ends_with_an_error_that_does_not_pass(client: Client, user: Api) -> None:
    user.store()
    behind(_Proxy([httpx.Response(403, text="<html>blocked</html>")]), client)
    with pytest.raises(ApiError, match="403 HTTP_403: Forbidden"):
        list(client.follow_job("any"))
