"""The seam to credit_service: what a job asks of it, and what its answers mean for the job.

Three kinds of answer to Reserve: one that stays (coins, or a refusal), one that the next try may change,
and one that an operator has to change, such as a service token that is refused.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.protobuf.duration_pb2 import Duration

from chat_service.errors import (
    AccountClosed,
    AccountNotFound,
    InsufficientCredits,
    ReservationAlreadyCharged,
    ReservationAlreadyReleased,
    ReservationExpired,
)
from chat_service.jobs import limits
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


#: What credit_service says of the request itself: the same one gets the same answer for ever.
_PERMANENT = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.OUT_OF_RANGE,
    }
)
_OPERATORS = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})


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
        return _without_coins(job, error)
    return Reserved(uuid.UUID(answer.reservation.reservation_id))


def _without_coins(job: Job, error: ServiceError) -> Refused | None:
    """Answer a refusal, or None where another try makes sense.

    A cancel ends a job that waits for an operator. Coins that an earlier try may have reserved without our
    hearing of it go back when that reservation expires.
    """
    fields = {"job_id": str(job.job_id), "reason": error.reason, "error": error.message}
    if error.code in _PERMANENT:
        log.error("reservation_impossible", **fields)
        return _refused(error)
    if error.code in _OPERATORS:
        log.error("reservation_not_permitted", **fields)
        return _refused(error) if job.cancel_requested else None
    log.warning("reservation_unanswered", **fields)
    return None


def _refused(error: ServiceError) -> Refused:
    message = error.message[: limits.MAX_MESSAGE_CHARS]
    return Refused(error.reason[: limits.MAX_REASON_CHARS], message, error.metadata)


def _reserve_request(job: Job) -> credit_pb2.ReserveRequest:
    """Say what to reserve, in fields that are fixed with the job.

    credit_service compares them with those of the first request under this id. A new version or another
    setting that changed one of them would end every job that is RESERVING at that moment.
    """
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


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a reservation: its coins are back, unless a transaction took them before."""

    transaction_id: uuid.UUID | None = None


async def release(context: JobContext, reservation_id: uuid.UUID, reason: str) -> Settled | None:
    """Give a reservation's coins back and answer what became of them; None when there is no answer now."""
    request = credit_pb2.ReleaseRequest(reservation_id=str(reservation_id), reason=reason)
    try:
        await context.core.caller.call(
            context.core.credit.Release, request, timeout_s=context.policy.credit_timeout_s
        )
    except (ReservationExpired, ReservationAlreadyReleased):
        return Settled()
    except ReservationAlreadyCharged as error:
        transaction_id = error.metadata.get("transaction_id")
        return Settled(uuid.UUID(transaction_id) if transaction_id else None)
    except ServiceError as error:
        fields = {"reservation_id": str(reservation_id), "reason": error.reason, "error": error.message}
        log.warning("release_unanswered", **fields)
        return None
    return Settled()


def refusal(job: Job) -> ServiceError | None:
    """Answer the error that a REJECTED job remembers, and None for any other job.

    A refusal that is not the user's stays inside the job: its reason says nothing about the order's request.
    """
    kind = REFUSALS.get(job.error_reason or "")
    if job.state is not JobState.REJECTED or kind is None:
        return None
    return kind(job.error_message or "", metadata=job.error_metadata)
