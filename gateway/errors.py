"""The one error shape, and the one mapper from what went wrong to an HTTP answer, which cannot raise itself.

``{"error": {"code": "INSUFFICIENT_CREDITS", "message": "…", "details": {…}, "request_id": "…"}}``
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, NamedTuple

import grpc
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import compile_path

from servicekit.context import request_id
from servicekit.error_room import LEFT_OUT
from servicekit.errors import Internal, RequestIdReused, ServiceError
from servicekit.logs import get_logger

log = get_logger(__name__)

#: Nobody reads this answer: the client went away (nginx's number; HTTP has none).
CLIENT_CLOSED_REQUEST = 499

_INTERNAL_MESSAGE = "internal error; the request id finds it in the log"

#: What a path or method that the API does not have is answered with.
_MESSAGES = {404: "there is nothing at this path", 405: "this path does not take this method"}

_STATUS_BY_CODE: Mapping[grpc.StatusCode, int] = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: CLIENT_CLOSED_REQUEST,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
_STATUS_BY_REASON: Mapping[str, int] = {"INSUFFICIENT_CREDITS": 402, "IMPORT_TOO_LARGE": 413}

#: Metadata travels as strings; these values of the contract are numbers and are answered as such.
_NUMBERS = frozenset(
    {
        "required",
        "available",
        "requested",
        "reserved",
        "charged_amount",
        "line",
        "size",
        "limit",
        "attempt",
        "current_attempt",
        "index",
        "percent",
        "chat_count",
    }
)
#: Fields that have another name in REST than in the contract.
_REST_FIELDS = {"chunk": "file"}
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,19}")


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str = Field(description="machine-readable, such as INSUFFICIENT_CREDITS")
    message: str = Field(description="for people; may change")
    details: dict[str, Any] = Field(description="the values in the message; which ones depends on the code")
    request_id: str = Field(description="finds the request in the logs; the same as the header X-Request-ID")


class ErrorResponse(BaseModel):
    """Every error of this API."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": {
                        "code": "INSUFFICIENT_CREDITS",
                        "message": "400 coins are required, 50 are available",
                        "details": {"required": 400, "available": 50},
                        "request_id": "0f8b1c5e6d7a4b3c9a2e1f0d8c7b6a59",
                    }
                }
            ]
        }
    )

    error: ErrorDetail


class Refused(HTTPException):
    """The gateway itself refuses a request, before or without asking a service."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Take the HTTP status, the machine-readable code, and the sentence with the values in it."""
        super().__init__(status, message, dict(headers or {}))
        self.code = code
        self.details = dict(details or {})


class FieldRefused(Refused):
    """A field of the request does not parse."""

    def __init__(self, field: str, problem: str, *, status: int = 422) -> None:
        """Name the field and say what is wrong with it."""
        details = {"field": field, "violations": [{"field": field, "problem": problem}]}
        super().__init__(status, "INVALID_FIELD", f"{field} {problem}", details=details)


class FileTooLarge(Refused):
    """The uploaded file is larger than the limit."""

    def __init__(self, limit: int, size: int | None = None) -> None:
        """Take the limit and what is known of the size, both in bytes."""
        details = {"limit": limit} if size is None else {"limit": limit, "size": size}
        super().__init__(
            413, "IMPORT_TOO_LARGE", f"the file is larger than the limit of {limit} bytes", details=details
        )


class ServiceTokenRefused(ServiceError):
    """A service refused the gateway's own token: nothing that the app or its user did wrong."""

    reason = "INTERNAL"
    code = grpc.StatusCode.INTERNAL


#: Reasons that mean something else at this seam than in the service.
KNOWN: Mapping[str, type[ServiceError]] = {"UNAUTHENTICATED": ServiceTokenRefused}


class NamedRequest(NamedTuple):
    """A request that its caller gave a name: the Idempotency-Key, and the request id made of it."""

    key: str
    request_id: str


