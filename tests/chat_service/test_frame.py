"""The service as a process: schema, settings, health, operators' questions."""

import subprocess
import sys

import grpc
import psycopg2
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chat_service.__main__ import main
from chat_service.models import Base
from chat_service.parsers import ChatFormat, DateOrder, MessageKind
from chat_service.settings import ChatSettings
from protos.chat.v1 import chat_pb2
from protos.ops.v1 import ops_pb2, ops_pb2_grpc
from servicekit.database import sync_engine
from tests.chat_service.conftest import Connection


def run_service(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chat_service", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_migrations_make_exactly_the_tables_of_the_models(chat_settings: ChatSettings) -> None:
    engine = sync_engine(chat_settings.chat_database_url, "tests")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_the_database_itself_refuses_a_half_deleted_chat(chat_database: Connection) -> None:
    with chat_database.cursor() as cursor, pytest.raises(psycopg2.errors.CheckViolation):
        cursor.execute(
            "WITH someone AS (INSERT INTO users (user_id, display_name, email) VALUES ('check', '', '')"
            " ON CONFLICT DO NOTHING)"
            " INSERT INTO chats (user_id, chat_id, display_name, file_name, format, state, message_count,"
            " participants, participant_count, first_message_local_time, last_message_local_time, time_zone,"
            " request_id, import_header, file_sha256, delete_time)"
            " VALUES ('check', gen_random_uuid(), '', '', 1, 1, 1, '[]', 0, now(), now(), '',"
            " gen_random_uuid(), '{}', '', now())"
        )


@pytest.mark.parametrize("name", ["chat.v1.UserService", "chat.v1.ChatService", "ops.v1.OpsService", ""])
def test_every_service_is_healthy(chat_channel: grpc.Channel, name: str) -> None:
    stub = health_pb2_grpc.HealthStub(chat_channel)

    answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_the_pool_can_be_asked_for(chat_channel: grpc.Channel, chat_settings: ChatSettings) -> None:
    answer = ops_pb2_grpc.OpsServiceStub(chat_channel).GetPoolStatus(
        ops_pb2.GetPoolStatusRequest(), timeout=10
    )

    assert (answer.service, answer.size) == ("chat_service", chat_settings.database_pool_size)
    assert answer.max_overflow == chat_settings.database_max_overflow


@pytest.mark.parametrize(
    ("ours", "prefix", "enum"),
    [
        (ChatFormat, "CHAT_FORMAT_", chat_pb2.ChatFormat.DESCRIPTOR),
        (DateOrder, "DATE_ORDER_", chat_pb2.DateOrder.DESCRIPTOR),
        (MessageKind, "MESSAGE_KIND_", chat_pb2.MessageKind.DESCRIPTOR),
    ],
)
def test_the_numbers_that_parsers_give_are_those_of_the_contract(
    ours: type[ChatFormat | DateOrder | MessageKind], prefix: str, enum: object
) -> None:
    theirs = {value.name.removeprefix(prefix): value.number for value in enum.values}  # type: ignore[attr-defined]  # a descriptor
    theirs.pop("UNSPECIFIED")

    assert {each.name: int(each) for each in ours if each} == theirs


def test_credit_service_is_looked_for_at_its_port_unless_told_otherwise() -> None:
    database = "postgresql://x@/chat"

    assert ChatSettings(chat_database_url=database, credit_port=7).credit_target == "127.0.0.1:7"
    assert ChatSettings(chat_database_url=database, credit_target="credit:1").credit_target == "credit:1"


def test_missing_settings_are_named_and_end_the_process() -> None:
    ended = run_service("serve", HOLDFAST_DATA_DIR="/nonexistent")

    problems = "chat_service: the settings are wrong:\nHOLDFAST_CHAT_DATABASE_URL: must be set\n"
    assert (ended.returncode, ended.stderr) == (2, problems)


@pytest.mark.parametrize(
    "command", ["serve", "migrate", "retrieve alice 0d3c3a52-6e1f-4b0c-9f0e-000000000000"]
)
def test_a_wrong_setting_shows_no_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("HOLDFAST_CHAT_DATABASE_URL", "postgresql://h:S3CRET@db/chat")
    monkeypatch.setenv("HOLDFAST_EMBEDDING_API_KEY", "S3CRET")
    monkeypatch.setenv("HOLDFAST_JOB_LEASE_S", "0")

    assert main(command.split()) == 2

    problem = "HOLDFAST_JOB_LEASE_S: Input should be greater than 0"
    assert capsys.readouterr().err == f"chat_service: the settings are wrong:\n{problem}\n"


def test_a_port_in_use_is_named_and_ends_the_process(chat_settings: ChatSettings, chat_app: object) -> None:
    port = chat_app.target.rpartition(":")[2]  # type: ignore[attr-defined]  # a ServedApp

    ended = run_service(
        "serve",
        HOLDFAST_CHAT_DATABASE_URL=chat_settings.chat_database_url,
        HOLDFAST_REDIS_URL=chat_settings.redis_url,
        HOLDFAST_CHAT_PORT=port,
    )

    assert ended.returncode == 1
    assert f"port {port} is in use: set HOLDFAST_CHAT_PORT" in ended.stderr
