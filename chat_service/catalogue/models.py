"""The tables of what is on sale; `migrate` fills them from the catalogue file."""

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from chat_service.base import Base


class Category(Base):
    """A bundle of insights on sale."""

    __tablename__ = "categories"
    __table_args__ = (CheckConstraint("price >= 1", name="price_positive"),)

    category_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(String(256))
    description: Mapped[str] = mapped_column(Text)
    #: Coins that unlocking it for one chat costs.
    price: Mapped[int] = mapped_column(BigInteger)
    #: Which pipeline makes its insights, such as "chat_insights".
    kind: Mapped[str] = mapped_column(String(64))
    #: Its place in the list.
    position: Mapped[int]
    #: False once it has vanished from the file: jobs and insights still name it.
    active: Mapped[bool]


class InsightType(Base):
    """A kind of insight."""

    __tablename__ = "insight_types"

    insight_type_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(String(256))
    description: Mapped[str] = mapped_column(Text)
    #: How its data wants to be drawn, such as "heatmap".
    chart: Mapped[str] = mapped_column(String(64))
    #: Its place in the list of all.
    position: Mapped[int]
    #: False once it has vanished from the file: insights still name it.
    active: Mapped[bool]


class CategoryInsightType(Base):
    """An insight type in a category; a type may be in several."""

    __tablename__ = "category_insight_types"

    category_id: Mapped[str] = mapped_column(ForeignKey("categories.category_id"), primary_key=True)
    insight_type_id: Mapped[str] = mapped_column(
        ForeignKey("insight_types.insight_type_id"), primary_key=True
    )
    #: Its place within the category.
    position: Mapped[int]
