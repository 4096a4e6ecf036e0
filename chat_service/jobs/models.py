"""The tables of jobs and their finished steps. The user id is in every key: they can be distributed by it."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Double,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    String,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chat_service.base import Base
from chat_service.catalogue.charge_mode import ChargeMode
from chat_service.catalogue.models import CHARGE_MODE
from chat_service.jobs.constraints import ACTIVE, JOB_CHECKS
from chat_service.jobs.states import JobState

#: Text with the state's name; the CHECK is among the table's own.
_STATE = Enum(JobState, native_enum=False, length=16, create_constraint=False)


class Job(Base):
    """A piece of ordered work. The row is its own outbox: `due_time` says when the dispatcher looks at it."""

    __tablename__ = "jobs"
    __table_args__ = (
        # A repeated order finds the job of the first one, but not that of an erased user.
        Index(
            "uq_jobs_user_id_request_id",
            "user_id",
            "request_id",
            unique=True,
            postgresql_where=text("erasure_id IS NULL"),
        ),
        Index("ix_jobs_erasure_id", "erasure_id", postgresql_where=text("erasure_id IS NOT NULL")),
        *(CheckConstraint(condition, name=name) for name, condition in JOB_CHECKS.items()),
        # JobRunnerService knows a job by its id alone.
        Index("ix_jobs_job_id", "job_id"),
        # Two orders at once, under different request ids, cannot both buy.
        Index(
            "uq_jobs_active",
            "subject_id",
            "category_id",
            "user_id",
            unique=True,
            postgresql_where=text(ACTIVE),
        ),
        # What goes with a deleted chat.
        Index("ix_jobs_subject_id", "subject_id"),
        Index("ix_jobs_newest_first", "user_id", text("create_time DESC"), text("job_id DESC")),
        Index("ix_jobs_due", "due_time", postgresql_where=text("due_time IS NOT NULL")),
    )

    user_id: Mapped[str] = mapped_column(String(128), ForeignKey("users.user_id"), primary_key=True)
    job_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    request_id: Mapped[uuid.UUID]
    #: Which pipeline does it.
    kind: Mapped[str] = mapped_column(String(64))
    #: What it is about; for chat_insights the chat_id.
    subject_id: Mapped[str] = mapped_column(String(128))
    #: What was bought.
    category_id: Mapped[str] = mapped_column(String(64))
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[JobState] = mapped_column(_STATE, default=JobState.RESERVING)
    price: Mapped[int] = mapped_column(BigInteger)
    charge_mode: Mapped[ChargeMode] = mapped_column(CHARGE_MODE, default=ChargeMode.ALL_OR_NOTHING)
    #: The prices of the ordered types at the time of the order: the price is divided by them.
    weights: Mapped[dict[str, int]] = mapped_column(JSONB, default=dict)
    #: What is charged of the price, fixed when settling begins; None: all or nothing, or not known yet.
    charge_amount: Mapped[int | None] = mapped_column(BigInteger, default=None)

    stage_index: Mapped[int] = mapped_column(default=0)
    stage_count: Mapped[int] = mapped_column(default=0)
    stage_name: Mapped[str] = mapped_column(String(128), default="")
    percent: Mapped[int] = mapped_column(default=0)
    requested_count: Mapped[int]
    #: The results that were made, by name: saving one again counts once.
    completed_ids: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    failed_count: Mapped[int] = mapped_column(default=0)
    #: Which results could not be made, and why, where the others are charged.
    failures: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    step_count: Mapped[int] = mapped_column(default=0)
    step_bytes: Mapped[int] = mapped_column(default=0)
    #: What a language model took for all steps together; stays when the steps are purged.
    input_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    output_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    cost_micro_usd: Mapped[int] = mapped_column(BigInteger, default=0)

    reservation_id: Mapped[uuid.UUID | None] = mapped_column(default=None)
    transaction_id: Mapped[uuid.UUID | None] = mapped_column(default=None)
    #: What was asked for when reserving: every try must send the same, also after the setting has changed.
    reservation_ttl_s: Mapped[int]
    error_reason: Mapped[str | None] = mapped_column(String(64), default=None)
    error_message: Mapped[str | None] = mapped_column(Text, default=None)
    error_metadata: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True), default=None)

    #: The fencing token: grows with every claim.
    attempt: Mapped[int] = mapped_column(default=0)
    worker_id: Mapped[str] = mapped_column(String(128), default="")
    #: Until when the attempt holds; None while there is none.
    lease_expire_time: Mapped[datetime | None] = mapped_column(default=None)
    #: The attempt that began to settle.
    settling_attempt: Mapped[int | None] = mapped_column(default=None)
    #: How many attempts, the first ones, do not count against the most that a job may have.
    forgiven_attempts: Mapped[int] = mapped_column(default=0)
    #: The last attempt that ended, and how it said so: a repeated FinishJob is known by them.
    finish_attempt: Mapped[int | None] = mapped_column(default=None)
    finish_outcome: Mapped[JobState | None] = mapped_column(_STATE, default=None)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    #: Its subject was deleted when it could no longer be cancelled: a failed payment is not tried again.
    abandoned: Mapped[bool] = mapped_column(default=False)
    #: Payments that failed.
    payment_attempt: Mapped[int] = mapped_column(default=0)
    payment_retry_time: Mapped[datetime | None] = mapped_column(default=None)

    #: The erasure of its user: nobody sees it any more, and nothing is reserved for it.
    erasure_id: Mapped[uuid.UUID | None] = mapped_column(default=None)
    #: When somebody has to look at it next: to reserve, to send it to a worker, or because a lease ran out.
    due_time: Mapped[datetime | None]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]
    #: When a worker first claimed it.
    start_time: Mapped[datetime | None] = mapped_column(default=None)
    finish_time: Mapped[datetime | None] = mapped_column(default=None)


class JobStep(Base):
    """A finished step: the first result saved under its name stays."""

    __tablename__ = "job_steps"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "job_id"], ["jobs.user_id", "jobs.job_id"], ondelete="CASCADE"),
    )

    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    job_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    #: Grows in the order in which a job's steps were saved: they are saved under its lock.
    save_order: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    result: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: The attempt that did it.
    attempt: Mapped[int]
    duration_ms: Mapped[float] = mapped_column(Double)
    #: The language model that was asked; empty: none.
    model: Mapped[str] = mapped_column(String(128), default="")
    input_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    output_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Millionths of a US dollar.
    cost_micro_usd: Mapped[int] = mapped_column(BigInteger, default=0)
    create_time: Mapped[datetime]
