"""What credit_service can be told, beside what every process can (`servicekit.settings`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

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

    stripe_secret_key: SecretStr = Field(SecretStr(""), description="Stripe's secret key; empty: not offered")
    stripe_webhook_secret: SecretStr = Field(
        SecretStr(""),
        description="signs Stripe's webhooks (whsec_…); while it is changed both, with a comma",
    )
    stripe_webhook_tolerance_s: int = Field(
        300, ge=1, le=3_600, description="age at which a signature of Stripe's is refused"
    )
    stripe_success_url: str = Field(
        "", description="where Stripe sends a payer who has paid; {ORDER_ID} becomes the order's id"
    )
    stripe_cancel_url: str = Field("", description="where Stripe sends a payer who went back; likewise")
    stripe_base_url: str = Field("https://api.stripe.com", min_length=1, description="Stripe's API")
    razorpay_key_id: str = Field("", description="Razorpay's key id, which apps see; empty: not offered")
    razorpay_key_secret: SecretStr = Field(SecretStr(""), description="its secret")
    razorpay_webhook_secret: SecretStr = Field(
        SecretStr(""), description="signs Razorpay's webhooks; after a change new and old, with a comma"
    )
    razorpay_base_url: str = Field("https://api.razorpay.com", min_length=1, description="Razorpay's API")
    payment_test_provider: bool = Field(
        False, description="offer TEST orders, which a command pays; development only"
    )
    payment_provider_timeout_s: float = Field(
        8.0, gt=0, description="longest that one call to a payment provider may take"
    )
    payment_max_unpaid_orders: int = Field(
        20, ge=1, description="unpaid orders that a user may make in an hour"
    )
    payment_webhook_poll_s: float = Field(
        2.0, gt=0, description="time between looks for webhooks that could not be handled when they came"
    )
    payment_webhook_retention_days: float = Field(
        90.0, gt=0, description="how long the bodies of webhooks are kept; their ids stay"
    )

    def secrets(self, name: str) -> Sequence[str]:
        """Answer the secrets of a setting that may hold several, divided by commas."""
        given: SecretStr = getattr(self, name)
        return [part for part in (piece.strip() for piece in given.get_secret_value().split(",")) if part]

    @model_validator(mode="after")
    def _providers_are_whole(self) -> Self:
        """An order that could be paid and never be heard of again is worse than none."""
        stripe = ("stripe_webhook_secret", "stripe_success_url", "stripe_cancel_url")
        self._whole("stripe_secret_key", stripe)
        self._whole("razorpay_key_id", ("razorpay_key_secret", "razorpay_webhook_secret"))
        if self.payment_test_provider and self.environment == "production":
            raise ValueError("HOLDFAST_PAYMENT_TEST_PROVIDER gives coins away: not in production")
        return self

    def _whole(self, key: str, others: Sequence[str]) -> None:
        missing = [name for name in others if not self._is_set(name)]
        if self._is_set(key) and missing:
            names = ", ".join(f"HOLDFAST_{name.upper()}" for name in missing)
            raise ValueError(f"HOLDFAST_{key.upper()} needs {names}")

    def _is_set(self, name: str) -> bool:
        given = getattr(self, name)
        text: str = given.get_secret_value() if isinstance(given, SecretStr) else given
        return bool(text.strip(" ,"))


class OperatorSettings(KitSettings):
    """What the operator's commands need: they go through the running service, not to its database."""

    credit_port: int = Field(50051, ge=1, le=65_535, description="port of credit_service")
