"""Builds jobs and insights: their servicers, their background tasks, and what goes with a deleted chat."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from chat_service.core import Core, Servicer
from chat_service.insights.service import InsightReader
from chat_service.jobs.cancel import CancelService
from chat_service.jobs.changes import JobChanges
from chat_service.jobs.context import JobContext
from chat_service.jobs.dispatcher import Dispatcher
from chat_service.jobs.ending import JobEnder
from chat_service.jobs.finishing import FinishService
from chat_service.jobs.outbox import Outbox
from chat_service.jobs.policy import JobPolicy
from chat_service.jobs.queue import JobQueue
from chat_service.jobs.runner import RunnerService
from chat_service.jobs.runner_servicer import JobRunnerServicer
from chat_service.jobs.service import JobService
from chat_service.jobs.servicer import InsightServicer, InsightServices
from chat_service.jobs.unlock import UnlockService
from chat_service.search.service import IndexService
from protos.insight.v1 import insight_pb2_grpc


@dataclass(frozen=True)
class Jobs:
    """What the rest of the service needs of jobs."""

    servicers: Sequence[Servicer]
    background: Sequence[Callable[[], Awaitable[None]]]
    #: Ends the jobs that `cancel.cancel_of_chat` answered; to be called after the commit. Never fails.
    settle: Callable[[Sequence[uuid.UUID]], Awaitable[None]]
    #: Ends the streams that follow jobs, when the server begins to drain.
    stop_watching: Callable[[], None]
    reader: JobService
    #: Ends the jobs of an erased user.
    ender: JobEnder


def build(core: Core, index: IndexService) -> Jobs:
    """Build it inside the running event loop; nothing connects before it is needed."""
    context = JobContext(core, JobPolicy.of(core.settings), JobChanges(), Outbox())
    finishes = FinishService(context)
    cancels = CancelService(context, finishes)
    unlocks = UnlockService(context, cancels, index)
    reader = JobService(context)
    services = InsightServices(context, unlocks, cancels, reader, InsightReader(core.sessions))
    runner = JobRunnerServicer(RunnerService(context), finishes, context.policy)
    settings = core.settings
    dispatcher = Dispatcher(context, JobQueue(settings.redis_url, settings.job_queue_timeout_s))
    return Jobs(
        servicers=(_insights(InsightServicer(services)), _runner(runner)),
        background=(
            dispatcher.run,
            unlocks.resume,
            partial(context.changes.poll, core.sessions, settings.job_watch_poll_s),
        ),
        settle=cancels.settle,
        stop_watching=context.changes.stop,
        reader=reader,
        ender=JobEnder(context, cancels),
    )


def _insights(servicer: InsightServicer) -> Servicer:
    add = partial(insight_pb2_grpc.add_InsightServiceServicer_to_server, servicer)
    return Servicer("insight.v1.InsightService", add)


def _runner(servicer: JobRunnerServicer) -> Servicer:
    add = partial(insight_pb2_grpc.add_JobRunnerServiceServicer_to_server, servicer)
    return Servicer("insight.v1.JobRunnerService", add)
