"""Following a job: its present state, and again after every change that can be seen."""

import uuid
from collections.abc import AsyncIterator
from functools import partial

from chat_service.jobs import repository
from chat_service.jobs.context import JobContext
from chat_service.jobs.messages import job_message
from chat_service.jobs.models import Job
from chat_service.jobs.states import TERMINAL, JobState
from protos.insight.v1 import insight_pb2
from servicekit.retry import execute_in_transaction


async def watch(context: JobContext, user_id: str, job_id: uuid.UUID) -> AsyncIterator[insight_pb2.Job]:
    """Yield the job until nothing more will happen to it; holds no connection between two reads.

    Raises `JobNotFound`, and `Unavailable` when the service stops. Changes that follow each other faster than
    they can be read are seen as one.
    """
    get = partial(repository.get, job_id=job_id, user_id=user_id)
    last: insight_pb2.Job | None = None
    with context.changes.watcher(job_id) as watcher:
        job: Job | None = None
        while True:
            if job is None:
                job = await execute_in_transaction(context.core.sessions, get)
                watcher.saw(job)
            message = job_message(job)
            if message != last:
                yield message
                last = message
            if _is_over(job):
                return
            job = await watcher.wait()


def _is_over(job: Job) -> bool:
    """Whether it has ended, or waits for a payment that nobody will try."""
    return job.state in TERMINAL or (job.state is JobState.PAYMENT_FAILED and job.payment_retry_time is None)
