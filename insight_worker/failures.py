"""Why a job cannot succeed, in a form that chat_service takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

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
    """How many of a job's results are not saved yet: at most so many can have failed."""

    left: int

    @classmethod
    def of(cls, job: insight_pb2.Job) -> "Tally":
        """Begin with what earlier attempts have left."""
        return cls(max(0, job.requested_count - job.completed_count))

    def count_saved(self) -> None:
        """Count one that was saved."""
        self.left = max(0, self.left - 1)

    def failed(self, failure: Failure) -> int:
        """Answer how many results could not be made."""
        return self.left if failure.failed_count is None else min(failure.failed_count, self.left)


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


def _clean(text: str, max_chars: int) -> str:
    """Leave out NUL, which PostgreSQL cannot hold, and replace what is no Unicode."""
    return text.replace("\x00", "").encode(errors="replace").decode()[:max_chars]
