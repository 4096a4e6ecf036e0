"""Every code that an error may have, as the OpenAPI document shows it: status, meaning, an example.

What an error really is comes from where it happens; a test compares the statuses with those.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.models.base import CHAT_ID, JOB_ID

STATUSES: Mapping[int, str] = {
    400: "A value is out of range; `details.field` names it",
    401: "No token, several, or one that is not valid",
    402: "Too few coins: `details` has `required` and `available`",
    403: "The token does not have the scope that is needed; `details.scope` names it",
    404: "It does not exist, or belongs to another user",
    408: "The body stopped coming, or came too slowly",
    409: "The state of things forbids it, or the idempotency key was used for another request",
    413: "The body is larger than the limit",
    422: "The request does not parse",
    429: "Too often or too much at once; `Retry-After` says when to try again",
    431: "Path and headers are larger than the limit",
    500: "Internal error; the request id finds it in the log",
    503: "Try again after `Retry-After` seconds",
    504: "The answer was not ready in time",
}


@dataclass(frozen=True)
class ErrorCode:
    """One code."""

    name: str
    status: int
    message: str
    details: Mapping[str, object] = field(default_factory=dict)


def _field(status: int, name: str, problem: str) -> ErrorCode:
    details = {"field": name, "violations": [{"field": name, "problem": problem}]}
    return ErrorCode("INVALID_FIELD", status, f"{name}: {problem}", details)


#: What comes with a status on any route that may answer it.
EVERYWHERE = (
    _field(400, "page_size", "must not be negative"),
    _field(422, "category_id", "Field required"),
    ErrorCode("UNAUTHENTICATED", 401, "the token has expired"),
    ErrorCode(
        "RATE_LIMITED",
        429,
        "the limit of 600 per 60 s is reached; try again later",
        {"limit": "600 per 60 s", "by": "user"},
    ),
    ErrorCode(
        "REQUEST_HEAD_TOO_LARGE",
        431,
        "path and headers are larger than the limit of 32768 bytes",
        {"limit": 32_768},
    ),
    ErrorCode("INTERNAL", 500, "internal error; the request id finds it in the log"),
    ErrorCode("UNAVAILABLE", 503, "the service does not answer; try again"),
    ErrorCode("DEADLINE_EXCEEDED", 504, "the answer was not ready in time"),
)

_NAMED = (
    ErrorCode(
        "INSUFFICIENT_CREDITS",
        402,
        "400 coins are required, 50 are available",
        {"required": 400, "available": 50},
    ),
    ErrorCode(
        "WEBHOOK_SIGNATURE_INVALID", 401, "the webhook's signature is not valid", {"provider": "STRIPE"}
    ),
    ErrorCode("ACCOUNT_NOT_FOUND", 404, "there is no account of alice", {"user_id": "alice"}),
    ErrorCode("USER_NOT_FOUND", 404, "user alice does not exist", {"user_id": "alice"}),
    ErrorCode("CHAT_NOT_FOUND", 404, f"chat {CHAT_ID} does not exist", {"chat_id": CHAT_ID}),
    ErrorCode("JOB_NOT_FOUND", 404, f"job {JOB_ID} does not exist", {"job_id": JOB_ID}),
    ErrorCode("CATEGORY_NOT_FOUND", 404, "category x does not exist", {"category_id": "x"}),
    ErrorCode("PACKAGE_NOT_FOUND", 404, "package x does not exist", {"package_id": "x"}),
    ErrorCode("ORDER_NOT_FOUND", 404, f"order {JOB_ID} does not exist", {"order_id": JOB_ID}),
    ErrorCode(
        "CONVERSATION_NOT_FOUND", 404, f"conversation {JOB_ID} does not exist", {"conversation_id": JOB_ID}
    ),
    ErrorCode("REQUEST_TIMEOUT", 408, "the body stopped coming, or came too slowly; send it again"),
    ErrorCode(
        "REQUEST_ID_REUSED",
        409,
        "this Idempotency-Key was used before for a request with another category_id",
        {"idempotency_key": "order-1", "field": "category_id"},
    ),
    ErrorCode(
        "JOB_NOT_CANCELLABLE",
        409,
        "a job in state COMPLETED cannot be cancelled",
        {"job_id": JOB_ID, "state": "COMPLETED"},
    ),
    ErrorCode(
        "CHAT_NOT_READY",
        409,
        f"chat {CHAT_ID} is not ready: its index is being made (11 %); ask again",
        {"chat_id": CHAT_ID, "state": "INDEX_BUILDING", "percent": 11},
    ),
    ErrorCode(
        "NOTHING_TO_UNLOCK",
        409,
        "all insights of the category are there or being made",
        {"chat_id": CHAT_ID, "category_id": "romantic"},
    ),
    ErrorCode("ACCOUNT_CLOSED", 409, "the account of alice is closed", {"user_id": "alice"}),
    ErrorCode("BODY_TOO_LARGE", 413, "the body is larger than the limit of 65536 bytes", {"limit": 65_536}),
    ErrorCode(
        "IMPORT_TOO_LARGE",
        413,
        "the file is larger than the limit of 67108864 bytes",
        {"limit": 67_108_864},
    ),
    ErrorCode(
        "IMPORT_UNREADABLE", 400, "the file is no chat export that can be read", {"file_name": "chat.txt"}
    ),
    ErrorCode(
        "IMPORT_CHOOSE_CHAT",
        400,
        "result.json: holds 2 chats; choose one by its id or name",
        {
            "file_name": "result.json",
            "problem": "holds 2 chats; choose one by its id or name",
            "chats": [
                {"id": "22", "name": "Bert", "message_count": 812},
                {"id": "11", "name": "Anna", "message_count": 7},
            ],
            "chat_count": 2,
            "chats_left_out": 0,
        },
    ),
    ErrorCode("IMPORT_ENCRYPTED", 400, "the archive is encrypted", {"file_name": "chat.zip"}),
)

#: By name: what routes say that they may answer.
CODES: Mapping[str, ErrorCode] = {code.name: code for code in _NAMED}
