"""What the services can answer a worker, by type, and what stops an attempt."""

from collections.abc import Mapping

import grpc

from servicekit.errors import RateLimited, ServiceError

_FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


class StaleLease(ServiceError):
    """Another attempt has the job: this one must stop at once and touch nothing more."""

    reason = "STALE_LEASE"
    code = grpc.StatusCode.ABORTED


class JobNotFound(ServiceError):
    """There is no such job."""

    reason = "JOB_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND


class ChatNotFound(ServiceError):
    """The chat was deleted."""

    reason = "CHAT_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND


class AccountNotFound(ServiceError):
    """The user has no account any more."""

    reason = "ACCOUNT_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND


class AccountClosed(ServiceError):
    """The account was closed: nothing can be reserved or charged."""

    reason = "ACCOUNT_CLOSED"
    code = _FAILED_PRECONDITION


class InsufficientCredits(ServiceError):
    """Too few coins are available; the metadata has `required` and `available`."""

    reason = "INSUFFICIENT_CREDITS"
    code = _FAILED_PRECONDITION


class ReservationNotFound(ServiceError):
    """There is no such reservation."""

    reason = "RESERVATION_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND


class ReservationExpired(ServiceError):
    """The reservation's time ran out: its coins went back."""

    reason = "RESERVATION_EXPIRED"
    code = _FAILED_PRECONDITION


class ReservationAlreadyReleased(ServiceError):
    """The coins went back before; the metadata has `release_reason`."""

    reason = "RESERVATION_ALREADY_RELEASED"
    code = _FAILED_PRECONDITION


class ReservationAlreadyCharged(ServiceError):
    """The coins were taken before; the metadata has `transaction_id`."""

    reason = "RESERVATION_ALREADY_CHARGED"
    code = _FAILED_PRECONDITION


class ReservationRefused(ServiceError):
    """The reservation was never made for lack of coins."""

    reason = "RESERVATION_REFUSED"
    code = _FAILED_PRECONDITION


#: The client seam: reasons on the wire to the types here.
KNOWN: Mapping[str, type[ServiceError]] = {
    kind.reason: kind
    for kind in (
        StaleLease,
        JobNotFound,
        ChatNotFound,
        AccountNotFound,
        AccountClosed,
        InsufficientCredits,
        ReservationNotFound,
        ReservationExpired,
        ReservationAlreadyReleased,
        ReservationAlreadyCharged,
        ReservationRefused,
    )
}

#: The coins cannot be taken now: the job waits for its next payment.
PAYMENT_REFUSED = (
    ReservationExpired,
    ReservationAlreadyReleased,
    ReservationRefused,
    InsufficientCredits,
    AccountClosed,
    AccountNotFound,
    # Lost, as by a restored backup: the next payment makes a new one.
    ReservationNotFound,
)

#: The coins are back with their owner, whoever gave them back.
RELEASED_ALREADY = (
    ReservationExpired,
    ReservationAlreadyReleased,
    ReservationRefused,
    ReservationNotFound,
)

_TRANSIENT = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        # A server that goes down cancels what it could not finish.
        grpc.StatusCode.CANCELLED,
    }
)


def is_transient(error: ServiceError) -> bool:
    """Whether the same call may succeed in a moment. All calls of a worker are safe to repeat.

    RESOURCE_EXHAUSTED is so when it is a server's limit, not when it is a message that gRPC finds too large.
    """
    return error.code in _TRANSIENT or isinstance(error, RateLimited)


class JobCancelled(Exception):
    """Somebody cancelled the job: what is left of it is not made."""


class AttemptAbandoned(Exception):
    """A service stayed away for longer than this attempt may wait; the job goes on in another attempt."""
