"""Unlock to COMPLETED with a pipeline that does nothing: jobs a second, and how long a lone one takes."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.house import House, conditions, house
from benchmarks.load import all_of
from benchmarks.report import Row, Series
from protos.chat.v1 import chat_pb2, chat_pb2_grpc
from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from protos.insight.v1 import insight_pb2, insight_pb2_grpc
from servicekit.grpc_clients import aio_channel
from servicekit.settings import KitSettings

_IN_FLIGHT = 16
_JOBS = 300
_LONE_JOBS = 30
_TIMEOUT_S = 60.0
_USER = "bench"
_EXPORT = b"29/01/24, 12:24 - Anna: hello\n29/01/24, 12:25 - Ben: hi\n"


def measure(rounds: int) -> tuple[list[Row], list[str]]:
    """Run the jobs in rounds; answer the rows and the conditions."""
    catalogue = Path(__file__).with_name("catalogue.toml")
    with house() as running:
        running.env |= {
            "HOLDFAST_CHAT_CATALOGUE_FILE": str(catalogue),
            "HOLDFAST_WORKER_PIPELINES": "benchmarks.nothing_pipeline",
        }
        for service in ("credit_service", "chat_service"):
            running.run(service, "migrate")
            running.start(service, service, "serve")
        running.start("insight_worker", "insight_worker")
        rows = asyncio.run(_measure(running, rounds))
        _check(running, rounds * (_JOBS + _LONE_JOBS))
        return rows, conditions(running)


class App:
    """What an app does: import a chat, unlock, wait."""

    def __init__(
        self, chat: "chat_pb2_grpc.ChatServiceAsyncStub", insight: "insight_pb2_grpc.InsightServiceAsyncStub"
    ) -> None:
        self._chat = chat
        self._insight = insight

    async def import_chat(self) -> str:
        """Upload a chat of two messages and answer its id."""

        async def parts() -> AsyncIterator[chat_pb2.ImportChatRequest]:
            header = chat_pb2.ImportChatHeader(
                user_id=_USER, file_name="chat.txt", request_id=str(uuid.uuid4())
            )
            yield chat_pb2.ImportChatRequest(header=header)
            yield chat_pb2.ImportChatRequest(chunk=_EXPORT)

        answer = await self._chat.ImportChat(parts(), timeout=_TIMEOUT_S)
        return answer.chat.chat_id

    async def unlock(self, chat_id: str) -> None:
        """Order the insights of a chat and wait until they are paid."""
        request = insight_pb2.UnlockRequest(
            user_id=_USER, chat_id=chat_id, category_id="nothing", request_id=str(uuid.uuid4())
        )
        job = (await self._insight.Unlock(request, timeout=_TIMEOUT_S)).job
        watch = insight_pb2.WatchJobRequest(user_id=_USER, job_id=job.job_id)
        async for update in self._insight.WatchJob(watch, timeout=_TIMEOUT_S):
            job = update.job
        if job.state != insight_pb2.JOB_STATE_COMPLETED:
            raise RuntimeError(f"a job ended {insight_pb2.JobState.Name(job.state)}: {job.error}")


@asynccontextmanager
async def _app(running: House) -> AsyncIterator[App]:
    settings = KitSettings()
    credit_target, chat_target = (
        f"127.0.0.1:{running.env[f'HOLDFAST_{name}_PORT']}" for name in ("CREDIT", "CHAT")
    )
    async with aio_channel(credit_target, settings) as credit, aio_channel(chat_target, settings) as chat:
        user = chat_pb2.StoreUserRequest(user_id=_USER)
        await chat_pb2_grpc.UserServiceStub(chat).StoreUser(user, timeout=_TIMEOUT_S)
        coins = credit_pb2.GrantRequest(
            user_id=_USER, amount=10**9, type=credit_pb2.TRANSACTION_TYPE_BONUS, request_id=str(uuid.uuid4())
        )
        await credit_pb2_grpc.CreditServiceStub(credit).Grant(coins, timeout=_TIMEOUT_S)
        yield App(chat_pb2_grpc.ChatServiceStub(chat), insight_pb2_grpc.InsightServiceStub(chat))


async def _measure(running: House, rounds: int) -> list[Row]:
    rate = Series("jobs", "jobs/s")
    lone = Series("a lone job, p50", "ms")
    async with _app(running) as app:
        for _ in range(rounds):
            chats = [await app.import_chat() for _ in range(_JOBS + _LONE_JOBS)]
            took_s = await all_of(lambda n, chats=chats: app.unlock(chats[n]), _JOBS, in_flight=_IN_FLIGHT)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            rate.values.append(_JOBS / took_s)
            lone.values.append(await _lone_ms(app, chats[_JOBS:]))
    return [
        Row(f"unlock to COMPLETED, {_IN_FLIGHT} in flight", rate, bar=">= 100 jobs/s"),
        Row("unlock to COMPLETED, one alone, p50", lone, bar="<= 60 ms"),
    ]


async def _lone_ms(app: App, chats: list[str]) -> float:
    took_ms = []
    for chat_id in chats:
        start = time.perf_counter()
        await app.unlock(chat_id)
        took_ms.append((time.perf_counter() - start) * 1000)
    return sorted(took_ms)[len(took_ms) // 2]


def _check(running: House, jobs: int) -> None:
    """Raise unless every job was charged exactly once."""
    charged = running.sql("credit", "SELECT count(*), -sum(amount) FROM transactions WHERE amount < 0")
    if charged != f"{jobs}|{jobs}":
        raise RuntimeError(f"{jobs} jobs of 1 coin each, but charges|coins are {charged}")
