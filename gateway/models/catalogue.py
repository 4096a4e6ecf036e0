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
        charge_mode="ALL_OR_NOTHING",
    )

    category_id: str
    title: str
    description: str
    price: int = Field(description="coins that unlocking it for one chat costs, at most")
    insight_type_count: int
    charge_mode: str = Field(
        description="ALL_OR_NOTHING: charged only when all insights are made; WHAT_SUCCEEDED: charged for "
        "those that are made"
    )


class Categories(BaseModel):
    """The categories on sale, in the catalogue's order."""

    categories: list[Category]


class InsightType(BaseModel):
    """A kind of insight."""

    insight_type_id: str = Field(examples=["response_times"])
    title: str
    description: str
    chart: str = Field(description="how its data wants to be drawn", examples=["heatmap"])
    price: int = Field(
        description="coins; a category's price is divided among its types by it", examples=[40]
    )
    min_people: int = Field(description="least people that must have written", examples=[2])
    max_people: int | None = Field(description="most people that may have; null: any number", examples=[2])
    min_messages: int = Field(description="least messages by people", examples=[20])
    model_made: bool = Field(description="whether a language model makes it; else it is computed")


class CategoryInsights(BaseModel):
    """What a category holds, in the catalogue's order."""

    category: Category
    insight_types: list[InsightType]
