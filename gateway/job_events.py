"""A job's life as events: each carries the job as it then was, and an id from which a client goes on."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator

import grpc

from gateway import views
from gateway.event_streams import event
from gateway.services import Services
from protos.insight.v1 import insight_pb2
from servicekit.errors import ServiceError
from servicekit.logs import get_logger

log = get_logger(__name__)

EVENT = "job"

_ENDED = frozenset(
    {
        insight_pb2.JOB_STATE_COMPLETED,
        insight_pb2.JOB_STATE_FAILED,
        insight_pb2.JOB_STATE_CANCELLED,
        insight_pb2.JOB_STATE_REJECTED,
    }
)
#: Pauses between tries to follow a job again while chat_service restarts.
_RETRY_S = 0.5
_RETRY_MAX_S = 5.0
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


class JobEvents:
    """Follows one job for one client."""

    def __init__(self, services: Services, user_id: str, job_id: str, max_s: float) -> None:
        """Take whose job it is, and how long to follow it."""
        self._services = services
        self._request = insight_pb2.WatchJobRequest(user_id=user_id, job_id=job_id)
        self._until_s = time.monotonic() + max_s
        self._jobs = self._watch()

    async def first(self) -> insight_pb2.Job:
        """Answer the job as it is now; raises `ServiceError`. Comes before `events`, which begin with it."""
        try:
            return await anext(self._jobs)
        except BaseException:
            await self._jobs.aclose()
            raise

    async def events(self, job: insight_pb2.Job, seen_id: str) -> AsyncGenerator[bytes]:
        """Yield the events after the one that the client has seen, until the job has ended.

        Ends early when it takes too long; the client goes on where it was. While chat_service is away the
        stream waits for it: a browser that is refused once gives up for good.
        """
        pause_s = _RETRY_S
        while True:
            if (job_id := event_id(job)) != seen_id:
                yield event(EVENT, views.job(job).model_dump_json(), job_id)
                seen_id = job_id
            try:
                job = await anext(self._jobs)
            except StopAsyncIteration:
                return
            except ServiceError as error:
                if error.code not in _AWAY or time.monotonic() + pause_s > self._until_s:
                    # The client comes again, and hears then what is wrong.
                    log.info("job_events_ended", reason=error.reason)
                    return
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _RETRY_MAX_S)
                self._jobs = self._watch()
            else:
                pause_s = _RETRY_S

    async def _watch(self) -> AsyncGenerator[insight_pb2.Job]:
        left_s = max(0.001, self._until_s - time.monotonic())
        stub = self._services.insights.WatchJob
        answers: AsyncIterator[insight_pb2.WatchJobResponse] = self._services.caller.stream(
            stub, self._request, timeout_s=left_s
        )
        async for answer in answers:
            yield answer.job


def event_id(job: insight_pb2.Job) -> str:
    """Answer the id of the event that shows this job: microseconds, growing with every change."""
    return str(job.update_time.ToMicroseconds())


def has_ended(job: insight_pb2.Job) -> bool:
    """Whether nothing more will happen to it."""
    unpaid = job.state == insight_pb2.JOB_STATE_PAYMENT_FAILED and not job.HasField("payment_retry_time")
    return job.state in _ENDED or unpaid
