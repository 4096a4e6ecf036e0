"""What credit_service can be told, beside what every process can (`servicekit.settings`)."""

from pathlib import Path

from pydantic import Field

from credit_service.packages import DEFAULT_FILE
from servicekit.settings import KitSettings


class CreditSettings(KitSettings):
    """Settings of credit_service."""

    credit_port: int = Field(50051, ge=0, le=65_535, description="port of credit_service; 0 takes a free one")
    credit_database_url: str = Field(description="the database `credit`: postgresql://...")
    credit_packages_file: Path = Field(DEFAULT_FILE, description="the coin packages on sale (TOML)")
    credit_batches_in_flight: int = Field(
        2,
        ge=0,
        le=16,
        description="commits at once that waiting operations share; 0 gives each its own commit",
    )
    credit_batch_max_operations: int = Field(
        1_000, ge=1, le=8_190, description="operations that one shared commit takes"
    )
    credit_waiting_max_operations: int = Field(
        10_000, ge=1, description="operations that wait at once; more are RATE_LIMITED"
    )
    credit_sweep_interval_s: float = Field(
        5.0, ge=0, description="how often expired reservations are written down; 0 never: no answer changes"
    )
    credit_sweep_batch: int = Field(500, ge=1, le=10_000, description="reservations that one sweep expires")
    credit_watch_poll_s: float = Field(
        0.5, gt=0, description="time between looks for events that other copies committed"
    )
    redis_url: str = Field("", description="Redis that events are published to; empty: none are published")
    credit_event_stream: str = Field(
        "holdfast:credit:events", min_length=1, description="the Redis stream that events are published to"
    )
    credit_event_stream_max_length: int = Field(
        1_000_000, ge=1_000, description="about how many events the stream keeps; 250 bytes each"
    )


class OperatorSettings(KitSettings):
    """What the operator's commands need: they go through the running service, not to its database."""

    credit_port: int = Field(50051, ge=1, le=65_535, description="port of credit_service")
