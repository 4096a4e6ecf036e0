"""insight.v1.JobRunnerService: checks requests, calls the services, answers messages."""

import uuid
from typing import Any

from chat_service.jobs import fields
from chat_service.jobs.finishing import FinishReport, FinishService
from chat_service.jobs.lifecycle import Finish, to_be_dropped
from chat_service.jobs.limits import MAX_FAILED
from chat_service.jobs.messages import job_message, lease_message, recipe_message, step_message
from chat_service.jobs.models import Job
from chat_service.jobs.policy import JobPolicy
from chat_service.jobs.runner import Call, CheckedInsight, RunnerService
from chat_service.jobs.states import JobState
from protos.insight.v1 import insight_pb2 as pb
from protos.insight.v1 import insight_pb2_grpc
from servicekit.errors import InvalidField
from servicekit.validation import int_field, text_field, uuid_field


class JobRunnerServicer(insight_pb2_grpc.JobRunnerServiceServicer):
    """Serves the workers."""

    def __init__(self, runner: RunnerService, finishes: FinishService, policy: JobPolicy) -> None:
        """Take what does the work."""
        self._runner = runner
        self._finishes = finishes
        self._policy = policy

    async def ClaimJob(self, request: pb.ClaimJobRequest, context: Any) -> pb.ClaimJobResponse:  # noqa: N802
        """Give a worker the job's next attempt."""
        worker_id = fields.worker_id_field(request.worker_id)
        claim = await self._runner.claim(uuid_field("job_id", request.job_id), worker_id)
        return pb.ClaimJobResponse(
            claimed=claim.claimed,
            job=job_message(claim.job),
            lease=self._lease(claim.job) if claim.claimed else None,
            cancelled=to_be_dropped(claim.job),
            exhausted=claim.exhausted,
            payment_attempt=claim.job.payment_attempt,
            recipes=[recipe_message(recipe) for recipe in claim.recipes],
        )

    async def SaveStep(self, request: pb.SaveStepRequest, context: Any) -> pb.SaveStepResponse:  # noqa: N802
        """Save the result of a finished step."""
        job, step = await self._runner.save_step(_call(request), fields.step_field(request.step))
        return pb.SaveStepResponse(
            step=step_message(step), cancelled=job.cancel_requested, lease=self._lease(job)
        )

    async def ListSteps(self, request: pb.ListStepsRequest, context: Any) -> pb.ListStepsResponse:  # noqa: N802
        """List the finished steps."""
        call = Call(uuid_field("job_id", request.job_id), fields.attempt_field(request.attempt))
        job, steps = await self._runner.list_steps(call)
        return pb.ListStepsResponse(
            steps=[step_message(step) for step in steps],
            cancelled=job.cancel_requested,
            lease=self._lease(job),
        )

    async def SaveInsight(  # noqa: N802
        self, request: pb.SaveInsightRequest, context: Any
    ) -> pb.SaveInsightResponse:
        """Save one insight, hidden until the job is paid."""
        sentences = fields.sentences_field(request.sentences)
        beside_bytes = sum(len(sentence.encode()) for sentence in sentences)
        insight = CheckedInsight(
            insight_type_id=text_field("insight_type_id", request.insight_type_id, min_chars=1, max_chars=64),
            data=fields.struct_field("data", request.data, beside_bytes=beside_bytes),
            sentences=sentences,
        )
        job, insight_id = await self._runner.save_insight(_call(request), insight)
        return pb.SaveInsightResponse(
            insight_id=str(insight_id), cancelled=job.cancel_requested, lease=self._lease(job)
        )

    async def Heartbeat(self, request: pb.HeartbeatRequest, context: Any) -> pb.HeartbeatResponse:  # noqa: N802
        """Renew the lease, report progress, begin to settle, or give the job up."""
        if request.giving_up:
            job = await self._runner.give_up(_call(request), draining=request.draining)
        else:
            job = await self._runner.heartbeat(_call(request), settling=request.settling)
        # A payment asks by a heartbeat whether it is still wanted, so it hears of a deleted subject too.
        return pb.HeartbeatResponse(
            cancelled=to_be_dropped(job), lease=self._lease(job), charge_amount=job.charge_amount
        )

    async def FinishJob(self, request: pb.FinishJobRequest, context: Any) -> pb.FinishJobResponse:  # noqa: N802
        """End the attempt."""
        job = await self._finishes.finish(_report(request))
        return pb.FinishJobResponse(job=job_message(job))

    def _lease(self, job: Job) -> pb.Lease:
        return lease_message(job, self._policy.lease)


def _call(request: pb.SaveStepRequest | pb.SaveInsightRequest | pb.HeartbeatRequest) -> Call:
    return Call(
        job_id=uuid_field("job_id", request.job_id),
        attempt=fields.attempt_field(request.attempt),
        progress=fields.progress_field(request.progress) if request.HasField("progress") else {},
    )


def _report(request: pb.FinishJobRequest) -> FinishReport:
    outcome = fields.outcome_field(request.outcome)
    has_error = request.HasField("error")
    if outcome in (JobState.FAILED, JobState.PAYMENT_FAILED) and not has_error:
        raise InvalidField("error", f"is required for {outcome}")
    if outcome is JobState.COMPLETED and has_error:
        raise InvalidField("error", "must be absent for COMPLETED")
    return FinishReport(
        job_id=uuid_field("job_id", request.job_id),
        finish=Finish(
            attempt=fields.attempt_field(request.attempt),
            outcome=outcome,
            transaction_id=_transaction_id(request),
        ),
        error=fields.error_field(request.error) if has_error else None,
        failed_count=int_field("failed_count", request.failed_count, 0, MAX_FAILED),
        failures=fields.failures_field(request.failures),
    )


def _transaction_id(request: pb.FinishJobRequest) -> uuid.UUID | None:
    if not request.HasField("transaction_id"):
        return None
    return uuid_field("transaction_id", request.transaction_id)
