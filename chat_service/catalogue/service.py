"""What is on sale."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.catalogue.models import Category, CategoryInsightType, InsightType
from chat_service.errors import CategoryNotFound
from servicekit.database import Sessions
from servicekit.retry import execute_in_transaction


@dataclass(frozen=True)
class CategoryOffer:
    """A category on sale and what it consists of, in the catalogue's order."""

    category: Category
    insight_types: Sequence[InsightType]


async def list_categories(sessions: Sessions) -> Sequence[tuple[Category, int]]:
    """Answer the categories on sale in the catalogue's order, each with its number of insight types."""
    return await execute_in_transaction(sessions, _categories)


async def list_insight_types(sessions: Sessions, category_id: str) -> CategoryOffer:
    """Answer a category with its insight types; raises `CategoryNotFound`."""
    return await execute_in_transaction(
        sessions, partial(get_category, category_id=category_id), "REPEATABLE READ"
    )


async def get_category(session: AsyncSession, category_id: str) -> CategoryOffer:
    """The same within the caller's transaction; raises `CategoryNotFound` also for one off sale."""
    found = await session.execute(
        select(Category).where(Category.category_id == category_id, Category.active)
    )
    category = found.scalar_one_or_none()
    if category is None:
        raise CategoryNotFound(category_id)
    types = await session.execute(
        select(InsightType)
        .join(CategoryInsightType, CategoryInsightType.insight_type_id == InsightType.insight_type_id)
        .where(CategoryInsightType.category_id == category_id, InsightType.active)
        .order_by(CategoryInsightType.position)
    )
    return CategoryOffer(category, types.scalars().all())


async def _categories(session: AsyncSession) -> Sequence[tuple[Category, int]]:
    counted = (
        select(CategoryInsightType.category_id, func.count().label("types"))
        .group_by(CategoryInsightType.category_id)
        .subquery()
    )
    rows = await session.execute(
        select(Category, counted.c.types)
        .join(counted, counted.c.category_id == Category.category_id)
        .where(Category.active)
        .order_by(Category.position)
    )
    return [(row[0], row[1]) for row in rows]
