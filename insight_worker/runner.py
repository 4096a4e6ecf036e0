"""One job from its claim to its end."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dramatiq.middleware import Shutdown
from dramatiq.threading import Interrupt
from structlog.contextvars import bound_contextvars

from insight_worker.clients import Clients
from insight_worker.context import Assignment, StageContext, StageTools
from insight_worker.errors import AttemptAbandoned, ChatNotFound, JobCancelled, StaleLease
from insight_worker.failures import Failure, Tally, job_error
from insight_worker.lease import Lease
from insight_worker.making import Making, recall_failures
from insight_worker.patience import Patience
from insight_worker.pipelines.interface import InvalidParams, Pipeline
from insight_worker.reservation import ReservationKeeper
from insight_worker.settings import WorkerSettings
from insight_worker.settlement import Settlement
from insight_worker.steps import Steps
from protos.insight.v1 import insight_pb2
from servicekit.context import request_id
from servicekit.errors import ServiceError
from servicekit.logs import get_logger

_log = get_logger(__name__)


class JobRunner:
    """Runs jobs of all kinds that there are pipelines for. Safe for threads: a run shares nothing."""

    def __init__(self, clients: Clients, pipelines: Mapping[str, Pipeline], settings: WorkerSettings) -> None:
        """Take the process's clients and the pipelines by job kind."""
        self._clients = clients
        self.pipelines = pipelines
        self._settings = settings

    def run(self, job_id: str) -> None:
        """Claim the job and do what is left of it: make and settle it, or pay for it again.

        The claim says what is left, not the message: messages come twice, late, and out of order.
        Raises JobNotFound and what ClaimJob answers when the job was not claimed. Once it is claimed,
        a failed attempt raises nothing: its lease runs out and the dispatcher brings the job again.
        Interrupts (shutdown, time limit) give the lease up and go on to the caller.
        """
        with _request(f"job-{job_id}"):
            claim = self._clients.jobs.claim(job_id)
            if not claim.claimed:
                state = insight_pb2.JobState.Name(claim.job.state)
                _log.info("job not claimed", job_id=job_id, state=state, attempt=claim.job.attempt)
                return
        ids = {"job_id": job_id, "attempt": claim.lease.attempt, "kind": claim.job.kind}
        with _request(f"job-{job_id}-{claim.lease.attempt}"), bound_contextvars(**ids):
            self._run_claimed(claim)

    def _run_claimed(self, claim: insight_pb2.ClaimJobResponse) -> None:
        started, lease = time.monotonic(), self._lease(claim)
        outcome = "crashed"
        try:
            with lease:
                outcome = self._attempt(claim, lease)
        except StaleLease as error:
            outcome = "stale"
            _log.warning("another attempt has the job", current=error.metadata.get("current_attempt"))
        except AttemptAbandoned as error:
            outcome = "abandoned"
            given_up = lease.give_up()
            _log.warning("attempt abandoned", problem=str(error), given_up=given_up)
        except ServiceError as error:
            # A bug on one of the two sides: the lease is not given up, so that the next attempt waits.
            outcome = "broken"
            _log.exception("attempt broken", reason=error.reason)
        except Interrupt as interrupt:
            outcome = "interrupted"
            given_up = lease.give_up(draining=isinstance(interrupt, Shutdown))
            _log.warning("attempt interrupted", by=type(interrupt).__name__, given_up=given_up)
            raise
        finally:
            duration_ms = round((time.monotonic() - started) * 1000, 1)
            _log.info("job attempt ended", outcome=outcome, duration_ms=duration_ms)

    def _lease(self, claim: insight_pb2.ClaimJobResponse) -> Lease:
        job, settings = claim.job, self._settings
        # A later payment makes its own reservation; the first one has ended.
        reservation_id = "" if claim.payment_attempt else job.reservation_id
        keeper = ReservationKeeper(
            self._clients.credits,
            reservation_id,
            job.job_id,
            claim.lease.attempt,
            settings.worker_reservation_ttl_s,
        )
        return Lease(
            self._clients.jobs, claim, keeper, settings.worker_heartbeat_s, settings.worker_job_limit_s
        )

    def _attempt(self, claim: insight_pb2.ClaimJobResponse, lease: Lease) -> str:
        """Do what the claim asks for, and answer the job's outcome."""
        patience, tally = Patience(self._settings.worker_patience_s), Tally.of(claim.job)
        settlement = Settlement(claim.job, self._clients, lease, patience, tally)
        if claim.payment_attempt:
            pay = settlement.drop_payment if claim.cancelled else settlement.pay_again
            return pay(claim.payment_attempt)
        if claim.cancelled:
            return settlement.cancel()
        if claim.exhausted:
            return settlement.fail(_failure("ATTEMPTS_EXHAUSTED", "the job was tried too often"))
        try:
            failure = self._make(claim, lease, patience, tally)
        except JobCancelled:
            return settlement.cancel()
        except ChatNotFound as error:
            failure = Failure(job_error(error.reason, error.message, error.metadata))
        return settlement.fail(failure) if failure else settlement.complete()

    def _make(
        self, claim: insight_pb2.ClaimJobResponse, lease: Lease, patience: Patience, tally: Tally
    ) -> Failure | None:
        """Make what is left; once it is decided what is charged, only recall what could not be made."""
        job, clients = claim.job, self._clients
        steps = Steps(clients.jobs, lease, patience)
        if job.HasField("charge_amount"):
            steps.load()
            recall_failures(steps, tally)
            return None
        pipeline = self.pipelines.get(job.kind)
        if pipeline is None:
            return _failure("UNKNOWN_JOB_KIND", f"no pipeline makes {job.kind}")
        assignment = Assignment.of(claim)
        try:
            stages = pipeline.stages(assignment.params)
        except InvalidParams as error:
            _log.warning("job with invalid params", problem=str(error))
            return _failure("INVALID_PARAMS", "the job asks for what cannot be made")
        sample_chars = self._settings.worker_prompt_chars
        tools = StageTools(clients.chats, clients.model, lease, patience, steps, sample_chars)
        context = StageContext(assignment, tools)
        return Making(stages, context, clients.jobs, lease, patience, tally, steps).run()


def _failure(reason: str, message: str) -> Failure:
    """Answer a failure of everything that is not made yet."""
    return Failure(job_error(reason, message, {}))


@contextmanager
def _request(name: str) -> Iterator[None]:
    token = request_id.set(name)
    try:
        yield
    finally:
        request_id.reset(token)
