"""The finished steps of a job, whichever attempt finished them."""

from collections.abc import Callable, Iterable, Mapping

from insight_worker.jobs_client import JobsClient
from insight_worker.lease import Lease
from insight_worker.patience import Patience
from insight_worker.pipelines.interface import JsonValue, ModelUse
from insight_worker.structs import from_struct, to_struct
from protos.insight.v1 import insight_pb2


class Steps:
    """What is saved of one job. The first result under a name stays, also when two attempts save it."""

    def __init__(self, jobs: JobsClient, lease: Lease, patience: Patience) -> None:
        """Know of no step yet."""
        self._jobs = jobs
        self._lease = lease
        self._patience = patience
        self._results: dict[str, Mapping[str, JsonValue]] = {}

    def load(self) -> None:
        """Learn of the steps of earlier attempts. Raises JobCancelled and what the service answers."""
        lease = self._lease
        if lease.attempt == 1:
            return
        response = self._patience.call(lambda: self._jobs.steps(lease.job_id, lease.attempt))
        self._results = {step.name: from_struct(step.result) for step in response.steps}
        lease.note(response.cancelled)

    def results(self) -> Iterable[Mapping[str, JsonValue]]:
        """Answer the results of all steps."""
        return self._results.values()

    def get(self, name: str) -> Mapping[str, JsonValue] | None:
        """Answer the result of a step, or None."""
        return self._results.get(name)

    def save(
        self,
        name: str,
        result: Mapping[str, JsonValue],
        duration_ms: float,
        *,
        use: ModelUse | None = None,
        progress: Callable[[], insight_pb2.JobProgress] | None = None,
    ) -> Mapping[str, JsonValue]:
        """Save a step and answer what is saved under its name. Raises JobCancelled after it is saved."""
        lease = self._lease
        step = insight_pb2.Step(
            name=name, result=to_struct(result), duration_ms=duration_ms, usage=_usage(use)
        )
        told = progress() if progress is not None else None
        if told is not None:
            lease.outdate()
        response = self._patience.call(lambda: self._jobs.save_step(lease.job_id, lease.attempt, step, told))
        self._results[name] = from_struct(response.step.result)
        lease.note(response.cancelled)
        return self._results[name]


def _usage(use: ModelUse | None) -> insight_pb2.ModelUsage | None:
    if use is None:
        return None
    return insight_pb2.ModelUsage(
        model=use.model,
        input_tokens=use.input_tokens,
        output_tokens=use.output_tokens,
        cost_micro_usd=use.cost_micro_usd,
    )
