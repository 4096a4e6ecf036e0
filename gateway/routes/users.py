"""Users: stored on first login, given all that is theirs, deleted."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from gateway import export, models, views
from gateway.auth import CurrentUser
from gateway.idempotency import RequestId
from gateway.openapi import errors
from gateway.services import Backends
from gateway.settings import GatewaySettings
from protos.chat.v1 import chat_pb2

router = APIRouter(prefix="/api/users", tags=["users"])

_EXAMPLE = """\
{"type":"user","data":{"user_id":"alice","display_name":"Alice","email":"alice@example.com"}}
{"type":"end","data":{"lines":{"user":1}}}
"""
_LINE = {
    "type": "object",
    "required": ["type", "data"],
    "properties": {
        "type": {
            "type": "string",
            "description": "user, chat, message, insight, question, job, account, transaction; the last line "
            "is end, or error when the export broke off; more types may come",
        },
        "data": {"type": "object", "description": "as the other endpoints answer it"},
    },
}
_JSON_LINES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "JSON lines, one thing a line",
        "content": {export.MEDIA_TYPE: {"schema": _LINE, "example": _EXAMPLE}},
    }
}


@router.post("/store", responses=errors(400, 401))
async def store_user(
    user_id: CurrentUser, services: Backends, profile: models.StoreUserRequest | None = None
) -> models.User:
    """Store the user of the token, on first login and again after a change of the profile.

    The first time grants the sign-up bonus, once whatever is repeated. In the moment after the user was
    deleted it answers 503 `ERASURE_IN_PROGRESS`; after it, the user is a new one.
    """
    given = profile.model_dump(exclude_none=True) if profile else {}
    request = chat_pb2.StoreUserRequest(user_id=user_id, **given)
    return views.user(await services.caller.call(services.users.StoreUser, request))


@router.get(
    "/export", response_class=StreamingResponse, responses=_JSON_LINES | errors(401, "USER_NOT_FOUND")
)
async def export_user(
    user_id: CurrentUser, _: export.ExportSlot, request: Request, services: Backends
) -> StreamingResponse:
    """Stream everything that is the user's as JSON lines.

    The user, each chat followed by its messages and insights, the jobs, the account and its transactions. The
    last line says how many lines of each type there are: without it the export is not whole.
    """
    settings: GatewaySettings = request.app.state.settings
    lines = await export.begin(services, user_id, settings.gateway_export_timeout_s)
    headers = {
        "Content-Disposition": 'attachment; filename="holdfast-export.jsonl"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(lines, media_type=export.MEDIA_TYPE, headers=headers)


@router.delete("/delete-account", status_code=202, responses=errors(400, 401, "USER_NOT_FOUND"))
async def delete_account(user_id: CurrentUser, request_id: RequestId, services: Backends) -> models.Erasure:
    """Delete the user of the token, with everything that is theirs.

    All of it is gone from every answer at once, running jobs are cancelled, reserved coins return and the
    account is closed; coins that are left are forfeited. What is kept hidden is removed for good from
    `purge_time` on. Nothing brings it back: a later login is a new user. Repeating the request answers as the
    first time.
    """
    request = chat_pb2.DeleteUserRequest(user_id=user_id, request_id=request_id)
    return views.erasure(await services.caller.call(services.users.DeleteUser, request))
