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
    credit_sweep_interval_s: float = Field(
        5.0, ge=0, description="how often expired reservations are written down; 0 never: no answer changes"
    )
    credit_sweep_batch: int = Field(500, ge=1, le=10_000, description="reservations that one sweep expires")


class OperatorSettings(KitSettings):
    """What the operator's commands need: they go through the running service, not to its database."""

    credit_port: int = Field(50051, ge=1, le=65_535, description="port of credit_service")
