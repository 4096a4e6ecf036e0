"""The services as apps, workers and operators see them, for the tests of jobs."""

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import psycopg2.extensions
import redis
from google.protobuf.struct_pb2 import Struct

from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from protos.insight.v1 import insight_pb2 as pb
from protos.insight.v1 import insight_pb2_grpc
from servicekit.grpc_clients import Caller
from servicekit.settings import KitSettings
from tests.chat_service.clients import ChatClient, export

Connection = psycopg2.extensions.connection

CATEGORY = "friendship"


@dataclass(frozen=True)
class Order:
    """A chat of a user with coins, and what was ordered for it."""

    user_id: str
    chat_id: str


class Shop:
    """A chat_service, the credit_service behind it, and its database. Failures raise `ServiceError`."""

    def __init__(self, chat: grpc.Channel, credit: grpc.Channel, database: Connection) -> None:
        """Take open channels and an autocommitting connection."""
        self.chats = ChatClient(chat)
        self.insights = insight_pb2_grpc.InsightServiceStub(chat)
        self.runner = insight_pb2_grpc.JobRunnerServiceStub(chat)
        self.credits = credit_pb2_grpc.CreditServiceStub(credit)
        self.database = database
        self._caller = Caller(KitSettings(rpc_timeout_s=30.0))

    def call(self, method: Any, request: Any) -> Any:
        """Make one unary call."""
        return self._caller.call_sync(method, request)

    # Apps.

    def customer(self, coins: int = 1_000, user_id: str | None = None) -> Order:
        """Store a user with that many coins and a chat."""
        user_id = user_id or self.chats.new_user()
        if coins:
            self.grant(user_id, coins)
        return Order(user_id, self.chats.import_file(export(3), user_id=user_id).chat_id)

    def unlock(self, order: Order, category_id: str = CATEGORY, request_id: str | None = None) -> pb.Job:
        """Order a category; without a request_id it is a new order."""
        request = pb.UnlockRequest(
            user_id=order.user_id,
            chat_id=order.chat_id,
            category_id=category_id,
            request_id=request_id or str(uuid.uuid4()),
        )
        job: pb.Job = self.call(self.insights.Unlock, request).job
        return job

    def job(self, job: pb.Job) -> pb.Job:
        """Read the job as of now."""
        request = pb.GetJobRequest(user_id=job.user_id, job_id=job.job_id)
        found: pb.Job = self.call(self.insights.GetJob, request).job
        return found

    def state(self, job: pb.Job) -> str:
        """Read the job's state, without its prefix."""
        return state_name(self.job(job))

    def cancel(self, job: pb.Job) -> pb.Job:
        """Ask the job to stop."""
        request = pb.CancelJobRequest(user_id=job.user_id, job_id=job.job_id)
        cancelled: pb.Job = self.call(self.insights.CancelJob, request).job
        return cancelled

    def watch(self, job: pb.Job, timeout_s: float = 20.0) -> Iterator[pb.Job]:
        """Stream the job."""
        request = pb.WatchJobRequest(user_id=job.user_id, job_id=job.job_id)
        for answer in self._caller.stream_sync(self.insights.WatchJob, request, timeout_s=timeout_s):
            yield answer.job

    def shown(self, order: Order) -> list[str]:
        """List the types of the insights that the user sees."""
        request = pb.ListInsightsRequest(user_id=order.user_id, chat_id=order.chat_id)
        answer = self.call(self.insights.ListInsights, request)
        return [insight.insight_type.insight_type_id for insight in answer.insights]

    # Workers.

    def claim(self, job: pb.Job, worker_id: str = "worker") -> pb.ClaimJobResponse:
        """Claim the job."""
        request = pb.ClaimJobRequest(job_id=job.job_id, worker_id=worker_id)
        claim: pb.ClaimJobResponse = self.call(self.runner.ClaimJob, request)
        return claim

    def claimed(self, order: Order, category_id: str = CATEGORY) -> pb.Job:
        """Order and claim."""
        claim = self.claim(self.unlock(order, category_id))
        assert claim.claimed
        return claim.job

    def beat(self, job: pb.Job, *, attempt: int | None = None, **fields: Any) -> pb.HeartbeatResponse:
        """Send a heartbeat of the attempt that the job was read with."""
        request = pb.HeartbeatRequest(job_id=job.job_id, attempt=attempt or job.attempt, **fields)
        beat: pb.HeartbeatResponse = self.call(self.runner.Heartbeat, request)
        return beat

    def save_step(self, job: pb.Job, name: str, result: Any = None, **fields: Any) -> pb.SaveStepResponse:
        """Save a step."""
        step = pb.Step(name=name, result=struct(result or {}), duration_ms=1.5)
        request = pb.SaveStepRequest(**{"job_id": job.job_id, "attempt": job.attempt, "step": step, **fields})
        saved: pb.SaveStepResponse = self.call(self.runner.SaveStep, request)
        return saved

    def steps(self, job: pb.Job) -> list[pb.Step]:
        """List the finished steps."""
        request = pb.ListStepsRequest(job_id=job.job_id, attempt=job.attempt)
        return list(self.call(self.runner.ListSteps, request).steps)

    def save_insight(self, job: pb.Job, insight_type_id: str, **fields: Any) -> pb.SaveInsightResponse:
        """Save an insight."""
        given = {
            "job_id": job.job_id,
            "attempt": job.attempt,
            "insight_type_id": insight_type_id,
            "data": struct({"count": 1}),
            "sentences": ["There is one."],
            **fields,
        }
        saved: pb.SaveInsightResponse = self.call(self.runner.SaveInsight, pb.SaveInsightRequest(**given))
        return saved

    def make(self, job: pb.Job) -> None:
        """Save all insights that were ordered."""
        for insight_type_id in types_of(job):
            self.save_insight(job, insight_type_id)

    def charge(self, job: pb.Job) -> str:
        """Charge the job's reservation and answer the transaction."""
        request = credit_pb2.ChargeRequest(reservation_id=job.reservation_id)
        transaction_id: str = self.call(self.credits.Charge, request).transaction.transaction_id
        return transaction_id

    def release(self, job: pb.Job) -> None:
        """Release the job's reservation."""
        request = credit_pb2.ReleaseRequest(reservation_id=job.reservation_id, reason="test")
        self.call(self.credits.Release, request)

    def finish(self, job: pb.Job, outcome: str, **fields: Any) -> pb.Job:
        """End the attempt that the job was read with."""
        request = pb.FinishJobRequest(
            **{
                "job_id": job.job_id,
                "attempt": job.attempt,
                "outcome": pb.JobState.Value(f"JOB_STATE_{outcome}"),
                **fields,
            }
        )
        finished: pb.Job = self.call(self.runner.FinishJob, request).job
        return finished

    def complete(self, job: pb.Job) -> pb.Job:
        """Do the rest of a claimed job as a worker does it: make all, settle, charge, finish."""
        self.make(job)
        self.beat(job, settling=True)
        return self.finish(job, "COMPLETED", transaction_id=self.charge(job))

    def fail_payment(self, job: pb.Job) -> pb.Job:
        """Make all of a claimed job, and find that its coins are gone."""
        self.make(job)
        self.beat(job, settling=True)
        self.release(job)
        return self.finish(job, "PAYMENT_FAILED", error=error("RESERVATION_EXPIRED"))

    # Operators.

    def grant(self, user_id: str, coins: int) -> None:
        """Give coins."""
        request = credit_pb2.GrantRequest(
            user_id=user_id,
            amount=coins,
            type=credit_pb2.TRANSACTION_TYPE_ADJUSTMENT,
            request_id=str(uuid.uuid4()),
        )
        self.call(self.credits.Grant, request)

    def account(self, user_id: str) -> credit_pb2.Account:
        """Read an account."""
        answer = self.call(self.credits.GetAccount, credit_pb2.GetAccountRequest(user_id=user_id))
        account: credit_pb2.Account = answer.account
        return account

    def reservations(self, user_id: str) -> Sequence[credit_pb2.Reservation]:
        """List a user's reservations."""
        request = credit_pb2.ListReservationsRequest(user_id=user_id)
        found: Sequence[credit_pb2.Reservation] = self.call(
            self.credits.ListReservations, request
        ).reservations
        return found

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run plain SQL on the service's database."""
        with self.database.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def run_out(self, job: pb.Job) -> None:
        """Let the job's lease have run out a second ago."""
        self.sql("UPDATE jobs SET lease_expire_time = now() - interval '1 s' WHERE job_id = %s", job.job_id)

    def make_due(self, job: pb.Job) -> None:
        """Let the dispatcher look at the job now."""
        self.sql("UPDATE jobs SET due_time = now() WHERE job_id = %s", job.job_id)

    def column(self, job: pb.Job, name: str) -> Any:
        """Read one column of the job's row."""
        return self.sql(f"SELECT {name} FROM jobs WHERE job_id = %s", job.job_id)[0][0]


