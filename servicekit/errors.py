"""The one error model: typed errors here, ``google.rpc.Status`` on the wire, typed errors again there.

Every error carries a machine-readable reason, a message for people, and every
dynamic value of that message in its metadata, as far as it fits on the wire (`error_room`).
Rooms add their own by subclassing `ServiceError`; `to_status` and `from_rpc_error` are the
only mappers, and neither raises, whatever an error holds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from servicekit.context import request_id
from servicekit.error_room import (
    LEFT_OUT,
    MAX_MESSAGE_BYTES,
    MAX_VALUE_BYTES,
    ErrorRoom,
    JsonValue,
    Listed,
    cut,
    listed_in,
)

#: The ErrorInfo domain of every error of this system.
DOMAIN = "holdfast"

#: AIP-193's bound on a reason.
_MAX_REASON_BYTES = 63
#: Nobody waits for longer than a day to repeat a call.
_MAX_RETRY_AFTER_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of a request that is wrong, and why."""

    field: str
    problem: str


class ServiceError(Exception):
    """An error that a caller is meant to see.

    Subclasses set `reason` and `code`; an error that came over the wire and that nobody
    declared carries them as instance attributes.
    """

    reason: str = "INTERNAL"
    code: grpc.StatusCode = grpc.StatusCode.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, object] | None = None,
        lists: Mapping[str, Sequence[JsonValue]] | None = None,
        violations: Sequence[Violation] = (),
        retry_after_s: float | None = None,
    ) -> None:
        """Make the error of a sentence for people and the values in it, which become strings.

        `lists` are values of which there may be more than fit on the wire, those that matter most first:
        the caller gets as many as fit, and how many are left out.
        """
        super().__init__(message)
        self.message = message
        self.metadata = {key: str(value) for key, value in (metadata or {}).items()}
        self.lists = {key: Listed(tuple(values)) for key, values in (lists or {}).items()}
        self.violations = tuple(violations)
        self.retry_after_s = retry_after_s
        self.request_id = request_id.get()

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class InvalidField(ServiceError):
    """A field of the request is malformed or out of range."""

    reason = "INVALID_FIELD"
    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, field: str, problem: str) -> None:
        """Name the field and say what is wrong with it, with the value and the range."""
        super().__init__(
            f"{field} {problem}", metadata={"field": field}, violations=[Violation(field, problem)]
        )


class RequestIdReused(ServiceError):
    """The request id was used before, for another request."""

    reason = "REQUEST_ID_REUSED"
    code = grpc.StatusCode.ALREADY_EXISTS

    def __init__(self, used_request_id: object, field: str) -> None:
        """Name the request id and the first field that differs."""
        super().__init__(
            f"request_id {used_request_id} was used before for a request with another {field}",
            metadata={"request_id": used_request_id, "field": field},
        )


class LockTimeout(ServiceError):
    """The rows stayed locked by others; nothing was changed, repeating is safe."""

    reason = "LOCK_TIMEOUT"
    code = grpc.StatusCode.UNAVAILABLE

    def __init__(self, retry_after_s: float = 0.5) -> None:
        """Say when to try again, in seconds."""
        super().__init__("the rows are locked by other requests; try again", retry_after_s=retry_after_s)


class DatabaseUnavailable(ServiceError):
    """The database did not answer; repeating with the same request id is safe."""

    reason = "DATABASE_UNAVAILABLE"
    code = grpc.StatusCode.UNAVAILABLE

    def __init__(self, retry_after_s: float = 1.0) -> None:
        """Say when to try again, in seconds."""
        super().__init__("the database does not answer; try again", retry_after_s=retry_after_s)


class Unavailable(ServiceError):
    """The server cannot be reached or is going down; repeating with the same request id is safe."""

    reason = "UNAVAILABLE"
    code = grpc.StatusCode.UNAVAILABLE

    def __init__(self, message: str = "the service does not answer; try again") -> None:
        """Take the sentence for people."""
        super().__init__(message, retry_after_s=1.0)


class RateLimited(ServiceError):
    """Too much at once."""

    reason = "RATE_LIMITED"
    code = grpc.StatusCode.RESOURCE_EXHAUSTED

    def __init__(self, limit: object, retry_after_s: float = 1.0) -> None:
        """Name the limit that was reached and when to try again, in seconds."""
        super().__init__(
            f"the limit of {limit} is reached; try again later",
            metadata={"limit": limit},
            retry_after_s=retry_after_s,
        )


class DeadlineExceeded(ServiceError):
    """The time that the caller gave ran out; whether the work was done is not known."""

    reason = "DEADLINE_EXCEEDED"
    code = grpc.StatusCode.DEADLINE_EXCEEDED

    def __init__(self, message: str = "the deadline passed before the answer was ready") -> None:
        """Take the sentence for people."""
        super().__init__(message)


class Unauthenticated(ServiceError):
    """The caller did not show who it is."""

    reason = "UNAUTHENTICATED"
    code = grpc.StatusCode.UNAUTHENTICATED


class PermissionDenied(ServiceError):
    """The caller is known and may not do this."""

    reason = "PERMISSION_DENIED"
    code = grpc.StatusCode.PERMISSION_DENIED


class Internal(ServiceError):
    """Something unexpected; the log has it under the request id."""

    reason = "INTERNAL"
    code = grpc.StatusCode.INTERNAL

    def __init__(self) -> None:
        """Say nothing of what was raised."""
        super().__init__("internal error; the request id finds it in the log")


def to_status(error: ServiceError) -> grpc.Status:
    """Answer the gRPC status that a call fails with."""
    converted: grpc.Status = rpc_status.to_status(to_rpc_status(error))
    return converted


