"""What happens to a job: decisions over the locked row, pure.

No I/O, no clock, no randomness: the database's time, read after the lock, is passed in. Each function answers
the columns that change, or None where nothing may happen, or raises the error that the caller is to see.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from chat_service.jobs.charging import amount_to_charge
from chat_service.jobs.facts import JobChanges, JobFacts
from chat_service.jobs.retries import PaymentRetries
from chat_service.jobs.states import LEASED, OUTCOMES, TERMINAL, JobState
from servicekit.errors import InvalidField

#: How chat_service names itself where it holds a lease, to give back the coins of a cancelled job.
OWN_WORKER_ID = "chat_service"


def lease_held(job: JobFacts, now: datetime) -> bool:
    """Whether a worker's lease still holds; at its expire_time it does not."""
    return job.lease_expire_time is not None and job.lease_expire_time > now


def claim(job: JobFacts, now: datetime, lease: timedelta, worker_id: str) -> JobChanges | None:
    """Give the next attempt to a worker, or None: another one holds the job, or it is not its time."""
    if not _claimable(job, now):
        return None
    changes = _lease(job, now, lease, worker_id)
    if job.state is JobState.QUEUED:
        changes["state"] = JobState.RUNNING
    if job.start_time is None:
        changes["start_time"] = now
    return changes


def _claimable(job: JobFacts, now: datetime) -> bool:
    if job.state is JobState.QUEUED:
        return True
    if job.state not in LEASED or lease_held(job, now):
        return False
    if job.state is not JobState.PAYMENT_FAILED:
        return True
    # A payment begins with a Reserve in the name of the user, whose id may stand for somebody else by now.
    if job.erasure_id is not None:
        return False
    return job.payment_retry_time is not None and job.payment_retry_time <= now


def _lease(job: JobFacts, now: datetime, lease: timedelta, worker_id: str) -> JobChanges:
    return JobChanges(attempt=job.attempt + 1, worker_id=worker_id, **renew(now, lease))


def renew(now: datetime, lease: timedelta) -> JobChanges:
    """Move the end of the lease; the dispatcher looks at the job when it has run out."""
    return JobChanges(lease_expire_time=now + lease, due_time=now + lease)


def give_up(job: JobFacts, now: datetime, redispatch: timedelta, *, draining: bool) -> JobChanges:
    """End the lease now, and let the dispatcher look again later: the caller sends a message at once.

    The attempt stays the current one until another one is claimed, so its last writes still count. That a
    worker was told to stop says nothing against the job: such an attempt is forgiven, once, while its lease
    holds.
    """
    changes = JobChanges(lease_expire_time=now, due_time=now + redispatch)
    if draining and lease_held(job, now):
        changes["forgiven_attempts"] = min(job.forgiven_attempts + 1, job.attempt)
    return changes


def forgive_all(job: JobFacts) -> JobChanges:
    """Count the attempts anew: this one has brought the job further than any before it."""
    return JobChanges(forgiven_attempts=job.attempt)


def exhausted(job: JobFacts, max_attempts: int) -> bool:
    """Whether the present attempt is one too many to do the work in.

    When all was made, or the rest was given up, what counts is the attempt that began to settle: settling is
    retried for as long as credit_service is away. Otherwise every attempt makes again what is missing, and
    counts.
    """
    if job.state is JobState.PAYMENT_FAILED:
        return False
    made = len(job.completed_ids) >= job.requested_count or job.charge_amount is not None
    last = job.settling_attempt if made and job.settling_attempt else job.attempt
    return last - job.forgiven_attempts > max_attempts


def to_be_dropped(job: JobFacts) -> bool:
    """Whether the attempt that claims the job now has nothing to do but to give its coins back.

    Its subject may have been deleted while an earlier attempt settled. Whether that one has charged already
    is found out by the release: of a charge and a release of one reservation credit_service does one.
    """
    return job.cancel_requested or job.abandoned


def to_be_made(job: JobFacts) -> bool:
    """Whether the attempt that claims the job now may still have something to make."""
    return not to_be_dropped(job) and job.payment_attempt == 0 and job.charge_amount is None