class Messages:
    """What lies in Redis for the workers."""

    def __init__(self, url: str) -> None:
        """Take the URL that the service has."""
        self._client = redis.Redis.from_url(url)

    def of(self, job: pb.Job) -> list[str]:
        """Answer the actors that the job's messages name."""
        return [actor for actor, job_id in self.all() if job_id == job.job_id]

    def all(self) -> list[tuple[str, str]]:
        """Answer actor and job id of every message."""
        raw: Any = self._client.hvals("dramatiq:jobs.msgs")
        messages = [json.loads(message) for message in raw]
        return [(message["actor_name"], message["args"][0]) for message in messages]

    def forget(self) -> None:
        """Lose them all."""
        self._client.flushdb()

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()


def state_name(job: pb.Job) -> str:
    """Answer the job's state, without its prefix."""
    return pb.JobState.Name(job.state).removeprefix("JOB_STATE_")


def types_of(job: pb.Job) -> list[str]:
    """Answer the insight types that a job was ordered for."""
    types: Any = job.params["insight_type_ids"]
    return [str(name) for name in types]


def struct(value: Any) -> Struct:
    """Make a Struct."""
    made = Struct()
    made.update(value)
    return made


def error(reason: str) -> pb.JobError:
    """Make a job's error."""
    return pb.JobError(reason=reason, message="It went wrong.", metadata={"why": "test"})
