"""The ledger's refusals as the errors of the contract: reason, code, and every value in the metadata."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import grpc

from credit_service.ledger import Refusal, refusals
from servicekit.errors import InvalidField, RequestIdReused, ServiceError


class AccountNotFound(ServiceError):
    """The user was never granted a coin."""

    reason = "ACCOUNT_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND

    def __init__(self, user_id: str) -> None:
        """Name the user."""
        super().__init__(f"user {user_id} has no account", metadata={"user_id": user_id})


class ReservationNotFound(ServiceError):
    """There is no such reservation."""

    reason = "RESERVATION_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND

    def __init__(
        self, reservation_id: object, user_id: str = "", reserve_request_id: object | None = None
    ) -> None:
        """Name the reservation, by its id or by its user and the request id of its Reserve."""
        if reservation_id is not None:
            text, metadata = f"there is no reservation {reservation_id}", {"reservation_id": reservation_id}
        else:
            text = f"user {user_id} has no reservation of request {reserve_request_id}"
            metadata = {"user_id": user_id, "reserve_request_id": reserve_request_id or ""}
        super().__init__(text, metadata=metadata)


class ChargeExceedsReservation(ServiceError):
    """More was to be charged than was reserved."""

    reason = "CHARGE_EXCEEDS_RESERVATION"
    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, refusal: refusals.ChargeExceedsReservation) -> None:
        """Say both amounts, in coins."""
        super().__init__(
            f"{refusal.requested} coins cannot be charged, {refusal.reserved} are reserved",
            metadata={"requested": refusal.requested, "reserved": refusal.reserved},
        )


class ReservationAlreadyCharged(ServiceError):
    """The reservation was charged, and not by this request."""

    reason = "RESERVATION_ALREADY_CHARGED"
    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, refusal: refusals.AlreadyCharged) -> None:
        """Say how much was charged, by which transaction (empty for 0 coins), and when."""
        settle_time = instant(refusal.settle_time)
        transaction_id = refusal.transaction_id or ""
        super().__init__(
            f"reservation {refusal.reservation_id} was charged {refusal.charged_amount} coins"
            f" at {settle_time}{f' by transaction {transaction_id}' if transaction_id else ''}",
            metadata={
                "reservation_id": refusal.reservation_id,
                "charged_amount": refusal.charged_amount,
                "transaction_id": transaction_id,
                "settle_time": settle_time,
            },
        )


class ReservationAlreadyReleased(ServiceError):
    """The reservation's coins were given back."""

    reason = "RESERVATION_ALREADY_RELEASED"
    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, refusal: refusals.AlreadyReleased) -> None:
        """Say when and why."""
        settle_time = instant(refusal.settle_time)
        super().__init__(
            f"reservation {refusal.reservation_id} was released at {settle_time}"
            f"{f': {refusal.release_reason}' if refusal.release_reason else ''}",
            metadata={
                "reservation_id": refusal.reservation_id,
                "settle_time": settle_time,
                "release_reason": refusal.release_reason,
            },
        )


class ReservationExpired(ServiceError):
    """The reservation's time ran out."""

    reason = "RESERVATION_EXPIRED"
    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, refusal: refusals.ReservationExpired) -> None:
        """Say when."""
        expire_time = instant(refusal.expire_time)
        super().__init__(
            f"reservation {refusal.reservation_id} expired at {expire_time}",
            metadata={"reservation_id": refusal.reservation_id, "expire_time": expire_time},
        )


class ReservationRefused(ServiceError):
    """The reservation was never made: there were too few coins."""

    reason = "RESERVATION_REFUSED"
    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, refusal: refusals.ReservationRefused) -> None:
        """Name the reservation."""
        super().__init__(
            f"reservation {refusal.reservation_id} was refused for lack of coins",
            metadata={"reservation_id": refusal.reservation_id},
        )


class AccountClosed(ServiceError):
    """The account takes no more orders."""

    reason = "ACCOUNT_CLOSED"
    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, refusal: refusals.AccountClosed) -> None:
        """Name the user."""
        super().__init__(
            f"the account of user {refusal.user_id} is closed", metadata={"user_id": refusal.user_id}
        )


class BalanceOverflow(ServiceError):
    """The balance would pass 2^63-1 coins."""

    reason = "BALANCE_OVERFLOW"
    code = grpc.StatusCode.OUT_OF_RANGE

    def __init__(self, refusal: refusals.BalanceOverflow) -> None:
        """Name the user."""
        super().__init__(
            f"the balance of user {refusal.user_id} cannot grow that far",
            metadata={"user_id": refusal.user_id},
        )


class LinkedOperationFailed(ServiceError):
    """Another operation of the same linked run failed."""

    reason = "LINKED_OPERATION_FAILED"
    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, refusal: refusals.LinkedOperationFailed) -> None:
        """Say which, by its index in the call."""
        super().__init__(
            f"operation {refusal.index}, which this one is linked with, failed",
            metadata={"index": refusal.index},
        )


class InsufficientCredits(ServiceError):
    """Fewer coins are available than asked for."""

    reason = "INSUFFICIENT_CREDITS"
    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, refusal: refusals.InsufficientCredits) -> None:
        """Say both amounts, in coins."""
        super().__init__(
            f"{refusal.required} coins are required, {refusal.available} are available",
            metadata={"required": refusal.required, "available": refusal.available},
        )


def _too_much_metadata(refusal: refusals.TooMuchMetadata) -> InvalidField:
    problem = (
        f"must have at most {refusal.limit} keys together with the reservation's, they are {refusal.keys}"
    )
    return InvalidField("metadata", problem)


# Each error takes its own refusal; `to_error` picks it by the refusal's type.
_ERRORS: Mapping[type[Refusal], Callable[[Any], ServiceError]] = {
    refusals.RequestIdReused: lambda refusal: RequestIdReused(refusal.request_id, refusal.field),
    refusals.AccountNotFound: lambda refusal: AccountNotFound(refusal.user_id),
    refusals.Malformed: lambda refusal: InvalidField(refusal.field, refusal.problem),
    refusals.ReservationNotFound: lambda refusal: ReservationNotFound(
        refusal.reservation_id, refusal.user_id, refusal.reserve_request_id
    ),
    refusals.LinkedOperationFailed: LinkedOperationFailed,
    refusals.TooMuchMetadata: _too_much_metadata,
    refusals.ChargeExceedsReservation: ChargeExceedsReservation,
    refusals.AlreadyCharged: ReservationAlreadyCharged,
    refusals.AlreadyReleased: ReservationAlreadyReleased,
    refusals.ReservationExpired: ReservationExpired,
    refusals.ReservationRefused: ReservationRefused,
    refusals.AccountClosed: AccountClosed,
    refusals.BalanceOverflow: BalanceOverflow,
    refusals.InsufficientCredits: InsufficientCredits,
}


def to_error(refusal: Refusal) -> ServiceError:
    """Answer the error that tells a client of the refusal."""
    return _ERRORS[type(refusal)](refusal)


def instant(time: datetime) -> str:
    """Write an instant as RFC 3339 in UTC, to the microsecond."""
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
