"""The client in docs/examples does what it says, and knows nothing that the API does not have."""

import inspect
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_type_hints, is_typeddict

import grpc
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
