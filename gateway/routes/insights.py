"""Insights: order them, follow the work, read them."""

from fastapi import APIRouter, Response

from gateway import models, views
from gateway.auth import CurrentUser
from gateway.idempotency import RequestId
from gateway.openapi import errors
from gateway.services import Backends
from protos.insight.v1 import insight_pb2

router = APIRouter(prefix="/api/insights", tags=["insights"])


@router.post("/unlock", status_code=202, responses=errors(400, 401, 402, 404, 409, 413))
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
    """
    request = insight_pb2.UnlockRequest(
        user_id=user_id, chat_id=order.chat_id, category_id=order.category_id, request_id=request_id
    )
    answer = await services.caller.call(services.insights.Unlock, request)
    response.headers["Location"] = f"/api/insights/jobs/{answer.job.job_id}/status"
    return views.job(answer.job)


@router.get("/jobs/{job_id}/status", responses=errors(400, 401, 404))
async def get_job_status(job_id: str, user_id: CurrentUser, services: Backends) -> models.Job:
    """Answer a job's state, progress and totals."""
    request = insight_pb2.GetJobRequest(user_id=user_id, job_id=job_id)
    answer = await services.caller.call(services.insights.GetJob, request)
    return views.job(answer.job)


@router.post("/jobs/{job_id}/cancel", responses=errors(400, 401, 404, 409))
async def cancel_job(job_id: str, user_id: CurrentUser, services: Backends) -> models.Job:
    """Ask a job to stop: one that waits ends at once, a running one at its next step."""
    request = insight_pb2.CancelJobRequest(user_id=user_id, job_id=job_id)
    answer = await services.caller.call(services.insights.CancelJob, request)
    return views.job(answer.job)


@router.get("/chats/{chat_id}", responses=errors(400, 401, 404))
async def list_chat_insights(chat_id: str, user_id: CurrentUser, services: Backends) -> models.ChatInsights:
    """List the unlocked insights of a chat; those that are not paid yet are hidden."""
    request = insight_pb2.ListInsightsRequest(user_id=user_id, chat_id=chat_id)
    answer = await services.caller.call(services.insights.ListInsights, request)
    return models.ChatInsights(chat_id=chat_id, insights=[views.insight(row) for row in answer.insights])
