"""Jobs and steps as messages of insight.v1."""

from datetime import timedelta

from chat_service.jobs.models import Job, JobStep
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
    )


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
    )
