"""Why a job cannot succeed, in a form that chat_service takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from insight_worker.pipelines.interface import InsightFailed, JsonValue
from protos.insight.v1 import insight_pb2

# What chat_service takes. An error that it refuses would keep the job from ever ending.
_MAX_REASON_CHARS = 64
_MAX_MESSAGE_CHARS = 1_024
_MAX_KEYS = 32
_MAX_KEY_CHARS = 64
_MAX_VALUE_CHARS = 512
_NO_REASON = "INTERNAL"


@dataclass(frozen=True)
class Failure:
    """Why the job cannot succeed, and how many results could not be made; None: all that are not saved."""

    error: insight_pb2.JobError
    failed_count: int | None = None


@dataclass
class Tally:
    """How many of a job's results are not saved yet: at most so many can have failed.

    `failures` are those that the job goes on without, by insight type.
    """

    left: int
    requested: int = 0
    failures: dict[str, insight_pb2.JobError] = field(default_factory=dict)

    @classmethod
    def of(cls, job: insight_pb2.Job) -> "Tally":
        """Begin with what earlier attempts have left, and have told."""
        left = max(0, job.requested_count - job.completed_count)
        failures = {failure.insight_type_id: failure.error for failure in job.failures}
        return cls(left, job.requested_count, failures)

    @property
    def anything_made(self) -> bool:
        """Whether at least one result is saved."""
        return self.left < self.requested

    def count_saved(self) -> None:
        """Count one that was saved."""
        self.left = max(0, self.left - 1)

    def failed(self, failure: Failure) -> int:
        """Answer how many results could not be made."""
        return self.left if failure.failed_count is None else min(failure.failed_count, self.left)

    def first(self) -> Failure | None:
        """Answer the first of the failures, as a reason why nothing was made."""
        error = next(iter(self.failures.values()), None)
        return None if error is None else Failure(error)

    def messages(self) -> Sequence[insight_pb2.InsightFailure]:
        """Answer the failures as the wire has them."""
        return [
            insight_pb2.InsightFailure(insight_type_id=name, error=error)
            for name, error in self.failures.items()
        ]


def job_error(reason: str, message: str, metadata: Mapping[str, str]) -> insight_pb2.JobError:
    """Answer the error, cleaned and cut to what chat_service takes."""
    cleaned = (
        (_clean(key, _MAX_KEY_CHARS), _clean(value, _MAX_VALUE_CHARS)) for key, value in metadata.items()
    )
    return insight_pb2.JobError(
        reason=_clean(reason, _MAX_REASON_CHARS) or _NO_REASON,
        message=_clean(message, _MAX_MESSAGE_CHARS),
        metadata=dict(islice(((key, value) for key, value in cleaned if key), _MAX_KEYS)),
    )


def insight_error(insight_type_id: str, failed: InsightFailed) -> insight_pb2.JobError:
    """Answer why an insight could not be made."""
    return job_error(failed.reason, failed.message, {"insight_type_id": insight_type_id, **failed.metadata})


def to_json(error: insight_pb2.JobError) -> Mapping[str, JsonValue]:
    """Answer the error as a step keeps it."""
    return {"reason": error.reason, "message": error.message, "metadata": dict(error.metadata)}


def from_json(value: JsonValue) -> insight_pb2.JobError:
    """Answer the error that a step has kept."""
    kept = value if isinstance(value, Mapping) else {}
    metadata = kept.get("metadata")
    pairs = metadata.items() if isinstance(metadata, Mapping) else ()
    return job_error(
        str(kept.get("reason", "")), str(kept.get("message", "")), {key: str(text) for key, text in pairs}
    )


def _clean(text: str, max_chars: int) -> str:
    """Leave out NUL, which PostgreSQL cannot hold, and replace what is no Unicode."""
    return text.replace("\x00", "").encode(errors="replace").decode()[:max_chars]
