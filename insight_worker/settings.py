"""Settings of insight_worker: environment variables with the prefix ``HOLDFAST_``."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode

from servicekit.language_model import ModelSettings


def _split(value: object) -> object:
    """Take "a,b" as two modules: environment variables are written by people."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class WorkerSettings(ModelSettings):
    """What insight_worker can be told."""

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Redis that carries job messages")
    redis_timeout_s: float = Field(5.0, gt=0, description="longest wait for an answer of Redis")
    chat_port: int = Field(50052, ge=0, le=65_535, description="port of chat_service")
    chat_target: str = Field(
        "", description="where chat_service is, host:port; empty: this machine at its port"
    )
    credit_port: int = Field(50051, ge=0, le=65_535, description="port of credit_service")
    credit_target: str = Field(
        "", description="where credit_service is, host:port; empty: this machine at its port"
    )

    worker_processes: int = Field(1, ge=1, le=256, description="processes that run jobs")
    worker_threads: int = Field(4, ge=1, le=256, description="jobs that each process runs at once")
    worker_pipelines: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        ("insight_worker.pipelines.chat_insights",),
        min_length=1,
        description="modules with a PIPELINE each, separated by commas",
    )
    worker_poll_ms: int = Field(20, ge=10, le=10_000, description="longest pause between looks for a message")
    worker_start_timeout_s: float = Field(30.0, gt=0, description="longest wait for Redis at the start")

    worker_heartbeat_s: float = Field(
        5.0, gt=0, description="time between heartbeats of a job; at most a third of its lease is taken"
    )
    worker_reservation_ttl_s: int = Field(
        900, ge=1, le=86_400, description="a job's reservation is extended to this when half of it has passed"
    )
    worker_patience_s: float = Field(
        60.0, gt=0, description="longest that an attempt waits for a service that is away"
    )
    worker_stream_timeout_s: float = Field(
        120.0, gt=0, description="longest that one stream of a chat's messages may take"
    )
    worker_prompt_chars: int = Field(
        48_000, ge=2_000, le=2_000_000, description="most characters of a chat that a language model is shown"
    )
    worker_job_limit_s: float = Field(600.0, gt=0, description="longest that one attempt of a job may run")
    worker_shutdown_s: float = Field(660.0, gt=0, description="longest that the worker may take to stop")

    @model_validator(mode="after")
    def _services_on_this_machine(self) -> Self:
        self.chat_target = self.chat_target or f"127.0.0.1:{self.chat_port}"
        self.credit_target = self.credit_target or f"127.0.0.1:{self.credit_port}"
        return self

    @model_validator(mode="after")
    def _budgets_in_order(self) -> Self:
        """A limit that ends before what it limits would cut it in the middle, every time."""
        for name in ("rpc_timeout_s", "worker_patience_s", "worker_stream_timeout_s"):
            _in_order(name, getattr(self, name), "worker_job_limit_s", self.worker_job_limit_s)
        _in_order("worker_job_limit_s", self.worker_job_limit_s, "worker_shutdown_s", self.worker_shutdown_s)
        return self


def _in_order(less: str, less_s: float, more: str, more_s: float) -> None:
    if less_s >= more_s:
        raise ValueError(f"HOLDFAST_{less.upper()} must be less than HOLDFAST_{more.upper()}")
