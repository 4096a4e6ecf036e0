"""The life of a job: its states and the ways between them. Pure.

The database holds the same table as a trigger; `tests/chat_service/jobs/test_states.py` compares the two.
"""

from collections.abc import Mapping
from enum import StrEnum


class JobState(StrEnum):
    """Where in its life a job is; named like insight.v1.JobState."""

    RESERVING = "RESERVING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SETTLING = "SETTLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    PAYMENT_FAILED = "PAYMENT_FAILED"


#: Every way there is. What is not listed does not happen; a state may stay as it is, until it is terminal.
TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    # SETTLING: it was cancelled while its coins were being reserved, and now they have to go back.
    JobState.RESERVING: frozenset({JobState.QUEUED, JobState.REJECTED, JobState.SETTLING}),
    # SETTLING: it was cancelled before a worker came.
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.SETTLING}),
    # FAILED and CANCELLED only release coins, so they need not say first that settling begins.
    JobState.RUNNING: frozenset({JobState.SETTLING, JobState.FAILED, JobState.CANCELLED}),
    JobState.SETTLING: frozenset(
        {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.PAYMENT_FAILED}
    ),
    # CANCELLED: its chat was deleted, so nobody is to pay for what nobody can see.
    JobState.PAYMENT_FAILED: frozenset({JobState.COMPLETED, JobState.CANCELLED}),
    JobState.COMPLETED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.REJECTED: frozenset(),
}

#: States that nothing leaves.
TERMINAL = frozenset(state for state, after in TRANSITIONS.items() if not after)

#: States in which a worker may hold a lease.
LEASED = frozenset({JobState.RUNNING, JobState.SETTLING, JobState.PAYMENT_FAILED})

#: What a worker may end an attempt with.
OUTCOMES = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.PAYMENT_FAILED})


def allowed(before: JobState, after: JobState) -> bool:
    """Whether a job may go from one state to the other."""
    return after in TRANSITIONS[before]
