"""What the decisions about a job read of its row, and what they change in it."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypedDict

from chat_service.catalogue.charge_mode import ChargeMode
from chat_service.jobs.states import JobState


class JobFacts(Protocol):
    """The columns that decide."""

    @property
    def state(self) -> JobState: ...
    @property
    def attempt(self) -> int: ...
    @property
    def lease_expire_time(self) -> datetime | None: ...
    @property
    def settling_attempt(self) -> int | None: ...
    @property
    def forgiven_attempts(self) -> int: ...
    @property
    def requested_count(self) -> int: ...
    @property
    def completed_ids(self) -> Sequence[str]: ...
    @property
    def price(self) -> int: ...
    @property
    def charge_mode(self) -> ChargeMode: ...
    @property
    def weights(self) -> Mapping[str, int]: ...
    @property
    def charge_amount(self) -> int | None: ...
    @property
    def start_time(self) -> datetime | None: ...
    @property
    def cancel_requested(self) -> bool: ...
    @property
    def abandoned(self) -> bool: ...
    @property
    def payment_attempt(self) -> int: ...
    @property
    def payment_retry_time(self) -> datetime | None: ...
    @property
    def finish_attempt(self) -> int | None: ...
    @property
    def erasure_id(self) -> uuid.UUID | None: ...
    @property
    def finish_outcome(self) -> JobState | None: ...


class JobChanges(TypedDict, total=False):
    """Columns and their new values."""

    state: JobState
    attempt: int
    worker_id: str
    lease_expire_time: datetime | None
    settling_attempt: int
    charge_amount: int | None
    forgiven_attempts: int
    due_time: datetime | None
    start_time: datetime
    finish_time: datetime
    cancel_requested: bool
    abandoned: bool
    reservation_id: uuid.UUID
    transaction_id: uuid.UUID
    payment_attempt: int
    payment_retry_time: datetime | None
    finish_attempt: int
    finish_outcome: JobState
