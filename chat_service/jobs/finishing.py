"""Step 7 of the spine: the end of an attempt, told by a worker or by chat_service itself."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.catalogue.charge_mode import ChargeMode
from chat_service.errors import StaleLease
from chat_service.insights.repository import unlock_insights
from chat_service.jobs import events, lifecycle, repository
from chat_service.jobs.context import JobContext
from chat_service.jobs.lifecycle import Finish
from chat_service.jobs.models import Job
from chat_service.jobs.states import JobState
from servicekit.errors import InvalidField
from servicekit.retry import execute_with_lock_retry


@dataclass(frozen=True, slots=True)
class FinishError:
    """Why an attempt ended without success."""

    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FinishReport:
    """All that a worker says at the end of its attempt."""

    job_id: uuid.UUID
    finish: Finish
    error: FinishError | None = None
    failed_count: int = 0
    #: Which results could not be made, where the others are charged.
    failures: Mapping[str, FinishError] = field(default_factory=dict)


class FinishService:
    """Ends attempts."""

    def __init__(self, context: JobContext) -> None:
        """Take the shared tools."""
        self._context = context

    async def finish(self, report: FinishReport) -> Job:
        """End the attempt and answer the job; the same report again changes nothing.

        Raises `JobNotFound`, `StaleLease`, and `InvalidField` for an outcome that the job cannot have.
        """
        work = partial(self._finish, report=report)
        job, changed = await execute_with_lock_retry(self._context.core.sessions, work)
        if changed:
            self._context.changes.changed(job)
            events.ended(job)
        return job

    async def _finish(self, session: AsyncSession, report: FinishReport) -> tuple[Job, bool]:
        job, now = await repository.lock(session, report.job_id)
        if lifecycle.finished_before(job, report.finish):
            return job, False
        if not lifecycle.holds(job, report.finish.attempt):
            raise StaleLease(job.job_id, report.finish.attempt, job.attempt)
        changes = lifecycle.finish(job, report.finish, now, self._context.policy.retries)
        if report.finish.outcome is JobState.COMPLETED:
            await unlock_insights(session, uuid.UUID(job.subject_id), _paid_types(job), now)
        repository.apply(job, {**changes, **_findings(job, report)}, now)
        return job, True


def _paid_types(job: Job) -> Sequence[str]:
    """Answer what the charge was for: one that failed may have a row of an earlier job, which nobody paid."""
    if job.charge_mode is ChargeMode.WHAT_SUCCEEDED:
        return job.completed_ids
    types: Sequence[str] = job.params["insight_type_ids"]
    return types


def _findings(job: Job, report: FinishReport) -> dict[str, Any]:
    """Answer the columns that say what went wrong; all of them are cleared when nothing did."""
    most = job.requested_count - len(job.completed_ids)
    if report.failed_count > most:
        raise InvalidField("failed_count", f"must be 0 to {most}, got {report.failed_count}")
    _check_failures(job, report)
    error = report.error
    return {
        "failed_count": most if _charged_in_part(job, report) else report.failed_count,
        "failures": [
            {"insight_type_id": name, **_columns(failure)}
            for name, failure in report.failures.items()
            if name not in job.completed_ids
        ],
        "error_reason": error.reason if error else None,
        "error_message": error.message if error else None,
        "error_metadata": dict(error.metadata) if error else None,
    }


def _columns(failure: FinishError) -> dict[str, Any]:
    return {"reason": failure.reason, "message": failure.message, "metadata": dict(failure.metadata)}


def _check_failures(job: Job, report: FinishReport) -> None:
    ordered: Sequence[str] = job.params["insight_type_ids"]
    for name in report.failures:
        if name not in ordered:
            raise InvalidField("failures", f"must be of the job's types, {', '.join(ordered)}; got {name}")


def _charged_in_part(job: Job, report: FinishReport) -> bool:
    """Whether what was not made has failed by that, whatever the worker has counted."""
    return job.charge_amount is not None and report.finish.outcome in (
        JobState.COMPLETED,
        JobState.PAYMENT_FAILED,
    )