def to_rpc_status(error: ServiceError) -> Any:
    """Return the google.rpc.Status: one ErrorInfo, and BadRequest or RetryInfo where they apply.

    It fits on the wire, whatever the error holds: texts are cut, and lists have the values that fit.
    """
    message = cut(error.message, MAX_MESSAGE_BYTES)
    room = ErrorRoom(message)
    info = _info(error, room)
    details = [info]
    if error.violations:
        details.append(_bad_request(error.violations, room))
    if error.retry_after_s is not None:
        details.append(_retry(error.retry_after_s))
    # Lists take what the others leave.
    info.metadata.update(room.lists(error.lists))
    code: int = error.code.value[0]
    return status_pb2.Status(code=code, message=message, details=[_pack(d) for d in details])


#: One of google.rpc's detail messages; that package publishes no types.
_Detail = Any


def _info(error: ServiceError, room: ErrorRoom) -> _Detail:
    # An error that came over the wire, and is sent on, has its lists in the metadata too.
    of_lists = {name for key in error.lists for name in (key, key + LEFT_OUT)}
    given = {key: text for key, text in error.metadata.items() if key not in of_lists}
    if error.code == grpc.StatusCode.INTERNAL:
        given = {**given, "request_id": request_id.get()}
    metadata = dict(room.pairs(list(given.items()), MAX_VALUE_BYTES))
    reason = cut(error.reason, _MAX_REASON_BYTES)
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)


def _bad_request(violations: Sequence[Violation], room: ErrorRoom) -> _Detail:
    texts = room.pairs([(wrong.field, wrong.problem) for wrong in violations], MAX_MESSAGE_BYTES)
    violation = error_details_pb2.BadRequest.FieldViolation
    listed = [violation(field=field, description=problem) for field, problem in texts]
    return error_details_pb2.BadRequest(field_violations=listed)


def _retry(retry_after_s: float) -> _Detail:
    delay = duration_pb2.Duration()
    delay.FromMilliseconds(round(min(max(0.0, retry_after_s), _MAX_RETRY_AFTER_S) * 1000))
    info: _Detail = error_details_pb2.RetryInfo(retry_delay=delay)
    return info


def _pack(detail: _Detail) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


#: Reasons that every client knows; rooms add theirs at their seam.
_COMMON: Mapping[str, type[ServiceError]] = {
    kind.reason: kind
    for kind in (
        InvalidField,
        RequestIdReused,
        LockTimeout,
        DatabaseUnavailable,
        Unavailable,
        RateLimited,
        DeadlineExceeded,
        Unauthenticated,
        PermissionDenied,
        Internal,
    )
}


class _Received(ServiceError):
    """An error from another process whose reason this process did not declare."""

    def __init__(self, message: str, reason: str, code: grpc.StatusCode) -> None:
        super().__init__(message)
        self.reason = reason
        self.code = code


def from_rpc_error(
    error: grpc.RpcError, known: Mapping[str, type[ServiceError]] | None = None
) -> ServiceError:
    """Answer the typed error of a failed call, with everything that the server said.

    `known` maps reasons to the caller's own classes; reasons that nobody declared become a
    plain `ServiceError` with that reason and code. Codes without details (a dead server, a
    deadline) become `Unavailable` and `DeadlineExceeded`.
    """
    code, message = error.code(), error.details() or ""
    details = _details(error)
    if "ErrorInfo" not in details:
        return _bare(code, message)
    info: Any = details["ErrorInfo"]
    kind = (known or {}).get(info.reason) or _COMMON.get(info.reason)
    received = _make(kind, message, info.reason, code)
    received.metadata = dict(info.metadata)
    received.lists = listed_in(received.metadata)
    received.violations = _violations(details.get("BadRequest"))
    received.retry_after_s = _retry_after_s(details.get("RetryInfo"))
    return received


def _make(kind: type[ServiceError] | None, message: str, reason: str, code: grpc.StatusCode) -> ServiceError:
    if kind is None:
        return _Received(message, reason, code)
    # Subclasses compose their message from values; a received one already has it.
    received = kind.__new__(kind)
    ServiceError.__init__(received, message)
    return received


def _bare(code: grpc.StatusCode, message: str) -> ServiceError:
    """Answer the error of a status without details: gRPC itself made it, and its text names addresses.

    A call that its caller has not cancelled and that is CANCELLED all the same was dropped by a server that
    went down with it in hand: like UNAVAILABLE it may have been done or not, and is to be repeated.
    """
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return Unavailable()
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded()
    return _Received(message or code.name, code.name, code)


def _details(error: grpc.RpcError) -> dict[str, _Detail]:
    """Return the status details by message name; none of a status that has none or is broken."""
    trailing: Any = error.trailing_metadata() or ()
    packed = next((value for key, value in trailing if key == "grpc-status-details-bin"), b"")
    try:
        return dict(_unpacked(status_pb2.Status.FromString(packed)))
    except DecodeError:
        # A peer that is no gRPC server of ours, or a proxy that rewrote it: what is left is the code.
        return {}


def _unpacked(status: Any) -> Iterator[tuple[str, _Detail]]:
    for detail in status.details:
        for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
            if detail.Is(kind.DESCRIPTOR):
                yield kind.DESCRIPTOR.name, kind.FromString(detail.value)


def _violations(detail: Any) -> tuple[Violation, ...]:
    return tuple(Violation(v.field, v.description) for v in detail.field_violations) if detail else ()


def _retry_after_s(detail: Any) -> float | None:
    return detail.retry_delay.ToMilliseconds() / 1000 if detail else None
