"""The jobs of chat_service as a worker sees them: one method an RPC, typed errors."""

import grpc

from protos.insight.v1 import insight_pb2, insight_pb2_grpc
from servicekit.grpc_clients import Caller


class JobsClient:
    """insight.v1.JobRunnerService. Safe for threads. Every method raises `ServiceError`."""

    def __init__(self, channel: grpc.Channel, caller: Caller, worker_id: str) -> None:
        """Take the process's channel, and what to call this worker in the service's logs."""
        self._stub = insight_pb2_grpc.JobRunnerServiceStub(channel)
        self._caller = caller
        self._worker_id = worker_id[:128]

    def claim(self, job_id: str) -> insight_pb2.ClaimJobResponse:
        """Ask for the job. Raises JobNotFound."""
        request = insight_pb2.ClaimJobRequest(job_id=job_id, worker_id=self._worker_id)
        return self._caller.call_sync(self._stub.ClaimJob, request)

    def steps(self, job_id: str, attempt: int) -> insight_pb2.ListStepsResponse:
        """List the steps that are saved."""
        request = insight_pb2.ListStepsRequest(job_id=job_id, attempt=attempt)
        return self._caller.call_sync(self._stub.ListSteps, request)

    def save_step(
        self, job_id: str, attempt: int, step: insight_pb2.Step, progress: insight_pb2.JobProgress | None
    ) -> insight_pb2.SaveStepResponse:
        """Save a finished step and, unless it is None, say how far the job is."""
        request = insight_pb2.SaveStepRequest(job_id=job_id, attempt=attempt, step=step, progress=progress)
        return self._caller.call_sync(self._stub.SaveStep, request)

    def save_insight(self, request: insight_pb2.SaveInsightRequest) -> insight_pb2.SaveInsightResponse:
        """Save an insight, hidden until the job is paid. Raises InvalidField when it is too large."""
        return self._caller.call_sync(self._stub.SaveInsight, request)

    def heartbeat(
        self, request: insight_pb2.HeartbeatRequest, timeout_s: float | None = None
    ) -> insight_pb2.HeartbeatResponse:
        """Renew the lease, report progress, begin to settle, or give the job up."""
        return self._caller.call_sync(self._stub.Heartbeat, request, timeout_s=timeout_s)

    def finish(self, request: insight_pb2.FinishJobRequest) -> insight_pb2.FinishJobResponse:
        """End the attempt."""
        return self._caller.call_sync(self._stub.FinishJob, request)
