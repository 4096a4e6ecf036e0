"""Settings of chat_service: environment variables with the prefix ``HOLDFAST_``."""

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from servicekit.language_model import ModelSettings

#: The catalogue that comes with the service.
DEFAULT_CATALOGUE = Path(__file__).parent / "catalogue" / "catalogue.toml"


class ChatSettings(ModelSettings):
    """What chat_service can be told."""

    chat_port: int = Field(50052, ge=0, le=65_535, description="port of chat_service; 0 takes a free one")
    chat_database_url: str = Field(description="PostgreSQL of chat_service: postgresql://…")
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Redis that carries job messages")
    credit_port: int = Field(50051, ge=0, le=65_535, description="port of credit_service")
    credit_target: str = Field(
        "", description="where credit_service is, host:port; empty: this machine at its port"
    )

    chat_catalogue_file: Path = Field(DEFAULT_CATALOGUE, description="what is on sale (TOML)")
    chat_signup_bonus: int = Field(50, ge=0, le=10**12, description="coins at the first login; 0: none")

    chat_bonus_memory_days: float = Field(
        365.0,
        ge=0,
        description="days for which a deleted user who comes back gets no second bonus; 0: at once",
    )
    user_retention_days: float = Field(
        30.0, ge=0, description="days after which what is left of a deleted user is removed for good"
    )
    erasure_poll_s: float = Field(1.0, gt=0, description="time between looks for erasures that are due")

    chat_retention_days: float = Field(
        30.0, ge=0, description="days in which a deleted chat can be brought back"
    )
    chat_purge_interval_s: float = Field(600.0, gt=0, description="time between looks for chats to purge")

    import_max_bytes: int = Field(64 << 20, gt=0, description="largest file that can be imported")
    import_max_messages: int = Field(1_000_000, gt=0, description="most messages in a file")
    import_max_message_chars: int = Field(
        262_144, gt=0, le=262_144, description="longest line and longest message of a file"
    )
    import_zip_max_entries: int = Field(
        20_000, gt=0, le=100_000, description="most entries of a ZIP archive that is imported"
    )
    import_zip_max_unpacked_bytes: int = Field(
        256 << 20, gt=0, description="most bytes that the entries of a ZIP archive may unpack to together"
    )
    import_zip_max_ratio: int = Field(
        250, gt=0, description="most times that an entry of a ZIP archive may be larger than packed"
    )
    import_max_concurrent: int = Field(32, gt=0, description="uploads at once; more are RATE_LIMITED")
    import_workers: int = Field(2, gt=0, description="uploads that are read and stored at once; others wait")
    import_idle_timeout_s: float = Field(30.0, gt=0, description="longest pause between two chunks")
    import_upload_timeout_s: float = Field(600.0, gt=0, description="longest that one upload may take")
    import_store_timeout_s: float = Field(120.0, gt=0, description="longest that storing one file may take")
    import_spool_dir: Path | None = Field(
        None,
        description="where uploads wait to be read, and long threads of Messenger to be turned around; "
        "empty: the system's directory for temporary files",
    )

    job_lease_s: float = Field(30.0, gt=0, description="how long a worker's lease lasts without a renewal")
    job_max_attempts: int = Field(5, gt=0, description="attempts to do a job's work; then it fails")
    job_reservation_ttl_s: int = Field(
        900, ge=1, le=86_400, description="how long a job's coins stay reserved without a heartbeat"
    )
    job_credit_timeout_s: float = Field(
        3.0, gt=0, description="deadline of a call to credit_service for a job"
    )
    job_reserve_retry_s: float = Field(
        60.0, gt=0, description="time after which a reservation that got no answer is asked for again"
    )
    job_poll_s: float = Field(1.0, gt=0, description="time between looks for jobs that are due")
    job_redispatch_s: float = Field(
        30.0, gt=0, description="time after which a message that no worker took counts as lost"
    )
    job_dispatch_batch: int = Field(100, gt=0, le=1_000, description="jobs sent to workers at once")
    job_queue_timeout_s: float = Field(5.0, gt=0, description="longest that Redis may take for one command")
    job_queue_max_backoff_s: float = Field(10.0, gt=0, description="longest pause while Redis is away")
    job_watch_poll_s: float = Field(
        1.0, gt=0, description="time between looks for changes that other copies made to watched jobs"
    )
    purchase_watch_lease_s: float = Field(
        15.0, gt=0, description="time after which another copy hears of purchases when one has died"
    )
    payment_retry_first_s: float = Field(300.0, gt=0, description="pause before the first payment retry")
    payment_retry_factor: float = Field(2.0, ge=1, le=100, description="growth of the pauses after it")
    payment_retry_max_tries: int = Field(8, ge=0, description="payment retries; then nobody tries again")

    embedding_base_url: str = Field(
        "", description="OpenAI-compatible endpoint for embeddings; empty: the model that comes along"
    )
    embedding_model: str = Field("", max_length=128, description="its embedding model")
    embedding_api_key: str = Field("", repr=False, description="its key; empty: the endpoint wants none")
    embedding_dimensions: int = Field(
        0, ge=0, le=3_072, description="numbers in a vector, for models that can be asked; 0: the model's own"
    )
    embedding_timeout_s: float = Field(30.0, gt=0, le=600, description="longest pause in one try of a call")
    embedding_max_retries: int = Field(2, ge=0, le=10, description="tries after the first of a call")
    embedding_threads: int = Field(2, ge=1, le=64, description="threads of the model that comes along")
    embedding_idle_s: float = Field(
        60.0, gt=0, description="time without work after which the process of that model ends"
    )
    index_at_unlock: bool = Field(
        False, description="make a chat's index when insights are ordered, not only at the first question"
    )
    index_poll_s: float = Field(1.0, gt=0, description="time between looks for indexes to make")
    index_lease_s: float = Field(
        120.0, gt=0, description="time after which the index of a copy that died is taken over"
    )
    index_retry_s: float = Field(5.0, gt=0, description="pause after a try that failed; it doubles")
    index_max_tries: int = Field(5, gt=0, description="failed tries in a row; then the index is FAILED")
    ask_price: int = Field(0, ge=0, le=10**12, description="coins that a question costs; 0: none")
    ask_timeout_s: float = Field(
        180.0, gt=0, le=3_600, description="longest that a question may take, with the wait for the index"
    )
    ask_index_wait_s: float = Field(60.0, ge=0, description="longest that a question waits for the index")
    ask_max_concurrent: int = Field(64, gt=0, description="questions at once; more are RATE_LIMITED")
    ask_history_turns: int = Field(
        4, ge=0, le=50, description="earlier turns of a conversation that the model is given"
    )

    @model_validator(mode="after")
    def _embedding_model_has_a_name(self) -> Self:
        if self.embedding_base_url and not self.embedding_model:
            raise ValueError("HOLDFAST_EMBEDDING_MODEL must be set with HOLDFAST_EMBEDDING_BASE_URL")
        return self

    @model_validator(mode="after")
    def _credit_on_this_machine(self) -> Self:
        if not self.credit_target:
            self.credit_target = f"127.0.0.1:{self.credit_port}"
        return self

    @property
    def user_retention(self) -> timedelta:
        """How long what is left of a deleted user is kept, hidden."""
        return timedelta(days=self.user_retention_days)

    @property
    def bonus_memory(self) -> timedelta:
        """How long it is remembered that somebody has had a sign-up bonus."""
        return timedelta(days=self.chat_bonus_memory_days)

    @property
    def retention(self) -> timedelta:
        """How long a deleted chat can be brought back."""
        return timedelta(days=self.chat_retention_days)
