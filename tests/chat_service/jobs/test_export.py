"""Everything that is a user's comes as one stream, before it is deleted."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chat_service.insights.service import InsightReader
from protos.chat.v1 import chat_pb2
from protos.insight.v1 import insight_pb2 as pb
from servicekit.grpc_clients import Caller
from servicekit.settings import KitSettings
from tests.chat_service.clients import export, refused
from tests.chat_service.jobs.leaving import WAIT_S, Gate, ask, delete, login, wait_for
from tests.chat_service.jobs.shop import Order, Shop, types_of


def exported(shop: Shop, user_id: str) -> Iterator[chat_pb2.ExportUserResponse]:
    """Stream what is the user's."""
    request = chat_pb2.ExportUserRequest(user_id=user_id)
    yield from Caller(KitSettings(rpc_timeout_s=30.0)).stream_sync(shop.chats.users.ExportUser, request)


def kinds(records: list[chat_pb2.ExportUserResponse]) -> list[str]:
    """Answer what each record is."""
    return [record.other.TypeName() or str(record.WhichOneof("record")) for record in records]


def test_an_export_has_the_user_the_chats_with_their_messages_and_insights_and_the_jobs(
    shop: Shop, order: Order
) -> None:
    login(shop, order.user_id, display_name="Anna", email="anna@example.org")
    job = shop.complete(shop.claimed(order))
    waiting = shop.unlock(order, "family")
    hidden = len(types_of(job))

    records = list(exported(shop, order.user_id))

    insight, of_job = "insight.v1.Insight", "insight.v1.Job"
    assert kinds(records) == ["user", "chat", "messages", *[insight] * hidden, of_job, of_job]
    assert records[0].user.email == "anna@example.org"
    assert records[1].chat == shop.chats.get(order.user_id, order.chat_id)
    assert records[2].messages.chat_id == order.chat_id
    assert list(records[2].messages.messages) == shop.chats.all_messages(order.user_id, order.chat_id)
    ordered = [pb.Job.FromString(record.other.value) for record in records[-2:]]
    assert ordered == [shop.job(waiting), shop.job(job)]


def test_what_was_asked_of_a_chat_is_in_it(shop: Shop, order: Order) -> None:
    asked = ask(shop, order, "Who wrote message 2?")

    records = list(exported(shop, order.user_id))

    name = chat_pb2.GetConversationResponse.DESCRIPTOR.full_name
    assert kinds(records) == ["user", "chat", "messages", name]
    answer = chat_pb2.GetConversationResponse.FromString(records[-1].other.value)
    assert [turn.question for turn in answer.turns] == [asked]


def test_a_question_of_a_user_who_left_answers_nobody(shop: Shop, order: Order) -> None:
    request_id = str(uuid.uuid4())
    ask(shop, order, "Who wrote message 2?", request_id)
    erasure_id = delete(shop, order.user_id).erasure_id
    wait_for(shop, erasure_id)
    login(shop, order.user_id)

    with refused("CHAT_NOT_FOUND"):
        ask(shop, order, "Who wrote message 2?", request_id)
    chat = shop.chats.import_file(export(3), user_id=order.user_id)
    ask(shop, Order(order.user_id, chat.chat_id), "Who wrote message 2?", request_id)


def test_a_chat_of_many_messages_comes_in_bounded_pieces(shop: Shop) -> None:
    user_id = shop.chats.new_user()
    shop.chats.import_file(export(3_500), user_id=user_id)
    shop.chats.import_file(export(20), user_id=user_id)

    records = list(exported(shop, user_id))

    assert kinds(records) == ["user", "chat", "messages", "chat", *["messages"] * 4]
    positions = [row.position for record in records[4:] for row in record.messages.messages]
    assert positions == list(range(1, 3_501))
    assert max(record.ByteSize() for record in records) < 2 << 20


def test_nothing_of_another_user_and_nothing_deleted_is_in_it(shop: Shop, order: Order) -> None:
    other = shop.customer()
    shop.unlock(other)
    shop.chats.delete(order.user_id, order.chat_id)

    assert kinds(list(exported(shop, order.user_id))) == ["user"]


def test_a_user_who_leaves_in_the_middle_gets_no_whole_export(
    shop: Shop, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, listed = Gate(), InsightReader.list_unlocked

    async def held_up(reader: InsightReader, user_id: str, chat_id: uuid.UUID) -> Any:
        await gate.wait()
        return await listed(reader, user_id, chat_id)

    monkeypatch.setattr(InsightReader, "list_unlocked", held_up)
    with ThreadPoolExecutor(1) as pool:
        exporting = pool.submit(list, exported(shop, order.user_id))
        assert gate.reached.wait(WAIT_S)
        delete(shop, order.user_id)
        gate.open()
        with refused("USER_NOT_FOUND"):
            exporting.result()


def test_a_chat_that_is_deleted_in_the_middle_ends_there(
    shop: Shop, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, listed = Gate(), InsightReader.list_unlocked
    older = shop.chats.import_file(export(3), user_id=order.user_id)

    async def held_up(reader: InsightReader, user_id: str, chat_id: uuid.UUID) -> Any:
        await gate.wait()
        return await listed(reader, user_id, chat_id)

    monkeypatch.setattr(InsightReader, "list_unlocked", held_up)
    with ThreadPoolExecutor(1) as pool:
        exporting = pool.submit(list, exported(shop, order.user_id))
        assert gate.reached.wait(WAIT_S)
        shop.chats.delete(order.user_id, older.chat_id)
        gate.open()
        assert kinds(exporting.result()) == ["user", "chat", "messages", "chat", "messages"]


def test_only_a_user_can_be_exported(shop: Shop) -> None:
    with refused("USER_NOT_FOUND"):
        list(exported(shop, f"user-{uuid.uuid4()}"))
    with refused("INVALID_FIELD", field="user_id"):
        list(exported(shop, ""))
