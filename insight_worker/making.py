"""Runs the stages of one attempt: times each, saves what it makes, tells how far the job is."""

import time
from collections.abc import Mapping, Sequence

from insight_worker.context import StageContext
from insight_worker.errors import AttemptAbandoned, JobCancelled
from insight_worker.failures import Failure, Tally, from_json, insight_error, job_error, to_json
from insight_worker.jobs_client import JobsClient
from insight_worker.lease import Lease
from insight_worker.patience import Patience
from insight_worker.pipelines.interface import InsightFailed, InsightResult, JsonValue, Stage
from insight_worker.steps import Steps
from insight_worker.structs import to_struct
from protos.insight.v1 import insight_pb2
from servicekit.errors import InvalidField, ServiceError
from servicekit.logs import get_logger

_log = get_logger(__name__)

#: What a stage raises on behalf of the runner; everything else is a defect of the stage.
_PASSED_ON = (JobCancelled, AttemptAbandoned, ServiceError)

#: How far the job is need not be told more often.
_TELL_S = 0.25
#: What chat_service takes as the name of a stage.
_MAX_TITLE_CHARS = 128

#: Says nothing of what was raised: the log has it.
_BLAND = InsightFailed("INTERNAL", "an insight could not be made")

Results = Mapping[str, InsightResult | InsightFailed]


