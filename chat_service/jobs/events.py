"""What became of jobs and their coins, as business records: written once, after the commit."""

from chat_service.jobs.models import Job
from chat_service.jobs.states import JobState
from servicekit.logs import business_event

_EVENTS = {
    JobState.REJECTED: "job_rejected",
    JobState.COMPLETED: "job_completed",
    JobState.FAILED: "job_failed",
    JobState.CANCELLED: "job_cancelled",
    JobState.PAYMENT_FAILED: "payment_failed",
}


def ordered(job: Job) -> None:
    """Record a new order."""
    business_event(
        "job_ordered",
        **_who(job),
        subject_id=job.subject_id,
        category_id=job.category_id,
        price=job.price,
        requested=job.requested_count,
    )


def ended(job: Job) -> None:
    """Record that a job ended, or that its payment failed; nothing for a job in any other state."""
    event = _EVENTS.get(job.state)
    if event is None:
        return
    business_event(
        event,
        **_who(job),
        price=job.price,
        charge_amount=job.charge_amount,
        input_tokens=job.input_tokens,
        output_tokens=job.output_tokens,
        cost_micro_usd=job.cost_micro_usd,
        attempt=job.attempt,
        requested=job.requested_count,
        completed=len(job.completed_ids),
        failed=job.failed_count,
        reservation_id=_text(job.reservation_id),
        transaction_id=_text(job.transaction_id),
        reason=job.error_reason,
        payment_attempt=job.payment_attempt,
        payment_retry_time=_text(job.payment_retry_time),
    )


def _who(job: Job) -> dict[str, str]:
    return {"user_id": job.user_id, "job_id": str(job.job_id), "kind": job.kind}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
