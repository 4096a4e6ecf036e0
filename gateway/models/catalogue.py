"""What can be unlocked."""

from pydantic import BaseModel, Field

from gateway.models.base import example


class Category(BaseModel):
    """A bundle of insights on sale."""

    model_config = example(
        category_id="romantic",
        title="Romantic",
        description="What the two of you write, and when",
        price=400,
        insight_type_count=8,
    )

    category_id: str
    title: str
    description: str
    price: int = Field(description="coins that unlocking it for one chat costs")
    insight_type_count: int


class Categories(BaseModel):
    """The categories on sale, in the catalogue's order."""

    categories: list[Category]


class InsightType(BaseModel):
    """A kind of insight."""

    insight_type_id: str = Field(examples=["response_times"])
    title: str
    description: str
    chart: str = Field(description="how its data wants to be drawn", examples=["heatmap"])


class CategoryInsights(BaseModel):
    """What a category holds, in the catalogue's order."""

    category: Category
    insight_types: list[InsightType]
