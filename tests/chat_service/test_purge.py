"""Deleted chats that can no longer come back are removed for good."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct, Value

from chat_service.belongings import JobsAndInsights
from chat_service.chats.purge import Purge
from chat_service.settings import ChatSettings
from protos.chat.v1 import chat_pb2
from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from protos.insight.v1 import insight_pb2, insight_pb2_grpc
from tests.chat_service.clients import ChatClient, export, served
from tests.chat_service.conftest import Connection
from tests.chat_service.test_chats import make_due
from tests.chat_service.test_imports import rows_of
from tests.eventually import eventually
from tests.served import ServedApp


@pytest.fixture
def purge_all(chat_app: ServedApp) -> "PurgeAll":
    """Does what the background task does, until nothing is due."""
    return PurgeAll(chat_app)


class PurgeAll:
    """Runs a purge of its own on the server's event loop."""

    def __init__(self, app: ServedApp) -> None:
        self._app = app

    def __call__(self) -> int:
        async def work() -> int:
            async def settle(_: object) -> None:
                """Nothing is cancelled by a purge."""

            purge = Purge(self._app.app.core.sessions, JobsAndInsights(settle), interval_s=1.0)
            count = 0
            while await purge.purge_one():
                count += 1
            return count

        return self._app.run(work)


def deleted_chat(client: ChatClient, user_id: str, count: int = 10) -> chat_pb2.Chat:
    chat = client.import_file(export(count), user_id=user_id)
    return client.delete(user_id, chat.chat_id)


def test_a_chat_past_its_purge_time_is_removed_with_its_messages(
    client: ChatClient, user_id: str, chat_database: Connection, purge_all: PurgeAll
) -> None:
    chat = deleted_chat(client, user_id)
    make_due(chat_database, chat.chat_id)

    assert purge_all() >= 1

    assert rows_of(chat_database, user_id) == (0, 0)


def test_live_chats_and_those_that_can_come_back_are_left_alone(
    client: ChatClient, user_id: str, chat_database: Connection, purge_all: PurgeAll
) -> None:
    live = client.import_file(export(10), user_id=user_id)
    deleted = deleted_chat(client, user_id)
    due = deleted_chat(client, user_id)
    make_due(chat_database, due.chat_id)

    purge_all()

    assert rows_of(chat_database, user_id) == (2, 20)
    assert client.get(user_id, live.chat_id) == live
    assert client.undelete(user_id, deleted.chat_id).message_count == 10


def test_a_large_chat_is_removed_in_several_statements(
    client: ChatClient,
    user_id: str,
    chat_database: Connection,
    purge_all: PurgeAll,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat_service.chats.purge.MESSAGES_A_STATEMENT", 7)
    make_due(chat_database, deleted_chat(client, user_id, 100).chat_id)

    purge_all()

    assert rows_of(chat_database, user_id) == (0, 0)


def test_two_copies_that_purge_at_once_share_the_work(
    client: ChatClient, user_id: str, chat_database: Connection, purge_all: PurgeAll
) -> None:
    purge_all()
    for _ in range(6):
        make_due(chat_database, deleted_chat(client, user_id).chat_id)

    with ThreadPoolExecutor(3) as pool:
        purged = sum(pool.map(lambda _: purge_all(), range(3)))

    assert purged == 6
    assert rows_of(chat_database, user_id) == (0, 0)


def test_the_request_id_of_a_purged_chat_makes_a_new_chat(
    client: ChatClient, user_id: str, chat_database: Connection, purge_all: PurgeAll
) -> None:
    header = {"user_id": user_id, "request_id": str(uuid.uuid4())}
    first = client.import_file(export(10), **header)
    client.delete(user_id, first.chat_id)
    make_due(chat_database, first.chat_id)
    purge_all()

    assert client.import_file(export(10), **header).chat_id != first.chat_id


def test_a_job_of_a_purged_chat_stays_without_what_its_steps_found_out(
    client: ChatClient,
    chat_channel: grpc.Channel,
    credit_target: str,
    user_id: str,
    chat_database: Connection,
    purge_all: PurgeAll,
) -> None:
    chat = client.import_file(export(30), user_id=user_id)
    grant(credit_target, user_id, 200)
    job_id = job_with_a_step(chat_channel, user_id, chat.chat_id)
    client.delete(user_id, chat.chat_id)
    make_due(chat_database, chat.chat_id)

    purge_all()

    assert rows_of(chat_database, user_id) == (0, 0)
    with chat_database.cursor() as cursor:
        cursor.execute("SELECT subject_id FROM jobs WHERE job_id = %s", (job_id,))
        assert cursor.fetchone() == (chat.chat_id,)
        cursor.execute("SELECT count(*) FROM job_steps WHERE job_id = %s", (job_id,))
        assert cursor.fetchone() == (0,)


def grant(credit_target: str, user_id: str, amount: int) -> None:
    request = credit_pb2.GrantRequest(
        user_id=user_id,
        amount=amount,
        type=credit_pb2.TRANSACTION_TYPE_PURCHASE,
        request_id=str(uuid.uuid4()),
    )
    with grpc.insecure_channel(credit_target) as channel:
        credit_pb2_grpc.CreditServiceStub(channel).Grant(request, timeout=10)


def job_with_a_step(channel: grpc.Channel, user_id: str, chat_id: str) -> str:
    """Order insights and be the worker that has done one step."""
    order = insight_pb2.UnlockRequest(
        user_id=user_id, chat_id=chat_id, category_id="friendship", request_id=str(uuid.uuid4())
    )
    job_id = insight_pb2_grpc.InsightServiceStub(channel).Unlock(order, timeout=10).job.job_id
    runner = insight_pb2_grpc.JobRunnerServiceStub(channel)
    claim = runner.ClaimJob(insight_pb2.ClaimJobRequest(job_id=job_id, worker_id="test"), timeout=10)
    step = insight_pb2.Step(name="words", result=Struct(fields={"secret": Value(number_value=1)}))
    runner.SaveStep(
        insight_pb2.SaveStepRequest(job_id=job_id, attempt=claim.lease.attempt, step=step), timeout=10
    )
    return job_id


def test_a_running_service_purges_by_itself(
    client: ChatClient, chat_settings: ChatSettings, user_id: str, chat_database: Connection
) -> None:
    make_due(chat_database, deleted_chat(client, user_id).chat_id)

    with served(chat_settings.model_copy(update={"chat_purge_interval_s": 0.1})):
        eventually(lambda: rows_of(chat_database, user_id) == (0, 0))
