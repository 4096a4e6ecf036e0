"""The two services as real processes, and what an app does with them."""

import os
import socket
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import grpc
import psycopg2

from protos.chat.v1 import chat_pb2, chat_pb2_grpc
from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from protos.insight.v1 import insight_pb2, insight_pb2_grpc
from servicekit.errors import from_rpc_error
from servicekit.processes import Child
from tests.eventually import eventually
from tests.insight_worker.slow_pipeline import GATES_VARIABLE

ROOT = Path(__file__).parents[2]
PIPELINES = "insight_worker.pipelines.chat_insights,tests.insight_worker.slow_pipeline"
PRICE = 30
_START_S = 30.0
_CALL_S = 10.0
_STOP_S = 15.0
_CHUNK_MESSAGES = 5_000

_Answer = TypeVar("_Answer")


class Service:
    """One process of the house: start it, stop it, kill it, start it again."""

    def __init__(self, module: str, directory: Path, settings: Mapping[str, str]) -> None:
        self.directory = directory
        self._ready = directory / "ready"
        own = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        environment = (
            own | {"PYTHONPATH": str(ROOT), "HOLDFAST_READY_FILE": str(self._ready)} | dict(settings)
        )
        self.environment = environment
        arguments = [] if module == "insight_worker" else ["serve"]
        self.child = Child(
            module, [sys.executable, "-m", module, *arguments], environment, directory / "log", cwd=directory
        )

    def start(self) -> None:
        """Start it and wait until it serves."""
        self._ready.unlink(missing_ok=True)
        self.child.start()
        eventually(lambda: self._ready.exists() or not self.child.alive, _START_S)
        assert self.child.alive, "\n".join(self.child.log_tail(40))

    def stop(self) -> int | None:
        """Ask it to stop and answer its exit code."""
        return self.child.terminate(_STOP_S)

    def log(self) -> str:
        """Answer all that it has logged."""
        return self.child.log_path.read_text()