def holds(job: JobFacts, attempt: int) -> bool:
    """Whether the attempt is the current one and has not ended.

    A lease that ran out while nobody claimed the job is as good as one that holds: there is no other attempt
    whose writes could be harmed.
    """
    return job.state in LEASED and job.attempt == attempt and job.lease_expire_time is not None


def begin_settling(job: JobFacts) -> JobChanges:
    """Say that the work has ended, and what is charged. From here on the job cannot be cancelled."""
    if job.state is not JobState.RUNNING:
        return JobChanges()
    return JobChanges(
        state=JobState.SETTLING, settling_attempt=job.attempt, charge_amount=amount_to_charge(job)
    )


def reserved(
    job: JobFacts, reservation_id: uuid.UUID, now: datetime, lease: timedelta, redispatch: timedelta
) -> JobChanges:
    """Give a RESERVING job its reservation: it waits for a worker.

    A job that was cancelled meanwhile goes to SETTLING, held by chat_service, which gives the coins
    back. The due time lies ahead, because the caller sends the message at once.
    """
    if job.cancel_requested:
        return JobChanges(reservation_id=reservation_id, **take_over(job, now, lease))
    return JobChanges(state=JobState.QUEUED, reservation_id=reservation_id, due_time=now + redispatch)


def rejected(now: datetime) -> JobChanges:
    """End a RESERVING job that will get no coins."""
    return _end(JobState.REJECTED, now)


def take_over(job: JobFacts, now: datetime, lease: timedelta) -> JobChanges:
    """Make chat_service the holder of a cancelled job, to give its coins back."""
    return JobChanges(
        state=JobState.SETTLING,
        settling_attempt=job.attempt + 1,
        cancel_requested=True,
        **_lease(job, now, lease, OWN_WORKER_ID),
    )


class CancelDecision(Enum):
    """What CancelJob does."""

    #: It is cancelled, or asked to be: answer with it.
    ALREADY = "already"
    #: A worker holds it or its coins are not reserved yet: note the wish.
    ASK = "ask"
    #: Nobody holds it: take it over and give the coins back.
    TAKE_OVER = "take over"
    #: Too late.
    REFUSE = "refuse"


def decide_cancel(job: JobFacts, now: datetime) -> CancelDecision:
    """Decide about a cancel as of now."""
    if job.state is JobState.RUNNING and not lease_held(job, now):
        return CancelDecision.TAKE_OVER
    if job.state is JobState.CANCELLED or (job.cancel_requested and job.state not in TERMINAL):
        return CancelDecision.ALREADY
    if job.state is JobState.QUEUED:
        return CancelDecision.TAKE_OVER
    if job.state in (JobState.RESERVING, JobState.RUNNING):
        return CancelDecision.ASK
    return CancelDecision.REFUSE


def cancel_subject_gone(job: JobFacts, now: datetime, lease: timedelta) -> JobChanges | None:
    """Cancel because what the job is about was deleted; None where it has ended or is being cancelled.

    A settlement in flight is not disturbed, since the coins may be charged already; but when its worker dies
    the next one drops the job, and a payment that fails after this is not tried again.
    """
    decision = decide_cancel(job, now)
    if decision is CancelDecision.TAKE_OVER:
        return take_over(job, now, lease)
    if decision is CancelDecision.ASK:
        return JobChanges(cancel_requested=True)
    if decision is CancelDecision.ALREADY or job.state in TERMINAL:
        return None
    if job.state is JobState.PAYMENT_FAILED and job.lease_expire_time is None:
        return JobChanges(abandoned=True, worker_id=OWN_WORKER_ID, **_end(JobState.CANCELLED, now))
    return JobChanges(abandoned=True)


def end_erased(job: JobFacts, now: datetime, lease: timedelta) -> JobChanges | None:
    """End a job of an erased user, whose account is closed; None while a lease holds, and when it has ended.

    Of the reservation of a job that is taken over it is still to be found out whether it was charged before
    the account was closed. Without one, and where only a later payment was missing, nothing can be any more.
    """
    if job.state in TERMINAL or lease_held(job, now):
        return None
    if job.state is JobState.RESERVING:
        return rejected(now)
    if job.state is JobState.PAYMENT_FAILED:
        return JobChanges(abandoned=True, worker_id=OWN_WORKER_ID, **_end(JobState.CANCELLED, now))
    return take_over(job, now, lease)