def error_response(
    status: int,
    code: str,
    message: str,
    details: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer an error in the one shape; 429 and 503 always say when to try again."""
    given = dict(headers or {})
    if status in (429, 503):
        given.setdefault("Retry-After", "1")
    return JSONResponse({"error": _fields(code, message, details or {})}, status, given)


def _fields(code: str, message: str, details: Mapping[str, object]) -> dict[str, object]:
    """Return what an error says; details that are no JSON are left out, half a surrogate pair becomes "?"."""
    shown: Mapping[str, object] = details
    try:
        json.dumps(details, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        log.exception("error_details_left_out", code=code)
        shown = {}
    text = message.encode(errors="replace").decode()
    return {"code": code, "message": text, "details": dict(shown), "request_id": request_id.get()}


def internal_error() -> Response:
    """Answer 500 and say nothing of what was raised."""
    return error_response(500, Internal.reason, _INTERNAL_MESSAGE)


def status_of(error: ServiceError) -> int:
    """Answer the HTTP status of a service's error."""
    return _STATUS_BY_REASON.get(error.reason) or _STATUS_BY_CODE.get(error.code, 500)


def refused_response(error: HTTPException) -> Response:
    """Answer what the gateway or its framework refused: our own errors, unknown routes, unreadable bodies."""
    if isinstance(error, Refused):
        return error_response(error.status_code, error.code, error.detail, error.details, error.headers)
    if error.status_code == 400:
        # FastAPI says so of a body that is no JSON in ways that its decoder does not name.
        return refused_response(FieldRefused("body", "does not parse"))
    status = HTTPStatus(error.status_code)
    message = _MESSAGES.get(error.status_code, status.phrase)
    return error_response(status, status.name, message, headers=error.headers)


def service_error_response(error: ServiceError, named: NamedRequest | None = None) -> Response:
    """Return what a service said of a request, and of its name if it has one; 500s are bland and logged."""
    status = status_of(error)
    if not _may_be_told(error):
        return internal_error()
    headers = {}
    if status in (429, 503):
        after_s = error.retry_after_s
        headers["Retry-After"] = str(max(1, math.ceil(after_s)) if after_s and math.isfinite(after_s) else 1)
    message, details = error.message, _details(error)
    if named and error.reason == RequestIdReused.reason and details.get("request_id") == named.request_id:
        message, details = _key_reused(named, details)
    return error_response(status, error.reason, message, details, headers)


def service_error_fields(error: ServiceError) -> dict[str, object]:
    """Return what the body of that has, for the end of a stream whose status is long sent."""
    if not _may_be_told(error):
        return _fields(Internal.reason, _INTERNAL_MESSAGE, {})
    return _fields(error.reason, error.message, _details(error))


def _may_be_told(error: ServiceError) -> bool:
    """Whether the caller may be told what a service said; what it may not be told, the log says."""
    status = status_of(error)
    if status < 500 or status in (503, 504):
        return True
    log.error("service_failed", reason=error.reason, code=error.code.name, kind=type(error).__name__)
    return False


def _key_reused(named: NamedRequest, details: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """Say it of the key: a request id that was made of one is nothing that the caller has seen."""
    told = str(details.get("field", "content"))
    field = _REST_FIELDS.get(told, told)
    shown: dict[str, object] = {"idempotency_key": named.key, "field": field}
    if named.key.lower() == named.request_id:
        shown["request_id"] = named.request_id
    return f"this Idempotency-Key was used before for a request with another {field}", shown


def _details(error: ServiceError) -> dict[str, object]:
    details: dict[str, object] = {key: _value(key, text) for key, text in error.metadata.items()}
    for key, listed in error.lists.items():
        details |= {key: list(listed.values), key + LEFT_OUT: listed.left_out}
    if error.violations:
        details["violations"] = [
            {"field": wrong.field, "problem": wrong.problem} for wrong in error.violations
        ]
    return details


def _value(key: str, text: str) -> object:
    return int(text) if key in _NUMBERS and _WHOLE_NUMBER.fullmatch(text) else text


def validation_response(error: RequestValidationError) -> Response:
    """Answer 422 for what does not parse, without repeating what was sent."""
    violations = [{"field": _field(wrong), "problem": _problem(wrong)} for wrong in error.errors()]
    first = violations[0]
    message = f"{first['field']}: {first['problem']}"
    return error_response(422, "INVALID_FIELD", message, {"field": first["field"], "violations": violations})


def _problem(wrong: Mapping[str, Any]) -> str:
    # pydantic names the Python exception of our own checks.
    return str(wrong["msg"]).removeprefix("Value error, ")


def _field(wrong: Mapping[str, Any]) -> str:
    place = wrong["loc"]
    if wrong["type"] == "json_invalid" or len(place) == 1:
        return "body"
    return ".".join(str(part) for part in place[1:])


def _allow_headers(app: FastAPI) -> Callable[[str], str | None]:
    """Answer what finds the methods of all routes of a path; the framework names those of the first one."""

    @cache
    def routes() -> list[tuple[re.Pattern[str], str]]:
        paths = app.openapi()["paths"].items()
        return [(compile_path(path)[0], ", ".join(sorted(methods)).upper()) for path, methods in paths]

    def allowed(path: str) -> str | None:
        return next((methods for pattern, methods in routes() if pattern.match(path)), None)

    return allowed


def install(app: FastAPI) -> None:
    """Let every error of the app's routes go through the mapper."""
    allowed = _allow_headers(app)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = refused_response(error)
        if response.status_code == 405 and (methods := allowed(request.url.path)):
            response.headers["Allow"] = methods
        return response

    async def service_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, ServiceError)
        return service_error_response(error, getattr(request.state, "named", None))

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return validation_response(error)

    async def gone(_: Request, __: Exception) -> Response:
        return error_response(CLIENT_CLOSED_REQUEST, "CANCELLED", "the client closed the connection")

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(ServiceError, service_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ClientDisconnect, gone)
