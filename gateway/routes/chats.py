"""Chats: upload, read, count, rename, delete, bring back."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response

from gateway import models, views
from gateway.auth import CurrentUser
from gateway.idempotency import RequestId
from gateway.models.base import WITHOUT_NUL, length
from gateway.multipart import Upload
from gateway.openapi import PageSize, PageToken, errors
from gateway.services import Backends
from gateway.settings import GatewaySettings
from gateway.uploads import FIELDS, UploadSlot, import_chat
from protos.chat.v1 import chat_pb2

router = APIRouter(prefix="/api/chats", tags=["chats"])

_Query = Annotated[
    str,
    Query(description="only messages that hold this text, case ignored", json_schema_extra=length(0, 256)),
]
_Author = Annotated[
    str,
    Query(
        description="only messages of this author, as written in the file",
        max_length=1_024,
        json_schema_extra={"pattern": WITHOUT_NUL},
    ),
]

#: The handler reads the body itself, so the document must be told what is in it.
_UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "display_name": {"type": "string", **length(0, 256)},
                        "format": {
                            "type": "string",
                            "enum": views.CHAT_FORMATS,
                            "description": "absent: found out from the content",
                        },
                        "date_order": {
                            "type": "string",
                            "enum": views.DATE_ORDERS,
                            "description": "which of two small numbers in a date is the day; "
                            "absent: decided from the whole file",
                        },
                        "time_zone": {
                            "type": "string",
                            "format": "time-zone",
                            "description": "IANA name of the zone of the file's times",
                            "examples": ["Europe/Berlin"],
                        },
                        "export_chat": {
                            "type": "string",
                            "description": "which chat of a file that holds several: its id or name, "
                            "as the error IMPORT_CHOOSE_CHAT lists them in `details.chats`. Of more chats "
                            "than an error holds, `details.chats_left_out` are not listed; a part of a name "
                            "lists the chats that have it",
                        },
                        "file": {
                            "type": "string",
                            "format": "chat-export",
                            "contentMediaType": "application/octet-stream",
                            "description": "the export; the last part, after the other fields",
                        },
                    },
                }
            }
        },
    }
}


@router.post(
    "/upload",
    status_code=201,
    responses=errors(
        "IMPORT_UNREADABLE",
        "IMPORT_ENCRYPTED",
        "IMPORT_CHOOSE_CHAT",
        401,
        "USER_NOT_FOUND",
        "REQUEST_TIMEOUT",
        "REQUEST_ID_REUSED",
        "IMPORT_TOO_LARGE",
    ),
    openapi_extra=_UPLOAD_BODY,
)
async def upload_chat(
    request: Request,
    user_id: CurrentUser,
    _: UploadSlot,
    request_id: RequestId,
    services: Backends,
    response: Response,
) -> models.Chat:
    """Store a chat export. All or nothing: a failed upload leaves no chat."""
    settings: GatewaySettings = request.app.state.settings
    upload = Upload(
        request.headers.get("content-type", ""), request.stream(), FIELDS, settings.import_max_bytes
    )
    made = await import_chat(services, user_id, request_id, upload, settings.gateway_upload_timeout_s)
    response.headers["Location"] = f"/api/chats/{made.chat_id}"
    return views.chat(made)


@router.api_route("/upload", methods=["GET", "PUT", "PATCH", "DELETE"], include_in_schema=False)
async def refuse_other_methods() -> None:
    """Answer 405: the routes below would take this path for that of a chat with the id "upload"."""
    raise HTTPException(405)


@router.get("", responses=errors(400, 401))
async def list_chats(
    user_id: CurrentUser, services: Backends, page_size: PageSize = 0, page_token: PageToken = ""
) -> models.Chats:
    """List the user's chats, newest first."""
    request = chat_pb2.ListChatsRequest(user_id=user_id, page_size=page_size, page_token=page_token)
    answer = await services.caller.call(services.chats.ListChats, request)
    return models.Chats(
        chats=[views.chat(row) for row in answer.chats], next_page_token=answer.next_page_token
    )


@router.get("/public/{chat_id}/stats", responses=errors(400, "CHAT_NOT_FOUND"))
async def get_chat_stats(chat_id: str, services: Backends) -> models.ChatStats:
    """Answer counts over a chat to anybody who has its id: no names, no text, no owner."""
    request = chat_pb2.GetChatStatsRequest(chat_id=chat_id)
    return views.chat_stats((await services.caller.call(services.chats.GetChatStats, request)).stats)


@router.get("/{chat_id}", responses=errors(400, 401, "CHAT_NOT_FOUND"))
async def get_chat(chat_id: str, user_id: CurrentUser, services: Backends) -> models.Chat:
    """Answer one chat."""
    request = chat_pb2.GetChatRequest(user_id=user_id, chat_id=chat_id)
    return views.chat((await services.caller.call(services.chats.GetChat, request)).chat)


@router.get("/{chat_id}/messages", responses=errors(400, 401, "CHAT_NOT_FOUND"))
async def list_messages(
    chat_id: str,
    user_id: CurrentUser,
    services: Backends,
    query: _Query = "",
    author: _Author = "",
    page_size: PageSize = 0,
    page_token: PageToken = "",
) -> models.Messages:
    """List or search the messages of a chat, in the order of the file."""
    request = chat_pb2.ListMessagesRequest(
        user_id=user_id,
        chat_id=chat_id,
        query=query,
        author=author,
        page_size=page_size,
        page_token=page_token,
    )
    answer = await services.caller.call(services.chats.ListMessages, request)
    return models.Messages(
        messages=[views.message(row) for row in answer.messages], next_page_token=answer.next_page_token
    )


@router.delete("/{chat_id}", status_code=204, responses=errors(400, 401, "CHAT_NOT_FOUND"))
async def delete_chat(chat_id: str, user_id: CurrentUser, services: Backends) -> None:
    """Delete a chat with all that belongs to it; it can be undeleted for a while."""
    request = chat_pb2.DeleteChatRequest(user_id=user_id, chat_id=chat_id)
    await services.caller.call(services.chats.DeleteChat, request)


@router.post("/{chat_id}/undelete", responses=errors(400, 401, "CHAT_NOT_FOUND"))
async def undelete_chat(chat_id: str, user_id: CurrentUser, services: Backends) -> models.Chat:
    """Bring a deleted chat back, within the retention time."""
    request = chat_pb2.UndeleteChatRequest(user_id=user_id, chat_id=chat_id)
    return views.chat((await services.caller.call(services.chats.UndeleteChat, request)).chat)


@router.put(
    "/{chat_id}/display-name",
    responses=errors(400, 401, "CHAT_NOT_FOUND", "REQUEST_TIMEOUT", "BODY_TOO_LARGE"),
)
async def rename_chat(
    chat_id: str, name: models.RenameRequest, user_id: CurrentUser, services: Backends
) -> models.Chat:
    """Give a chat another name."""
    request = chat_pb2.RenameChatRequest(user_id=user_id, chat_id=chat_id, display_name=name.display_name)
    return views.chat((await services.caller.call(services.chats.RenameChat, request)).chat)