@dataclass(frozen=True, slots=True)
class Finish:
    """How a worker says that its attempt ended."""

    attempt: int
    outcome: JobState
    transaction_id: uuid.UUID | None = None


def finished_before(job: JobFacts, finish: Finish) -> bool:
    """Whether this attempt has ended with this outcome already: a repeated call."""
    return (job.finish_attempt, job.finish_outcome) == (finish.attempt, finish.outcome)


def finish(job: JobFacts, finish: Finish, now: datetime, retries: PaymentRetries) -> JobChanges:
    """End the attempt, whose lease the caller has checked. Raises `InvalidField`."""
    check_outcome(job, finish)
    state = finish.outcome
    if state is JobState.PAYMENT_FAILED and job.abandoned:
        state = JobState.CANCELLED
    changes = JobChanges(finish_attempt=finish.attempt, finish_outcome=finish.outcome, **_end(state, now))
    if finish.transaction_id is not None:
        changes["transaction_id"] = finish.transaction_id
    if finish.outcome is JobState.PAYMENT_FAILED:
        changes["payment_attempt"] = job.payment_attempt + 1
    if state is JobState.PAYMENT_FAILED:
        again = retries.next_time(now, job.payment_attempt + 1)
        changes["payment_retry_time"] = changes["due_time"] = again
    return changes


def _end(state: JobState, now: datetime) -> JobChanges:
    changes = JobChanges(state=state, lease_expire_time=None, due_time=None, payment_retry_time=None)
    if state in TERMINAL:
        changes["finish_time"] = now
    return changes


def check_outcome(job: JobFacts, finish: Finish) -> None:
    """Refuse an outcome that this job cannot have, with `InvalidField`."""
    if finish.outcome not in OUTCOMES:
        raise InvalidField("outcome", f"must be one of {_names(sorted(OUTCOMES))}, got {finish.outcome}")
    possible = possible_outcomes(job)
    if finish.outcome not in possible:
        raise InvalidField(
            "outcome", f"of this job in state {job.state} must be {_names(possible)}, got {finish.outcome}"
        )
    if (finish.outcome is JobState.COMPLETED) != (finish.transaction_id is not None):
        problem = "is required for COMPLETED" if finish.transaction_id is None else "is for COMPLETED only"
        raise InvalidField("transaction_id", problem)


def possible_outcomes(job: JobFacts) -> Sequence[JobState]:
    """Answer how the present attempt may end.

    Coins may be charged only after settling began without a cancel: that is the moment in which cancel and
    charge are decided against each other. A cancelled job that was charged all the same is COMPLETED,
    so that nobody pays for what stays hidden.
    """
    if job.state is JobState.PAYMENT_FAILED:
        return [JobState.COMPLETED, JobState.PAYMENT_FAILED]
    if job.state is JobState.SETTLING and job.charge_amount == 0:
        return [JobState.FAILED, JobState.CANCELLED] if _may_be_cancelled(job) else [JobState.FAILED]
    if job.state is JobState.SETTLING:
        return [JobState.COMPLETED, JobState.FAILED, *_without_charge(job)]
    return [JobState.FAILED, JobState.CANCELLED] if job.cancel_requested else [JobState.FAILED]


def _may_be_cancelled(job: JobFacts) -> bool:
    return job.cancel_requested or job.abandoned


def _without_charge(job: JobFacts) -> Sequence[JobState]:
    """Answer how a settlement may end without a charge.

    An abandoned job has both: the attempt that was settling when its subject was deleted does not know of it.
    """
    if job.cancel_requested:
        return [JobState.CANCELLED]
    return [JobState.PAYMENT_FAILED, JobState.CANCELLED] if job.abandoned else [JobState.PAYMENT_FAILED]


def _names(states: Sequence[JobState]) -> str:
    return ", ".join(states)
