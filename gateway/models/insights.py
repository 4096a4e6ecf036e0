"""Orders, the jobs that do them, and what they make."""

from typing import Any

from pydantic import BaseModel, Field

from gateway.models.base import CHAT_ID, JOB_ID, Text, Time, example, length


class UnlockRequest(BaseModel):
    """An order."""

    model_config = example(chat_id=CHAT_ID, category_id="romantic")

    chat_id: Text = Field(description="UUID of a chat of the user", json_schema_extra={"format": "uuid"})
    category_id: Text = Field(json_schema_extra=length(1, 64))


class Progress(BaseModel):
    """How far a job is."""

    stage_index: int = Field(description="stages done")
    stage_count: int = Field(description="stages in all; 0 before it is known")
    stage_name: str
    percent: int = Field(ge=0, le=100)


class Totals(BaseModel):
    """Results of a job."""

    requested: int
    completed: int
    failed: int


class JobError(BaseModel):
    """Why a job did not succeed."""

    code: str
    message: str
    details: dict[str, str]


class InsightFailure(BaseModel):
    """An insight that could not be made."""

    insight_type_id: str
    error: JobError


class Job(BaseModel):
    """A piece of ordered work."""

    model_config = example(
        job_id=JOB_ID,
        kind="chat_insights",
        state="RUNNING",
        chat_id=CHAT_ID,
        category_id="romantic",
        insight_type_ids=["message_balance", "response_times"],
        price=400,
        charge_mode="ALL_OR_NOTHING",
        charge_amount=None,
        progress={
            "stage_index": 3,
            "stage_count": 6,
            "stage_name": "Following the conversation",
            "percent": 50,
        },
        totals={"requested": 2, "completed": 1, "failed": 0},
        reservation_id="0197a3c4-20b1-7a1b-bc0d-6e5f4a3b2c1d",
        transaction_id=None,
        error=None,
        failures=[],
        attempt=1,
        cancel_requested=False,
        payment_retry_time=None,
        create_time="2026-03-01T09:31:10Z",
        update_time="2026-03-01T09:31:11Z",
        start_time="2026-03-01T09:31:10.050Z",
        finish_time=None,
    )

    job_id: str
    kind: str
    state: str = Field(
        description="RESERVING, QUEUED, RUNNING, SETTLING, COMPLETED, FAILED, CANCELLED, REJECTED or "
        "PAYMENT_FAILED"
    )
    chat_id: str = Field(description="the chat that it is about")
    category_id: str | None
    insight_type_ids: list[str]
    price: int = Field(description="coins that it costs, at most")
    charge_mode: str = Field(description="ALL_OR_NOTHING or WHAT_SUCCEEDED: what a partial success costs")
    charge_amount: int | None = Field(description="coins that were charged, or are to be; null before")
    progress: Progress
    totals: Totals
    reservation_id: str | None = Field(description="what holds its coins; null before there is one")
    transaction_id: str | None = Field(description="what charged its coins; null before")
    error: JobError | None
    failures: list[InsightFailure] = Field(description="what could not be made, where the rest is charged")
    attempt: int = Field(description="how often a worker took it")
    cancel_requested: bool
    payment_retry_time: Time | None = Field(description="when a failed payment is tried again")
    create_time: Time | None
    update_time: Time | None
    start_time: Time | None
    finish_time: Time | None


class Insight(BaseModel):
    """One insight about one chat."""

    model_config = example(
        insight_id="0197a3c5-4b2a-7e11-8c9d-0a1b2c3d4e5f",
        type="message_balance",
        title="Who writes how much",
        description="Messages and words of each person",
        chart="bars",
        data={"bars": [{"label": "Alice", "value": 1204}, {"label": "Bob", "value": 998}]},
        sentences=["Alice writes a little more than Bob."],
        job_id=JOB_ID,
        create_time="2026-03-01T09:31:11Z",
        update_time="2026-03-01T09:31:11Z",
    )

    insight_id: str
    type: str = Field(description="the insight type's id")
    title: str
    description: str
    chart: str = Field(description="how the data wants to be drawn")
    data: dict[str, Any]
    sentences: list[str] = Field(description="for people")
    job_id: str
    create_time: Time | None
    update_time: Time | None


class ChatInsights(BaseModel):
    """The unlocked insights of a chat, in the catalogue's order."""

    chat_id: str
    insights: list[Insight]
