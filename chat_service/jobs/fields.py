"""Checks of what workers send. Each answers the clean value or raises `InvalidField`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format, struct_pb2

from chat_service.jobs import limits
from chat_service.jobs.finishing import FinishError
from chat_service.jobs.states import OUTCOMES, JobState
from protos.insight.v1 import insight_pb2
from servicekit.errors import InvalidField
from servicekit.validation import enum_field, int_field, metadata_field, text_field

_PREFIX = "JOB_STATE_"
_OUTCOME_NUMBERS: Mapping[int, str] = {
    insight_pb2.JobState.Value(_PREFIX + outcome): _PREFIX + outcome for outcome in sorted(OUTCOMES)
}


@dataclass(frozen=True, slots=True)
class CheckedStruct:
    """A Struct as JSON values, and how many bytes it has on the wire."""

    value: dict[str, Any]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CheckedStep:
    """A finished step."""

    name: str
    result: CheckedStruct
    duration_ms: float
    #: The columns that say what a language model took; empty: none was asked.
    usage: dict[str, Any] = field(default_factory=dict)


def attempt_field(value: int) -> int:
    """Answer a fencing token."""
    return int_field("attempt", value, 1, 2**31 - 1)


def worker_id_field(value: str) -> str:
    """Answer the name of a worker; it may be empty."""
    return text_field("worker_id", value, max_chars=limits.MAX_WORKER_ID_CHARS)


def outcome_field(value: int) -> JobState:
    """Answer how an attempt ended."""
    number = enum_field("outcome", value, _OUTCOME_NUMBERS)
    return JobState(_OUTCOME_NUMBERS[number].removeprefix(_PREFIX))


def progress_field(progress: insight_pb2.JobProgress) -> dict[str, Any]:
    """Answer the columns of a job's progress."""
    stage_count = int_field("progress.stage_count", progress.stage_count, 0, limits.MAX_STAGES)
    name = text_field("progress.stage_name", progress.stage_name, max_chars=limits.MAX_STAGE_NAME_CHARS)
    return {
        "stage_index": int_field("progress.stage_index", progress.stage_index, 0, stage_count),
        "stage_count": stage_count,
        "stage_name": name,
        "percent": int_field("progress.percent", progress.percent, 0, 100),
    }


def step_field(step: insight_pb2.Step) -> CheckedStep:
    """Answer a finished step."""
    if not math.isfinite(step.duration_ms) or not 0 <= step.duration_ms <= limits.MAX_STEP_DURATION_MS:
        problem = f"must be 0 to {limits.MAX_STEP_DURATION_MS:.0f}, got {step.duration_ms}"
        raise InvalidField("step.duration_ms", problem)
    return CheckedStep(
        name=text_field("step.name", step.name, min_chars=1, max_chars=limits.MAX_STEP_NAME_CHARS),
        result=struct_field("step.result", step.result),
        duration_ms=step.duration_ms,
        usage=_usage(step.usage) if step.HasField("usage") else {},
    )


def _usage(usage: insight_pb2.ModelUsage) -> dict[str, Any]:
    counts = {
        "input_tokens": (usage.input_tokens, limits.MAX_TOKENS),
        "output_tokens": (usage.output_tokens, limits.MAX_TOKENS),
        "cost_micro_usd": (usage.cost_micro_usd, limits.MAX_COST_MICRO_USD),
    }
    model = text_field("step.usage.model", usage.model, max_chars=limits.MAX_MODEL_CHARS)
    return {
        "model": model,
        **{name: int_field(f"step.usage.{name}", value, 0, most) for name, (value, most) in counts.items()},
    }


def sentences_field(sentences: Sequence[str]) -> list[str]:
    """Answer sentences for people."""
    if len(sentences) > limits.MAX_SENTENCES:
        raise InvalidField("sentences", f"must be at most {limits.MAX_SENTENCES}, got {len(sentences)}")
    return [
        text_field(f"sentences[{index}]", sentence, max_chars=limits.MAX_SENTENCE_CHARS)
        for index, sentence in enumerate(sentences)
    ]


def error_field(error: insight_pb2.JobError, name: str = "error") -> FinishError:
    """Answer why an attempt ended without success."""
    return FinishError(
        reason=text_field(f"{name}.reason", error.reason, min_chars=1, max_chars=limits.MAX_REASON_CHARS),
        message=text_field(f"{name}.message", error.message, max_chars=limits.MAX_MESSAGE_CHARS),
        metadata=metadata_field(f"{name}.metadata", error.metadata),
    )


def failures_field(failures: Sequence[insight_pb2.InsightFailure]) -> dict[str, FinishError]:
    """Answer why insights could not be made, by type."""
    return {
        text_field(
            f"failures[{index}].insight_type_id", failure.insight_type_id, min_chars=1, max_chars=64
        ): error_field(failure.error, f"failures[{index}].error")
        for index, failure in enumerate(failures)
    }


def struct_field(name: str, struct: struct_pb2.Struct, *, beside_bytes: int = 0) -> CheckedStruct:
    """Answer a Struct that PostgreSQL can hold as JSON: no NaN, no infinity, no NUL, not too large.

    `beside_bytes` is what is saved beside it and counts against the same limit.
    """
    size_bytes = struct.ByteSize()
    if size_bytes + beside_bytes > limits.MAX_STRUCT_BYTES:
        problem = f"must have at most {limits.MAX_STRUCT_BYTES} bytes, got {size_bytes + beside_bytes}"
        raise InvalidField(name, problem)
    try:
        value: dict[str, Any] = json_format.MessageToDict(struct)
    except (ValueError, json_format.SerializeToJsonError) as error:
        raise InvalidField(name, f"cannot be written as JSON: {error}") from None
    if _has_nul(value):
        raise InvalidField(name, "must not contain NUL")
    return CheckedStruct(value, size_bytes)


def _has_nul(value: object) -> bool:
    """Look through values that protobuf has already bounded in depth."""
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_has_nul(part) for part in value)