class House:
    """credit_service and chat_service, with stubs as an app has them."""

    def __init__(self, directory: Path, credit_url: str, chat_url: str, redis_url: str) -> None:
        self._directory = directory
        self.redis_url = redis_url
        self._credit_url = credit_url
        self._chat_url = chat_url
        self.credit_port, self.chat_port = _free_ports(2)
        common = {
            "HOLDFAST_CREDIT_PORT": str(self.credit_port),
            "HOLDFAST_CHAT_PORT": str(self.chat_port),
            "HOLDFAST_REDIS_URL": redis_url,
            "HOLDFAST_DRAIN_S": "0.5",
        }
        self.settings = common
        self.credit = self._service("credit_service", {**common, "HOLDFAST_CREDIT_DATABASE_URL": credit_url})
        self.chat = self._service(
            "chat_service",
            {
                **common,
                "HOLDFAST_CHAT_DATABASE_URL": chat_url,
                "HOLDFAST_CHAT_CATALOGUE_FILE": str(Path(__file__).with_name("catalogue.toml")),
                "HOLDFAST_CHAT_SIGNUP_BONUS": "0",
                "HOLDFAST_JOB_LEASE_S": "4",
                "HOLDFAST_JOB_POLL_S": "0.2",
                "HOLDFAST_JOB_REDISPATCH_S": "2",
                "HOLDFAST_PAYMENT_RETRY_FIRST_S": "0.5",
                # That there is a model puts what it makes on sale; only workers ask it.
                "HOLDFAST_MODEL_NAME": "fake-model",
                "HOLDFAST_MODEL_BASE_URL": "http://127.0.0.1:9/v1",
            },
        )
        credit = grpc.insecure_channel(f"127.0.0.1:{self.credit_port}")
        chat = grpc.insecure_channel(f"127.0.0.1:{self.chat_port}")
        self._channels = (credit, chat)
        self.credits = credit_pb2_grpc.CreditServiceStub(credit)
        self.users = chat_pb2_grpc.UserServiceStub(chat)
        self.chats = chat_pb2_grpc.ChatServiceStub(chat)
        self.insights = insight_pb2_grpc.InsightServiceStub(chat)
        self.runner = insight_pb2_grpc.JobRunnerServiceStub(chat)

    def _service(self, module: str, settings: Mapping[str, str]) -> Service:
        directory = self._directory / module
        directory.mkdir()
        return Service(module, directory, settings)

    def start(self) -> None:
        """Migrate and start both."""
        for service in (self.credit, self.chat):
            migrate = Child(
                "migrate",
                [sys.executable, "-m", service.child.name, "migrate"],
                service.environment,
                service.directory / "migrate.log",
                cwd=service.directory,
            )
            migrate.start()
            assert migrate.wait(_START_S) == 0, "\n".join(migrate.log_tail(40))
            service.start()

    def stop(self) -> None:
        """Stop both."""
        for channel in self._channels:
            channel.close()
        for service in (self.chat, self.credit):
            service.stop()

    def worker(self, directory: Path, gates: Path, **settings: str) -> Service:
        """Describe a worker of this house; `settings` are named without their prefix."""
        directory.mkdir(exist_ok=True)
        own = {f"HOLDFAST_{name.upper()}": value for name, value in settings.items()}
        common = {"HOLDFAST_WORKER_PIPELINES": PIPELINES, GATES_VARIABLE: str(gates)}
        return Service("insight_worker", directory, {**self.settings, **common, **own})

    def call(self, method: Any, request: Any) -> Any:
        """Call an RPC; raises `ServiceError`."""
        try:
            return method(request, timeout=_CALL_S, wait_for_ready=True)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None

    def expire_in(self, seconds: int, reservation_id: str) -> None:
        """Move an expiry, also into the past, which the database's triggers forbid otherwise."""
        connection = psycopg2.connect(self._credit_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("SET LOCAL session_replication_role = replica")
                cursor.execute(
                    "UPDATE reservations SET expire_time = clock_timestamp() + make_interval(secs => %s)"
                    " WHERE reservation_id = %s",
                    [seconds, reservation_id],
                )
                assert cursor.rowcount == 1
        finally:
            connection.close()

    def forget_jobs(self) -> None:
        """Remove all jobs: the dispatcher would send what earlier tests left to the workers of later ones."""
        connection = psycopg2.connect(self._chat_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("TRUNCATE jobs CASCADE")
        finally:
            connection.close()

    def customer(self, coins: int = 100, messages: int = 30) -> "Customer":
        """Store a user with a chat and some coins."""
        return Customer(self, coins, messages)


class Customer:
    """A user of the house with one chat."""

    def __init__(self, house: House, coins: int, messages: int) -> None:
        self._house = house
        self.user_id = f"user-{uuid.uuid4().hex}"
        house.call(house.users.StoreUser, chat_pb2.StoreUserRequest(user_id=self.user_id))
        if coins:
            self.grant(coins)
        parts = _parts(self.user_id, messages)
        self.chat_id = str(house.call(house.chats.ImportChat, parts).chat.chat_id)

    def grant(self, coins: int) -> None:
        """Give the user coins."""
        request = credit_pb2.GrantRequest(
            user_id=self.user_id,
            amount=coins,
            type=credit_pb2.TRANSACTION_TYPE_PURCHASE,
            request_id=str(uuid.uuid4()),
        )
        self._house.call(self._house.credits.Grant, request)

    def unlock(self, category_id: str = "gated") -> str:
        """Order a category and answer the job's id, as soon as it waits for a worker."""
        request = insight_pb2.UnlockRequest(
            user_id=self.user_id,
            chat_id=self.chat_id,
            category_id=category_id,
            request_id=str(uuid.uuid4()),
        )
        return str(self._house.call(self._house.insights.Unlock, request).job.job_id)

    def job(self, job_id: str) -> insight_pb2.Job:
        """Answer the job as of now."""
        request = insight_pb2.GetJobRequest(user_id=self.user_id, job_id=job_id)
        answer: insight_pb2.GetJobResponse = self._house.call(self._house.insights.GetJob, request)
        return answer.job

    def state(self, job_id: str) -> str:
        """Answer the job's state without its prefix."""
        return insight_pb2.JobState.Name(self.job(job_id).state).removeprefix("JOB_STATE_")

    def wait_for(self, job_id: str, state: str, timeout_s: float = 20.0) -> insight_pb2.Job:
        """Wait until the job is in the state and answer it."""
        eventually(lambda: self.state(job_id) == state, timeout_s)
        return self.job(job_id)

    def cancel(self, job_id: str) -> None:
        """Ask the job to stop."""
        request = insight_pb2.CancelJobRequest(user_id=self.user_id, job_id=job_id)
        self._house.call(self._house.insights.CancelJob, request)

    def delete_chat(self) -> None:
        """Delete the chat."""
        request = chat_pb2.DeleteChatRequest(user_id=self.user_id, chat_id=self.chat_id)
        self._house.call(self._house.chats.DeleteChat, request)

    def leave(self) -> None:
        """Delete the user."""
        request = chat_pb2.DeleteUserRequest(user_id=self.user_id, request_id=str(uuid.uuid4()))
        self._house.call(self._house.users.DeleteUser, request)

    def come_back(self) -> None:
        """Store the user again."""
        self._house.call(self._house.users.StoreUser, chat_pb2.StoreUserRequest(user_id=self.user_id))

    def insights(self) -> dict[str, insight_pb2.Insight]:
        """Answer the insights that the user can see, by type."""
        request = insight_pb2.ListInsightsRequest(user_id=self.user_id, chat_id=self.chat_id)
        listed = self._house.call(self._house.insights.ListInsights, request).insights
        return {insight.insight_type.insight_type_id: insight for insight in listed}

    def coins(self) -> tuple[int, int]:
        """Answer the balance and what of it is reserved."""
        request = credit_pb2.GetAccountRequest(user_id=self.user_id)
        account = self._house.call(self._house.credits.GetAccount, request).account
        return account.balance, account.reserved

    def charges(self) -> list[str]:
        """Answer the transactions that charged the user."""
        request = credit_pb2.ListTransactionsRequest(
            user_id=self.user_id, types=[credit_pb2.TRANSACTION_TYPE_INSIGHT_UNLOCK]
        )
        listed = self._house.call(self._house.credits.ListTransactions, request).transactions
        return [transaction.transaction_id for transaction in listed]


def _parts(user_id: str, messages: int) -> Iterator[chat_pb2.ImportChatRequest]:
    header = chat_pb2.ImportChatHeader(
        user_id=user_id, file_name="WhatsApp Chat with Ben.txt", request_id=str(uuid.uuid4())
    )
    yield chat_pb2.ImportChatRequest(header=header)
    for start in range(0, messages, _CHUNK_MESSAGES):
        lines = (_line(n) for n in range(start, min(start + _CHUNK_MESSAGES, messages)))
        yield chat_pb2.ImportChatRequest(chunk="".join(lines).encode())


def _line(number: int) -> str:
    """Answer a message as an Android phone exports it; one a minute, so they stand in order."""
    day, month = 13 + number // 1440 % 15, 1 + number // 21_600 % 12
    time = f"{day}/{month:02d}/2024, {number // 60 % 24:02d}:{number % 60:02d}"
    return f"{time} - {'Ana' if number % 2 else 'Ben'}: message {number}\n"


def _free_ports(count: int) -> list[int]:
    """Answer ports that nobody listens on now; held together so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    for held in sockets:
        held.bind(("127.0.0.1", 0))
    ports = [int(held.getsockname()[1]) for held in sockets]
    for held in sockets:
        held.close()
    return ports
