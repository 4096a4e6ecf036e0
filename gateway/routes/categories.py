"""The catalogue: what can be unlocked and what it costs."""

from fastapi import APIRouter, Request, Response

from gateway import models, views
from gateway.caching import PUBLIC, cached
from gateway.openapi import NOT_MODIFIED, errors
from gateway.services import Backends
from protos.insight.v1 import insight_pb2

router = APIRouter(prefix="/api/categories", tags=["catalogue"])


@router.get("", response_model=models.Categories, responses=errors() | NOT_MODIFIED)
async def list_categories(services: Backends, request: Request) -> Response:
    """List the categories on sale with their prices. May be kept for a minute."""
    answer = await services.caller.call(services.insights.ListCategories, insight_pb2.ListCategoriesRequest())
    categories = [views.category(row) for row in answer.categories]
    return cached(request, models.Categories(categories=categories), PUBLIC)


@router.get(
    "/{category_id}/insights",
    response_model=models.CategoryInsights,
    responses=errors(400, "CATEGORY_NOT_FOUND") | NOT_MODIFIED,
)
async def list_insight_types(category_id: str, services: Backends, request: Request) -> Response:
    """List the insights that a category holds. May be kept for a minute."""
    asked = insight_pb2.ListInsightTypesRequest(category_id=category_id)
    answer = await services.caller.call(services.insights.ListInsightTypes, asked)
    body = models.CategoryInsights(
        category=views.category(answer.category),
        insight_types=[views.insight_type(row) for row in answer.insight_types],
    )
    return cached(request, body, PUBLIC)
