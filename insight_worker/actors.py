"""The two messages that chat_service's dispatcher sends, by these names."""

import dramatiq
from dramatiq import Broker
from dramatiq.errors import Retry
from dramatiq.threading import Interrupt

from insight_worker.clients import ProcessClients
from insight_worker.draining import Draining
from insight_worker.errors import JobNotFound, is_transient
from insight_worker.registry import load_pipelines
from insight_worker.runner import JobRunner
from insight_worker.settings import WorkerSettings
from servicekit.errors import InvalidField, ServiceError

QUEUE = "jobs"

#: A message matters only until its job is claimed; what gets lost is sent again by the dispatcher.
_MAX_RETRIES = 10
_MIN_BACKOFF_MS = 500
_MAX_BACKOFF_MS = 30_000


def declare(broker: Broker, clients: ProcessClients, draining: Draining, settings: WorkerSettings) -> None:
    """Declare the actors on the broker. Raises what `load_pipelines` raises."""
    pipelines = load_pipelines(settings.worker_pipelines)

    def run_job(job_id: str) -> None:
        """Do what is left of the job."""
        draining.refuse_when_begun()
        _run(JobRunner(clients.get(), pipelines, settings), job_id)

    def retry_payment(job_id: str) -> None:
        """Pay for a job whose work is done: its claim says so."""
        draining.refuse_when_begun()
        _run(JobRunner(clients.get(), pipelines, settings), job_id)

    for function in (run_job, retry_payment):
        declare_actor = dramatiq.actor(
            broker=broker,
            queue_name=QUEUE,
            max_retries=_MAX_RETRIES,
            min_backoff=_MIN_BACKOFF_MS,
            max_backoff=_MAX_BACKOFF_MS,
            time_limit=settings.worker_job_limit_s * 1000,
            notify_shutdown=True,
            # No retry changes these.
            throws=(JobNotFound, InvalidField),
        )
        declare_actor(function)


def _run(runner: JobRunner, job_id: str) -> None:
    """Run the job; raises Retry where the message should come again, to this worker or another one."""
    try:
        runner.run(job_id)
    except Interrupt as interrupt:
        raise Retry(f"interrupted by {type(interrupt).__name__}", delay=0) from None
    except ServiceError as error:
        if is_transient(error):
            raise Retry(f"not claimed: {error}") from None
        raise