class Making:
    """One attempt at the stages of a job. Stages whose results are saved are not run again."""

    def __init__(
        self,
        stages: Sequence[Stage],
        context: StageContext,
        jobs: JobsClient,
        lease: Lease,
        patience: Patience,
        tally: Tally,
        steps: Steps,
    ) -> None:
        """Take the job's stages in their order; `tally` counts what is saved."""
        self._stages = stages
        self._context = context
        self._jobs = jobs
        self._lease = lease
        self._patience = patience
        self._tally = tally
        self._steps = steps
        self._told_s = time.monotonic()

    def run(self) -> Failure | None:
        """Make what is left; answer the first failure, after which nothing more is made.

        Where what succeeds is paid for by itself, it goes on after a failure, and answers one only when
        nothing at all could be made. Raises JobCancelled, ChatNotFound, StaleLease, AttemptAbandoned, and
        what the services answer.
        """
        self._steps.load()
        recall_failures(self._steps, self._tally)
        self._lease.tell_later(self._progress(0))
        for index, stage in enumerate(self._stages):
            if not self._is_needed(index):
                continue
            failure = self._run_stage(index, stage)
            if failure is not None:
                return failure
        return self._tally.first() if self._context.partial and not self._tally.anything_made else None

    def _is_needed(self, index: int) -> bool:
        """Answer whether the stage has something to make, or prepares a later one that has."""
        makers = self._stages[index:] if not self._stages[index].produces else [self._stages[index]]
        return any(stage.produces and self._steps.get(stage.name) is None for stage in makers)

    def _run_stage(self, index: int, stage: Stage) -> Failure | None:
        started = time.monotonic()
        try:
            results = self._results(stage)
            failure = None if self._context.partial else _first_failure(results)
            duration_ms = (time.monotonic() - started) * 1000
            if failure is None:
                self._save(index, stage, results, duration_ms)
        except InvalidField:
            _log.exception("stage made what cannot be saved", stage=stage.name)
            return _defect(stage)
        except InsightFailed as failed:
            return Failure(job_error(failed.reason, failed.message, failed.metadata))
        except _PASSED_ON:
            raise
        except Exception:  # noqa: BLE001  # a defect of a stage ends its job with a bland word, not the worker
            _log.exception("stage failed", stage=stage.name)
            return _defect(stage)
        self._log_stage(index, stage, duration_ms)
        return failure

    def _results(self, stage: Stage) -> Results:
        self._context.checkpoint()
        try:
            results = stage.run(self._context)
        except Exception as error:
            if not (self._context.partial and stage.produces) or isinstance(error, _PASSED_ON):
                raise
            _log.exception("stage failed, the job goes on without it", stage=stage.name)
            return dict.fromkeys(stage.produces, _BLAND)
        # A stage that swallowed the checkpoint's exception must not be saved as if it were whole.
        self._context.checkpoint()
        if set(results) != set(stage.produces):
            raise RuntimeError(
                f"stage {stage.name} made {sorted(results)} instead of {sorted(stage.produces)}"
            )
        return results

    def _save(self, index: int, stage: Stage, results: Results, duration_ms: float) -> None:
        """Save the insights, then the step: a step that is saved has all its insights.

        It also keeps what could not be made, so that another attempt neither tries nor pays for that again.
        """
        if not stage.produces:
            self._report(index + 1)
            return
        failed: dict[str, JsonValue] = {}
        for insight_type_id, result in results.items():
            problem = self._save_result(insight_type_id, result)
            if problem is not None:
                self._tally.failures[insight_type_id] = insight_error(insight_type_id, problem)
                failed[insight_type_id] = to_json(self._tally.failures[insight_type_id])
        step: dict[str, JsonValue] = {"insight_type_ids": list(results)}
        if failed:
            step["failures"] = failed
        try:
            self._steps.save(stage.name, step, duration_ms, progress=lambda: self._progress(index + 1))
        finally:
            self._told_s = time.monotonic()

    def _save_result(
        self, insight_type_id: str, result: InsightResult | InsightFailed
    ) -> InsightFailed | None:
        """Save an insight; answer why there is none. Raises InvalidField where all have to be saved."""
        if isinstance(result, InsightFailed):
            return result
        try:
            self._save_insight(insight_type_id, result)
        except InvalidField:
            if not self._context.partial:
                raise
            _log.exception("an insight cannot be saved, the job goes on without it", type=insight_type_id)
            return _BLAND
        return None

    def _save_insight(self, insight_type_id: str, result: InsightResult) -> None:
        request = insight_pb2.SaveInsightRequest(
            job_id=self._lease.job_id,
            attempt=self._lease.attempt,
            insight_type_id=insight_type_id,
            data=to_struct(result.data),
            sentences=result.sentences,
        )
        response = self._patience.call(lambda: self._jobs.save_insight(request))
        self._tally.count_saved()
        self._lease.note(response.cancelled)

    def _report(self, done: int) -> None:
        """Tell how far the job is, unless that was told a moment ago: short stages are not worth a call."""
        if time.monotonic() - self._told_s < _TELL_S:
            return
        progress = self._progress(done)
        self._patience.call(lambda: self._lease.report(progress))
        self._told_s = time.monotonic()

    def _progress(self, done: int) -> insight_pb2.JobProgress:
        """Answer how far the job is when `done` stages are behind it."""
        count = len(self._stages)
        return insight_pb2.JobProgress(
            stage_index=done,
            stage_count=count,
            stage_name=self._stages[done].title[:_MAX_TITLE_CHARS] if done < count else "",
            percent=100 * done // count if count else 100,
        )

    def _log_stage(self, index: int, stage: Stage, duration_ms: float) -> None:
        # The one event with values in its name: people read these lines as they pass.
        number, count = index + 1, len(self._stages)
        _log.info(
            f"stage {number}/{count} {stage.name} {duration_ms:.0f} ms",
            stage=number,
            stages=count,
            name=stage.name,
            duration_ms=round(duration_ms, 1),
        )


def recall_failures(steps: Steps, tally: Tally) -> None:
    """Put into the tally what earlier attempts could not make, as their steps have kept it."""
    for result in steps.results():
        failures = result.get("failures")
        if isinstance(failures, Mapping):
            tally.failures |= {name: from_json(error) for name, error in failures.items()}


def _first_failure(results: Results) -> Failure | None:
    failed = {key: result for key, result in results.items() if isinstance(result, InsightFailed)}
    if not failed:
        return None
    insight_type_id, first = next(iter(failed.items()))
    return Failure(insight_error(insight_type_id, first), len(failed))


def _defect(stage: Stage) -> Failure:
    """Answer a failure that says nothing of what was raised: the log has it."""
    error = job_error("INTERNAL", "an insight could not be made", {"stage": stage.name})
    return Failure(error, max(1, len(stage.produces)))
