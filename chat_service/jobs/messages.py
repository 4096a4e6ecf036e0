"""Jobs and steps as messages of insight.v1."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chat_service.catalogue.charge_mode import ChargeMode
from chat_service.catalogue.models import InsightType
from chat_service.jobs.models import Job, JobStep
from chat_service.jobs.states import JobState
from chat_service.jobs.structs import struct_message
from chat_service.wire import optional_timestamp, timestamp
from protos.insight.v1 import insight_pb2


def job_message(job: Job) -> insight_pb2.Job:
    """Answer the row as the wire has it."""
    return insight_pb2.Job(
        job_id=str(job.job_id),
        user_id=job.user_id,
        kind=job.kind,
        subject_id=job.subject_id,
        params=struct_message(job.params),
        state=insight_pb2.JobState.Value(f"JOB_STATE_{job.state}"),
        price=job.price,
        progress=_progress(job),
        requested_count=job.requested_count,
        completed_count=len(job.completed_ids),
        failed_count=job.failed_count,
        reservation_id=None if job.reservation_id is None else str(job.reservation_id),
        transaction_id=None if job.transaction_id is None else str(job.transaction_id),
        error=_error(job),
        attempt=job.attempt,
        cancel_requested=job.cancel_requested,
        payment_retry_time=optional_timestamp(job.payment_retry_time),
        create_time=timestamp(job.create_time),
        update_time=timestamp(job.update_time),
        start_time=optional_timestamp(job.start_time),
        finish_time=optional_timestamp(job.finish_time),
        charge_amount=_charge_amount(job),
        charge_mode=charge_mode_value(job.charge_mode),
        failures=[_failure(failure) for failure in job.failures],
    )


def charge_mode_value(mode: ChargeMode) -> insight_pb2.ChargeMode.ValueType:
    """Answer the mode as the wire has it."""
    return insight_pb2.ChargeMode.Value(f"CHARGE_MODE_{mode}")


def _charge_amount(job: Job) -> int | None:
    if job.charge_amount is None and job.state is JobState.COMPLETED:
        return job.price
    return job.charge_amount


def _failure(failure: Mapping[str, Any]) -> insight_pb2.InsightFailure:
    error = insight_pb2.JobError(
        reason=failure["reason"], message=failure["message"], metadata=failure["metadata"]
    )
    return insight_pb2.InsightFailure(insight_type_id=failure["insight_type_id"], error=error)


def _progress(job: Job) -> insight_pb2.JobProgress:
    return insight_pb2.JobProgress(
        stage_index=job.stage_index,
        stage_count=job.stage_count,
        stage_name=job.stage_name,
        percent=job.percent,
    )


def _error(job: Job) -> insight_pb2.JobError | None:
    if job.error_reason is None:
        return None
    return insight_pb2.JobError(
        reason=job.error_reason, message=job.error_message or "", metadata=job.error_metadata
    )


def lease_message(job: Job, lease: timedelta) -> insight_pb2.Lease:
    """Answer the lease that the job's present attempt holds."""
    return insight_pb2.Lease(
        attempt=job.attempt,
        expire_time=optional_timestamp(job.lease_expire_time),
        lease_s=lease.total_seconds(),
    )


def step_message(step: JobStep) -> insight_pb2.Step:
    """Answer the row as the wire has it."""
    return insight_pb2.Step(
        name=step.name,
        result=struct_message(step.result),
        attempt=step.attempt,
        duration_ms=step.duration_ms,
        usage=_usage(step),
    )


def _usage(step: JobStep) -> insight_pb2.ModelUsage | None:
    if not step.model:
        return None
    return insight_pb2.ModelUsage(
        model=step.model,
        input_tokens=step.input_tokens,
        output_tokens=step.output_tokens,
        cost_micro_usd=step.cost_micro_usd,
    )


def recipe_message(insight_type: InsightType) -> insight_pb2.InsightRecipe:
    """Answer how an insight type is made, as the wire has it."""
    return insight_pb2.InsightRecipe(
        insight_type_id=insight_type.insight_type_id,
        min_people=insight_type.min_people,
        max_people=insight_type.max_people,
        min_messages=insight_type.min_messages,
        model=_model_recipe(insight_type),
    )


def _model_recipe(insight_type: InsightType) -> insight_pb2.ModelRecipe | None:
    if insight_type.prompt is None:
        return None
    return insight_pb2.ModelRecipe(
        prompt=insight_type.prompt,
        statistics=insight_type.statistics,
        result_schema=insight_type.result_schema or "",
        chart=insight_type.chart,
        drawing=struct_message(insight_type.drawing or {}),
    )
