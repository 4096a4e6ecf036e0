"""Insights: order them, follow the work, read them."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from gateway import models, views
from gateway.auth import CurrentUser
from gateway.caching import PRIVATE, cached
from gateway.event_streams import EventStream, StreamSlot
from gateway.idempotency import RequestId
from gateway.job_events import EVENT, JobEvents, event_id, has_ended
from gateway.openapi import NOT_MODIFIED, errors
from gateway.services import Backends
from gateway.settings import GatewaySettings
from protos.insight.v1 import insight_pb2

_EXAMPLE = """\
retry: 1000

id: 1772357471000000
event: job
data: {"job_id":"0197a3c4-11aa-7c3d-8e55-94b1d0c2f377","state":"RUNNING","progress":{"percent":50}}

: still here

"""

router = APIRouter(prefix="/api/insights", tags=["insights"])

_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "for Last-Event-ID"},
        "event": {"type": "string", "const": EVENT},
        "data": {"type": "string", "contentMediaType": "application/json", "description": "the job"},
        "retry": {"type": "integer", "minimum": 0},
    },
}
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A stream of events",
        "content": {"text/event-stream": {"schema": _EVENT, "example": _EXAMPLE}},
    },
    204: {"description": "The job has ended, and its last event was seen"},
}


@router.post(
    "/unlock",
    status_code=202,
    responses=errors(
        400,
        401,
        "INSUFFICIENT_CREDITS",
        "CHAT_NOT_FOUND",
        "CATEGORY_NOT_FOUND",
        "REQUEST_TIMEOUT",
        "REQUEST_ID_REUSED",
        "CHAT_NOT_READY",
        "NOTHING_TO_UNLOCK",
        "ACCOUNT_CLOSED",
        "BODY_TOO_LARGE",
    ),
)
async def unlock_category(
    order: models.UnlockRequest,
    user_id: CurrentUser,
    request_id: RequestId,
    services: Backends,
    response: Response,
) -> models.Job:
    """Order a category's insights for a chat; `Location` is where the job can be followed.

    The coins are reserved now, charged when all insights are made, and released when that fails. In a
    category with `charge_mode` WHAT_SUCCEEDED what was made is charged, and the rest released.

    A job in state RESERVING is an order whose coins are not reserved yet, because the ledger did not answer
    in time. It goes on by itself: to QUEUED, or to REJECTED when there are too few coins. From then on the
    same `Idempotency-Key` answers 402, though its first answer was 202; so follow the job, and take 202 for
    "ordered" and not for "paid".
    """
    request = insight_pb2.UnlockRequest(
        user_id=user_id, chat_id=order.chat_id, category_id=order.category_id, request_id=request_id
    )
    answer = await services.caller.call(services.insights.Unlock, request)
    response.headers["Location"] = f"/api/insights/jobs/{answer.job.job_id}/status"
    return views.job(answer.job)


@router.get("/jobs/{job_id}/status", responses=errors(400, 401, "JOB_NOT_FOUND"))
async def get_job_status(job_id: str, user_id: CurrentUser, services: Backends) -> models.Job:
    """Answer a job's state, progress and totals."""
    request = insight_pb2.GetJobRequest(user_id=user_id, job_id=job_id)
    answer = await services.caller.call(services.insights.GetJob, request)
    return views.job(answer.job)


@router.get(
    "/jobs/{job_id}/events",
    status_code=200,
    response_class=EventStream,
    responses=errors(400, 401, "JOB_NOT_FOUND") | _EVENTS,
)
async def follow_job(
    job_id: str,
    user_id: CurrentUser,
    _: StreamSlot,
    request: Request,
    services: Backends,
    last_event_id: Annotated[
        str, Header(description="the id of the last event that was seen: those after it come")
    ] = "",
) -> Response:
    """Follow a job as server-sent events: the job as it is, again after every change, until it has ended.

    Each event is named `job`, its data is what `status` answers, and its id goes into `Last-Event-ID` when
    the client comes again. Comments tell that a quiet stream lives. 204 means that there is nothing more to
    come: browsers stop asking then.
    """
    settings: GatewaySettings = request.app.state.settings
    job_events = JobEvents(services, user_id, job_id, settings.gateway_stream_max_s)
    job = await job_events.first()
    if has_ended(job) and event_id(job) == last_event_id:
        return Response(status_code=204)
    return EventStream(
        job_events.events(job, last_event_id),
        heartbeat_s=settings.gateway_heartbeat_s,
        max_s=settings.gateway_stream_max_s,
        draining=request.app.state.draining,
    )


@router.post("/jobs/{job_id}/cancel", responses=errors(400, 401, "JOB_NOT_FOUND", "JOB_NOT_CANCELLABLE"))
async def cancel_job(job_id: str, user_id: CurrentUser, services: Backends) -> models.Job:
    """Ask a job to stop: one that waits ends at once, a running one at its next step."""
    request = insight_pb2.CancelJobRequest(user_id=user_id, job_id=job_id)
    answer = await services.caller.call(services.insights.CancelJob, request)
    return views.job(answer.job)


@router.get(
    "/chats/{chat_id}",
    response_model=models.ChatInsights,
    responses=errors(400, 401, "CHAT_NOT_FOUND") | NOT_MODIFIED,
)
async def list_chat_insights(
    chat_id: str, user_id: CurrentUser, services: Backends, request: Request
) -> Response:
    """List the unlocked insights of a chat; those that are not paid yet are hidden.

    With `If-None-Match` it answers 304 while they are the same.
    """
    asked = insight_pb2.ListInsightsRequest(user_id=user_id, chat_id=chat_id)
    answer = await services.caller.call(services.insights.ListInsights, asked)
    insights = [views.insight(row) for row in answer.insights]
    return cached(request, models.ChatInsights(chat_id=chat_id, insights=insights), PRIVATE)
