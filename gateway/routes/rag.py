"""Questions about a chat."""

from typing import Any

from fastapi import APIRouter, Request, Response

from gateway import answers, models, rag_views
from gateway.auth import CurrentUser
from gateway.generation import generate
from gateway.idempotency import RequestId
from gateway.openapi import errors
from gateway.services import Backends
from gateway.settings import GatewaySettings
from protos.chat.v1 import chat_pb2

router = APIRouter(tags=["questions"])

_FAILS = ("INSUFFICIENT_CREDITS", "CHAT_NOT_FOUND", "CHAT_NOT_READY", "REQUEST_ID_REUSED")
_EVENTS = "text/event-stream"
_EXAMPLE = (
    'event: passages\ndata: {"conversation_id": "…", "passages": […], "…": "…"}\n\n'
    'event: token\ndata: {"text": "That it was "}\n\n'
    'event: usage\ndata: {"model": "gpt-5-mini", "charged_amount": 5, "…": "…"}\n\n'
)
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; as events when `Accept` names text/event-stream",
        "content": {_EVENTS: {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


@router.get(
    "/api/chats/{chat_id}/vector-status", tags=["chats"], responses=errors(400, 401, "CHAT_NOT_FOUND")
)
async def get_vector_status(chat_id: str, user_id: CurrentUser, services: Backends) -> models.VectorStatus:
    """Answer the state of a chat's search index; the first question makes it."""
    request = chat_pb2.GetIndexStatusRequest(user_id=user_id, chat_id=chat_id)
    answer = await services.caller.call(services.chats.GetIndexStatus, request)
    return rag_views.vector_status(answer.index)


@router.post(
    "/api/rag/query",
    response_model=models.QueryAnswer,
    responses={**_ANSWERS, **errors(400, 401, *_FAILS, "CONVERSATION_NOT_FOUND")},
)
async def query_chat(
    question: models.QueryRequest,
    user_id: CurrentUser,
    _: answers.QuestionSlot,
    request_id: RequestId,
    services: Backends,
    request: Request,
) -> models.QueryAnswer | Response:
    """Ask a question of a chat; answered as JSON, or as server-sent events when `Accept` asks for them.

    Where questions have a price, the coins are reserved before, charged when the answer is complete, and
    released when it fails or the client goes away.
    """
    settings: GatewaySettings = request.app.state.settings
    asked = chat_pb2.AskChatRequest(
        user_id=user_id,
        chat_id=question.chat_id,
        question=question.question,
        conversation_id=question.conversation_id,
        authors=question.authors,
        from_local_time=question.from_local_time,
        to_local_time=question.to_local_time,
        passage_count=question.passage_count,
        request_id=request_id,
    )
    parts = answers.ask(services, asked, settings.gateway_ask_timeout_s)
    if _EVENTS in request.headers.get("accept", ""):
        return await answers.streamed(parts)
    return await answers.whole(parts, request)


@router.post(
    "/api/rag/generate",
    deprecated=True,
    responses=errors(400, 401, *_FAILS, "CATEGORY_NOT_FOUND", "NOTHING_TO_UNLOCK"),
)
async def generate_insight(
    order: models.GenerateRequest,
    user_id: CurrentUser,
    request_id: RequestId,
    services: Backends,
    request: Request,
) -> models.Insight:
    """Unlock a category and answer one of its insights at once; use POST /api/insights/unlock instead.

    The same coins and rules as there: an insight that is unlocked is answered and costs nothing. When it
    takes too long the job goes on, and the same Idempotency-Key asks for it again.
    """
    settings: GatewaySettings = request.app.state.settings
    return await generate(services, user_id, request_id, order, settings.gateway_generate_timeout_s)
