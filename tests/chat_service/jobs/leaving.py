"""A user who leaves: what the tests of erasure do and look at."""

import asyncio
import json
import threading
import uuid
from typing import Any

import psycopg2

from protos.chat.v1 import chat_pb2
from protos.credit.v1 import credit_pb2
from protos.insight.v1 import insight_pb2 as pb
from servicekit.grpc_clients import Caller
from servicekit.settings import KitSettings
from tests.chat_service.jobs.shop import Order, Shop
from tests.eventually import eventually

ENDED = "FORGET_EVENTS"
WAIT_S = 20.0


class Gate:
    """A place in the service where a test holds a call up."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._opened = threading.Event()

    async def wait(self) -> None:
        """Be held up, in the service."""
        self.reached.set()
        await asyncio.to_thread(self._opened.wait, WAIT_S)

    def open(self) -> None:
        """Let it go on."""
        self._opened.set()


def delete(shop: Shop, user_id: str, request_id: str | None = None) -> chat_pb2.DeleteUserResponse:
    """Delete the user; without a request_id it is a new request."""
    request = chat_pb2.DeleteUserRequest(user_id=user_id, request_id=request_id or str(uuid.uuid4()))
    answer: chat_pb2.DeleteUserResponse = shop.call(shop.chats.users.DeleteUser, request)
    return answer


def login(shop: Shop, user_id: str, **profile: str) -> chat_pb2.StoreUserResponse:
    """Store the user."""
    request = chat_pb2.StoreUserRequest(user_id=user_id, **profile)
    answer: chat_pb2.StoreUserResponse = shop.call(shop.chats.users.StoreUser, request)
    return answer


def step(shop: Shop, erasure_id: str) -> str:
    """Answer what is to be done next."""
    return str(shop.sql("SELECT step FROM erasures WHERE erasure_id = %s", erasure_id)[0][0])


def wait_for(shop: Shop, erasure_id: str, wanted: str = ENDED) -> None:
    """Have the erasure looked at until it has come that far."""

    def reached() -> bool:
        shop.sql(
            "UPDATE erasures SET due_time = now() WHERE erasure_id = %s"
            " AND step NOT IN ('DONE', 'FORGET_EVENTS') AND due_time > now() + interval '1 s'",
            erasure_id,
        )
        return step(shop, erasure_id) == wanted

    eventually(reached, 20.0)


def let_retention_end(shop: Shop, erasure_id: str) -> None:
    """Let the retention time be over."""
    shop.sql("UPDATE chats SET purge_time = now() WHERE erasure_id = %s", erasure_id)
    shop.sql("UPDATE erasures SET purge_time = now(), due_time = now() WHERE erasure_id = %s", erasure_id)


def purged(shop: Shop, erasure_id: str) -> None:
    """Let the retention time be over, and wait until everything is gone."""
    wait_for(shop, erasure_id)
    let_retention_end(shop, erasure_id)
    wait_for(shop, erasure_id, "DONE")


def erased_account(shop: Shop, erasure_id: str) -> credit_pb2.Account:
    """Read the account under its pseudonym."""
    return shop.account(f"erased-{erasure_id}")


def jobs_of(shop: Shop, erasure_id: str) -> list[str]:
    """Answer the states of the erasure's jobs."""
    return [state for (state,) in shop.sql("SELECT state FROM jobs WHERE erasure_id = %s", erasure_id)]


def dump(url: str) -> str:
    """Answer every row of every table of a database as text."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            return "".join(_rows(cursor, name) for (name,) in cursor.fetchall())
    finally:
        connection.close()


def _rows(cursor: Any, table: str) -> str:
    cursor.execute(f'SELECT to_jsonb(t) FROM "{table}" AS t')
    return json.dumps(cursor.fetchall(), ensure_ascii=False)


def verify(shop: Shop, user_id: str) -> None:
    """See that the account's books are right."""
    answer = shop.call(shop.credits.VerifyLedger, credit_pb2.VerifyLedgerRequest(user_id=user_id))
    assert list(answer.findings) == []


def everything_of(shop: Shop, order: Order) -> dict[str, Any]:
    """Answer what the user can read: chats and jobs."""
    jobs = shop.call(shop.insights.ListJobs, pb.ListJobsRequest(user_id=order.user_id)).jobs
    return {"chats": list(shop.chats.list_chats(order.user_id).chats), "jobs": list(jobs)}


def ask(shop: Shop, order: Order, question: str, request_id: str = "") -> str:
    """Ask a question of a chat, read the whole answer, and answer the question."""
    request = chat_pb2.AskChatRequest(
        user_id=order.user_id,
        chat_id=order.chat_id,
        question=question,
        request_id=request_id or str(uuid.uuid4()),
    )
    caller = Caller(KitSettings(rpc_timeout_s=30.0))
    assert list(caller.stream_sync(shop.chats.chats.AskChat, request))
    return question
