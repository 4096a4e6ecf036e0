"""Step 5 of the spine: what workers do with a job, each time under its lock and with the fencing token."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.catalogue import service as catalogue
from chat_service.catalogue.models import InsightType
from chat_service.errors import StaleLease
from chat_service.insights import repository as insights
from chat_service.jobs import lifecycle, limits, repository
from chat_service.jobs.context import JobContext
from chat_service.jobs.fields import CheckedStep, CheckedStruct
from chat_service.jobs.models import Job, JobStep
from servicekit.errors import InvalidField
from servicekit.ids import uuid7
from servicekit.logs import get_logger
from servicekit.retry import execute_with_lock_retry

log = get_logger(__name__)

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker gets; without a lease there is nothing to do."""

    job: Job
    claimed: bool
    exhausted: bool
    #: How its insight types are made; empty when nothing is to be made any more.
    recipes: Sequence[InsightType] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls: the job, the fencing token, and the columns of the progress that it reports."""

    job_id: uuid.UUID
    attempt: int
    progress: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckedInsight:
    """An insight to save."""

    insight_type_id: str
    data: CheckedStruct
    sentences: list[str]


class RunnerService:
    """Serves the workers. All of it raises `JobNotFound`; all but `claim` raises `StaleLease`."""

    def __init__(self, context: JobContext) -> None:
        """Take the shared tools."""
        self._context = context

    async def claim(self, job_id: uuid.UUID, worker_id: str) -> Claim:
        """Give the job's next attempt to the worker, if it is to be had."""
        work = partial(self._claim, job_id=job_id, worker_id=worker_id)
        claim = await execute_with_lock_retry(self._context.core.sessions, work)
        if claim.claimed:
            self._context.changes.changed(claim.job)
            log.info("job_claimed", job_id=str(job_id), attempt=claim.job.attempt, worker_id=worker_id)
        return claim

    async def _claim(self, session: AsyncSession, job_id: uuid.UUID, worker_id: str) -> Claim:
        job, now = await repository.lock(session, job_id)
        changes = lifecycle.claim(job, now, self._context.policy.lease, worker_id)
        if changes is None:
            return Claim(job, claimed=False, exhausted=False)
        repository.apply(job, changes, now)
        exhausted = lifecycle.exhausted(job, self._context.policy.max_attempts)
        making = not exhausted and lifecycle.to_be_made(job)
        recipes = await catalogue.recipes(session, job.params["insight_type_ids"]) if making else ()
        return Claim(job, claimed=True, exhausted=exhausted, recipes=recipes)

    async def save_step(self, call: Call, step: CheckedStep) -> tuple[Job, JobStep]:
        """Save a finished step; the first result under its name stays and is answered."""

        async def work(session: AsyncSession, job: Job, now: datetime) -> JobStep:
            return await _save_step(session, job, step, now)

        return await self._leased(call, work)

    async def list_steps(self, call: Call) -> tuple[Job, Sequence[JobStep]]:
        """Answer the finished steps in the order they were saved."""

        async def work(session: AsyncSession, job: Job, now: datetime) -> Sequence[JobStep]:
            return await repository.list_steps(session, job)

        return await self._leased(call, work)

    async def save_insight(self, call: Call, insight: CheckedInsight) -> tuple[Job, uuid.UUID]:
        """Save one of the results that were ordered, hidden as long as nobody paid; answer its id."""

        async def work(session: AsyncSession, job: Job, now: datetime) -> uuid.UUID:
            return await _save_insight(session, job, insight, now)

        return await self._leased(call, work)

    async def heartbeat(self, call: Call, *, settling: bool) -> Job:
        """Renew the lease, or begin to settle."""

        async def work(session: AsyncSession, job: Job, now: datetime) -> None:
            if settling:
                repository.apply(job, lifecycle.begin_settling(job), now)

        job, _ = await self._leased(call, work)
        return job

    async def give_up(self, call: Call, *, draining: bool) -> Job:
        """End the lease, so that another worker can go on at once."""
        redispatch = self._context.policy.redispatch

        async def work(session: AsyncSession, job: Job, now: datetime) -> None:
            repository.apply(job, lifecycle.give_up(job, now, redispatch, draining=draining), now)

        job, _ = await self._leased(call, work, renew=False)
        self._context.outbox.put(job)
        return job

    async def _leased(
        self,
        call: Call,
        work: Callable[[AsyncSession, Job, datetime], Awaitable[_Answer]],
        *,
        renew: bool = True,
    ) -> tuple[Job, _Answer]:
        """Do the work under the job's lock if the attempt is the current one, and renew its lease."""

        async def transaction(session: AsyncSession) -> tuple[Job, _Answer, bool]:
            job, now = await repository.lock(session, call.job_id)
            if not lifecycle.holds(job, call.attempt):
                raise StaleLease(call.job_id, call.attempt, job.attempt)
            before = job.update_time
            renewed = lifecycle.renew(now, self._context.policy.lease) if renew else {}
            repository.apply(job, {**renewed, **call.progress}, now)
            answer = await work(session, job, now)
            return job, answer, job.update_time != before

        job, answer, changed = await execute_with_lock_retry(self._context.core.sessions, transaction)
        if changed:
            self._context.changes.changed(job)
        return job, answer


async def _save_step(session: AsyncSession, job: Job, step: CheckedStep, now: datetime) -> JobStep:
    values = {
        "user_id": job.user_id,
        "job_id": job.job_id,
        "name": step.name,
        "result": step.result.value,
        "attempt": job.attempt,
        "duration_ms": step.duration_ms,
        **step.usage,
        "create_time": now,
    }
    saved, new = await repository.save_step(session, values)
    if new:
        _count_step(job, step)
        repository.apply(job, lifecycle.forgive_all(job), now)
    return saved


def _count_step(job: Job, step: CheckedStep) -> None:
    """Count what the job holds; raises `InvalidField`, which takes the step back, when it is too much."""
    job.step_count += 1
    job.step_bytes += step.result.size_bytes
    for name in ("input_tokens", "output_tokens", "cost_micro_usd"):
        setattr(job, name, getattr(job, name) + step.usage.get(name, 0))
    if job.step_count > limits.MAX_STEPS:
        raise InvalidField("step", f"is one too many: a job has at most {limits.MAX_STEPS}")
    if job.step_bytes > limits.MAX_STEPS_BYTES:
        problem = f"is too much: all steps of a job have at most {limits.MAX_STEPS_BYTES} bytes"
        raise InvalidField("step.result", problem)


async def _save_insight(session: AsyncSession, job: Job, insight: CheckedInsight, now: datetime) -> uuid.UUID:
    ordered: Sequence[str] = job.params["insight_type_ids"]
    name = insight.insight_type_id
    if name not in ordered:
        raise InvalidField("insight_type_id", f"must be one of the job's: {', '.join(ordered)}")
    if job.charge_amount is not None:
        raise InvalidField("insight_type_id", "must be saved before it is decided what is charged")
    values = {
        "insight_id": uuid7(),
        "user_id": job.user_id,
        "chat_id": uuid.UUID(job.subject_id),
        "insight_type_id": name,
        "job_id": job.job_id,
        "data": insight.data.value,
        "sentences": insight.sentences,
        "create_time": now,
        "update_time": now,
    }
    insight_id = await insights.save(session, values)
    if name not in job.completed_ids:
        repository.apply(job, {"completed_ids": [*job.completed_ids, name]}, now)
    return insight_id
