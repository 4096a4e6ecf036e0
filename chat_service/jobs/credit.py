"""The seam to credit_service: what a job asks of it, and what its answers mean for the job."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration

from chat_service.errors import (
    AccountClosed,
    AccountNotFound,
    InsufficientCredits,
    ReservationAlreadyReleased,
    ReservationExpired,
)
from chat_service.jobs.context import JobContext
from chat_service.jobs.models import Job
from chat_service.jobs.states import JobState
from protos.credit.v1 import credit_pb2
from servicekit.errors import ServiceError
from servicekit.logs import get_logger

log = get_logger(__name__)

#: Refusals that a job remembers, by reason.
REFUSALS: Mapping[str, type[ServiceError]] = {
    kind.reason: kind for kind in (InsufficientCredits, AccountClosed)
}


@dataclass(frozen=True, slots=True)
class Reserved:
    """The coins are set aside."""

    reservation_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Refused:
    """The user was told no, for ever under this request id."""

    reason: str
    message: str
    metadata: Mapping[str, str]


async def reserve(context: JobContext, job: Job) -> Reserved | Refused | None:
    """Reserve the job's price; None when there is no answer now, and repeating will bring the same one.

    Every try sends the same request, named by the job's id: credit_service answers the first one's outcome.
    """
    try:
        answer = await context.core.caller.call(
            context.core.credit.Reserve, _reserve_request(job), timeout_s=context.policy.credit_timeout_s
        )
    except (InsufficientCredits, AccountClosed) as error:
        return Refused(error.reason, error.message, error.metadata)
    except AccountNotFound:
        return _without_account(job)
    except ServiceError as error:
        log.warning(
            "reservation_unanswered", job_id=str(job.job_id), reason=error.reason, error=error.message
        )
        return None
    return Reserved(uuid.UUID(answer.reservation.reservation_id))


def _reserve_request(job: Job) -> credit_pb2.ReserveRequest:
    return credit_pb2.ReserveRequest(
        user_id=job.user_id,
        amount=job.price,
        ttl=Duration(seconds=job.reservation_ttl_s),
        reference_type="job",
        reference_id=str(job.job_id),
        description=f"unlock {job.category_id}",
        metadata={"category_id": job.category_id, "subject_id": job.subject_id},
        request_id=str(job.job_id),
    )


def _without_account(job: Job) -> Refused:
    """Say of a user who was never granted a coin what is said of one who has none left.

    For the user it is the same, and so is what helps: to buy some. credit_service does not remember it,
    but the job does, so that a repeated order cannot succeed after the user was told no.
    """
    return Refused(
        InsufficientCredits.reason,
        f"{job.price} coins are required, 0 are available",
        {"required": str(job.price), "available": "0"},
    )


async def release(context: JobContext, job: Job, reason: str) -> bool:
    """Give the job's coins back; answers whether they are back. A worker does it later when they are not."""
    request = credit_pb2.ReleaseRequest(reservation_id=str(job.reservation_id), reason=reason)
    try:
        await context.core.caller.call(
            context.core.credit.Release, request, timeout_s=context.policy.credit_timeout_s
        )
    except (ReservationExpired, ReservationAlreadyReleased):
        return True
    except ServiceError as error:
        log.warning("release_unanswered", job_id=str(job.job_id), reason=error.reason, error=error.message)
        return False
    return True


def refusal(job: Job) -> ServiceError | None:
    """Answer the error that a REJECTED job remembers, and None for any other job."""
    kind = REFUSALS.get(job.error_reason or "")
    if job.state is not JobState.REJECTED or kind is None:
        return None
    return kind(job.error_message or "", metadata=job.error_metadata)
