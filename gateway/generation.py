"""One insight at once: orders its category, waits for the job, and answers the insight."""

from gateway import models, views
from gateway.errors import FieldRefused, Refused
from gateway.services import Services
from protos.insight.v1 import insight_pb2
from servicekit.errors import DeadlineExceeded, ServiceError


async def generate(
    services: Services, user_id: str, request_id: str, order: models.GenerateRequest, timeout_s: float
) -> models.Insight:
    """Answer the insight: the stored one where it is unlocked, else once it is made and paid.

    Coins and rules are those of Unlock, which this calls. Raises `ServiceError`, `FieldRefused` for an
    insight that the category does not have, and `Refused` with the reason of a job that did not succeed.
    """
    await _check(services, order)
    request = insight_pb2.UnlockRequest(
        user_id=user_id, chat_id=order.chat_id, category_id=order.category_id, request_id=request_id
    )
    try:
        job = (await services.caller.call(services.insights.Unlock, request)).job
    except ServiceError as error:
        if error.reason != "NOTHING_TO_UNLOCK" or error.metadata.get("state") != "UNLOCKED":
            raise
    else:
        await _wait(services, user_id, job.job_id, timeout_s)
    return await _read(services, user_id, order)


async def _check(services: Services, order: models.GenerateRequest) -> None:
    """Refuse what the order would not bring, before anything is paid."""
    request = insight_pb2.ListInsightTypesRequest(category_id=order.category_id)
    answer = await services.caller.call(services.insights.ListInsightTypes, request)
    if order.insight_type_id not in {one.insight_type_id for one in answer.insight_types}:
        raise FieldRefused("insight_type_id", "is no insight of this category", status=400)


async def _wait(services: Services, user_id: str, job_id: str, timeout_s: float) -> None:
    request = insight_pb2.WatchJobRequest(user_id=user_id, job_id=job_id)
    job = insight_pb2.Job()
    stream = services.caller.stream(services.insights.WatchJob, request, timeout_s=timeout_s)
    try:
        async for answer in stream:
            job = answer.job
    except DeadlineExceeded:
        raise DeadlineExceeded(
            f"job {job_id} is not done yet; it goes on, ask again with the same Idempotency-Key"
        ) from None
    if job.state != insight_pb2.JOB_STATE_COMPLETED:
        ended = views.job(job)
        code = ended.error.code if ended.error else f"JOB_{ended.state}"
        message = ended.error.message if ended.error else f"job {job_id} is {ended.state}"
        raise Refused(409, code, message, details={"job_id": job_id, "state": ended.state})


async def _read(services: Services, user_id: str, order: models.GenerateRequest) -> models.Insight:
    request = insight_pb2.ListInsightsRequest(user_id=user_id, chat_id=order.chat_id)
    answer = await services.caller.call(services.insights.ListInsights, request)
    for row in answer.insights:
        if row.insight_type.insight_type_id == order.insight_type_id:
            return views.insight(row)
    message = f"chat {order.chat_id} has no insight {order.insight_type_id}"
    raise Refused(404, "INSIGHT_NOT_FOUND", message, details={"insight_type_id": order.insight_type_id})
