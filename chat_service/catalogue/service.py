"""What is on sale."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.catalogue.models import Category, CategoryInsightType, InsightType
from chat_service.catalogue.prices import share
from chat_service.errors import CategoryNotFound
from servicekit.database import Sessions
from servicekit.retry import execute_in_transaction


@dataclass(frozen=True)
class CategoryOffer:
    """A category on sale and what it consists of, in the catalogue's order."""

    category: Category
    #: Coins: the part of the category's price for the types that are on sale.
    price: int
    insight_types: Sequence[InsightType]


@dataclass(frozen=True)
class CategoryListing:
    """A category on sale, and how many insight types it has."""

    category: Category
    price: int
    insight_type_count: int


async def list_categories(sessions: Sessions, *, with_model: bool) -> Sequence[CategoryListing]:
    """Answer the categories on sale in the catalogue's order; `with_model`: there is a model to ask."""
    return await execute_in_transaction(sessions, partial(_categories, with_model=with_model))


async def list_insight_types(sessions: Sessions, category_id: str, *, with_model: bool) -> CategoryOffer:
    """Answer a category with its insight types on sale; raises `CategoryNotFound`."""
    work = partial(get_category, category_id=category_id, with_model=with_model)
    return await execute_in_transaction(sessions, work, "REPEATABLE READ")


async def get_category(session: AsyncSession, category_id: str, *, with_model: bool) -> CategoryOffer:
    """The same within the caller's transaction.

    Raises `CategoryNotFound` also for a category off sale, and for one of which nothing is on sale.
    """
    found = await session.execute(
        select(Category).where(Category.category_id == category_id, Category.active)
    )
    category = found.scalar_one_or_none()
    types = await _types_of(session, category_id)
    offered = [one for one in types if with_model or one.prompt is None]
    if category is None or not offered:
        raise CategoryNotFound(category_id)
    return CategoryOffer(category, share(category.price, _worth(offered), _worth(types)), offered)


async def recipes(session: AsyncSession, insight_type_ids: Sequence[str]) -> Sequence[InsightType]:
    """Answer the types that the catalogue knows, in the given order; those off sale too."""
    found = await session.execute(
        select(InsightType).where(InsightType.insight_type_id.in_(insight_type_ids))
    )
    known = {one.insight_type_id: one for one in found.scalars()}
    return [known[name] for name in insight_type_ids if name in known]


async def _types_of(session: AsyncSession, category_id: str) -> Sequence[InsightType]:
    types = await session.execute(
        select(InsightType)
        .join(CategoryInsightType, CategoryInsightType.insight_type_id == InsightType.insight_type_id)
        .where(CategoryInsightType.category_id == category_id, InsightType.active)
        .order_by(CategoryInsightType.position)
    )
    return types.scalars().all()


def _worth(types: Iterable[InsightType]) -> int:
    return sum(one.price for one in types)


async def _categories(session: AsyncSession, *, with_model: bool) -> Sequence[CategoryListing]:
    offered = InsightType.active if with_model else InsightType.active & InsightType.prompt.is_(None)
    counted = (
        select(
            CategoryInsightType.category_id,
            func.count().filter(offered).label("types"),
            func.coalesce(func.sum(InsightType.price).filter(offered), 0).label("part"),
            func.sum(InsightType.price).label("whole"),
        )
        .join(InsightType, InsightType.insight_type_id == CategoryInsightType.insight_type_id)
        .where(InsightType.active)
        .group_by(CategoryInsightType.category_id)
        .subquery()
    )
    rows = await session.execute(
        select(Category, counted.c.types, counted.c.part, counted.c.whole)
        .join(counted, counted.c.category_id == Category.category_id)
        .where(Category.active, counted.c.types > 0)
        .order_by(Category.position)
    )
    # A sum of BIGINT is NUMERIC.
    return [
        CategoryListing(category, share(category.price, int(part), int(whole)), types)
        for category, types, part, whole in rows
    ]
