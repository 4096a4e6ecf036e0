"""insight.v1.InsightService: checks requests, calls the services, answers messages."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from chat_service.catalogue.service import list_categories, list_insight_types
from chat_service.insights.messages import category_message, insight_message, insight_type_message
from chat_service.insights.service import InsightReader
from chat_service.jobs.cancel import CancelService
from chat_service.jobs.context import JobContext
from chat_service.jobs.messages import job_message
from chat_service.jobs.orders import Order
from chat_service.jobs.service import JobService
from chat_service.jobs.unlock import UnlockService
from chat_service.jobs.watch import watch
from protos.insight.v1 import insight_pb2 as pb
from protos.insight.v1 import insight_pb2_grpc
from servicekit.validation import text_field, user_id_field, uuid_field


@dataclass(frozen=True)
class InsightServices:
    """What the servicer calls."""

    context: JobContext
    unlocks: UnlockService
    cancels: CancelService
    jobs: JobService
    insights: InsightReader


def _category_id_field(value: str) -> str:
    return text_field("category_id", value, min_chars=1, max_chars=64)


class InsightServicer(insight_pb2_grpc.InsightServiceServicer):
    """Serves the apps."""

    def __init__(self, services: InsightServices) -> None:
        """Take what does the work."""
        self._services = services

    async def ListCategories(  # noqa: N802  # named by the contract, as all below
        self, request: pb.ListCategoriesRequest, context: Any
    ) -> pb.ListCategoriesResponse:
        """List the categories on sale."""
        shop = self._services.context
        rows = await list_categories(shop.core.sessions, with_model=shop.policy.with_model)
        return pb.ListCategoriesResponse(
            categories=[category_message(row.category, row.price, row.insight_type_count) for row in rows]
        )

    async def ListInsightTypes(  # noqa: N802
        self, request: pb.ListInsightTypesRequest, context: Any
    ) -> pb.ListInsightTypesResponse:
        """List the insight types of a category."""
        category_id = _category_id_field(request.category_id)
        shop = self._services.context
        offer = await list_insight_types(shop.core.sessions, category_id, with_model=shop.policy.with_model)
        return pb.ListInsightTypesResponse(
            insight_types=[insight_type_message(row) for row in offer.insight_types],
            category=category_message(offer.category, offer.price, len(offer.insight_types)),
        )

    async def Unlock(self, request: pb.UnlockRequest, context: Any) -> pb.UnlockResponse:  # noqa: N802
        """Order the insights of a category for a chat."""
        order = Order(
            user_id=user_id_field(request.user_id),
            chat_id=uuid_field("chat_id", request.chat_id),
            category_id=_category_id_field(request.category_id),
            request_id=uuid_field("request_id", request.request_id),
        )
        return pb.UnlockResponse(job=job_message(await self._services.unlocks.unlock(order)))

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.GetJobResponse:  # noqa: N802
        """Answer one job."""
        user_id = user_id_field(request.user_id)
        job = await self._services.jobs.get(user_id, uuid_field("job_id", request.job_id))
        return pb.GetJobResponse(job=job_message(job))

    async def WatchJob(  # noqa: N802
        self, request: pb.WatchJobRequest, context: Any
    ) -> AsyncIterator[pb.WatchJobResponse]:
        """Stream the job until it has ended."""
        user_id, job_id = user_id_field(request.user_id), uuid_field("job_id", request.job_id)
        async for job in watch(self._services.context, user_id, job_id):
            yield pb.WatchJobResponse(job=job)

    async def ListJobs(self, request: pb.ListJobsRequest, context: Any) -> pb.ListJobsResponse:  # noqa: N802
        """List the user's jobs, newest first."""
        jobs, token = await self._services.jobs.list_page(
            user_id_field(request.user_id),
            text_field("subject_id", request.subject_id, max_chars=128),
            request.page_size,
            request.page_token,
        )
        return pb.ListJobsResponse(jobs=[job_message(job) for job in jobs], next_page_token=token)

    async def CancelJob(self, request: pb.CancelJobRequest, context: Any) -> pb.CancelJobResponse:  # noqa: N802
        """Ask a job to stop."""
        user_id = user_id_field(request.user_id)
        job = await self._services.cancels.cancel(user_id, uuid_field("job_id", request.job_id))
        return pb.CancelJobResponse(job=job_message(job))

    async def ListInsights(  # noqa: N802
        self, request: pb.ListInsightsRequest, context: Any
    ) -> pb.ListInsightsResponse:
        """List the unlocked insights of a chat."""
        user_id = user_id_field(request.user_id)
        rows = await self._services.insights.list_unlocked(user_id, uuid_field("chat_id", request.chat_id))
        return pb.ListInsightsResponse(insights=[insight_message(*row) for row in rows])
