"""The catalogue: what can be unlocked and what it costs."""

from fastapi import APIRouter

from gateway import models, views
from gateway.openapi import errors
from gateway.services import Backends
from protos.insight.v1 import insight_pb2

router = APIRouter(prefix="/api/categories", tags=["catalogue"])


@router.get("", responses=errors())
async def list_categories(services: Backends) -> models.Categories:
    """List the categories on sale with their prices."""
    answer = await services.caller.call(services.insights.ListCategories, insight_pb2.ListCategoriesRequest())
    return models.Categories(categories=[views.category(row) for row in answer.categories])


@router.get("/{category_id}/insights", responses=errors(400, 404))
async def list_insight_types(category_id: str, services: Backends) -> models.CategoryInsights:
    """List the insights that a category holds."""
    request = insight_pb2.ListInsightTypesRequest(category_id=category_id)
    answer = await services.caller.call(services.insights.ListInsightTypes, request)
    return models.CategoryInsights(
        category=views.category(answer.category),
        insight_types=[views.insight_type(row) for row in answer.insight_types],
    )
