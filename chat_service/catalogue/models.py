"""The tables of what is on sale; `migrate` fills them from the catalogue file."""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Enum, ForeignKey, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chat_service.base import Base
from chat_service.catalogue.charge_mode import ChargeMode

#: Text with the mode's name; the CHECK is among the table's own.
CHARGE_MODE = Enum(ChargeMode, native_enum=False, length=16, create_constraint=False)
CHARGE_MODE_KNOWN = "charge_mode IN ('ALL_OR_NOTHING', 'WHAT_SUCCEEDED')"


class Category(Base):
    """A bundle of insights on sale."""

    __tablename__ = "categories"
    __table_args__ = (
        CheckConstraint("price >= 1", name="price_positive"),
        CheckConstraint(CHARGE_MODE_KNOWN, name="charge_mode_known"),
    )

    category_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(String(256))
    description: Mapped[str] = mapped_column(Text)
    #: Coins that unlocking all of it for one chat costs.
    price: Mapped[int] = mapped_column(BigInteger)
    charge_mode: Mapped[ChargeMode] = mapped_column(CHARGE_MODE, default=ChargeMode.ALL_OR_NOTHING)
    #: Which pipeline makes its insights, such as "chat_insights".
    kind: Mapped[str] = mapped_column(String(64))
    #: Its place in the list.
    position: Mapped[int]
    #: False once it has vanished from the file: jobs and insights still name it.
    active: Mapped[bool]


class InsightType(Base):
    """A kind of insight."""

    __tablename__ = "insight_types"
    __table_args__ = (
        CheckConstraint("price >= 1", name="price_positive"),
        CheckConstraint(
            "min_people >= 1 AND min_messages >= 1 AND (max_people IS NULL OR max_people >= min_people)",
            name="needs_fit",
        ),
        CheckConstraint(
            "(prompt IS NULL) = (result_schema IS NULL) AND (prompt IS NULL) = (drawing IS NULL)",
            name="model_made_or_not",
        ),
    )

    insight_type_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(String(256))
    description: Mapped[str] = mapped_column(Text)
    #: How its data wants to be drawn, such as "heatmap".
    chart: Mapped[str] = mapped_column(String(64))
    #: Coins; a category's price is divided among its types by it.
    price: Mapped[int] = mapped_column(BigInteger, default=1)
    min_people: Mapped[int] = mapped_column(default=1)
    #: None: any number.
    max_people: Mapped[int | None] = mapped_column(default=None)
    #: Messages by people, without system lines.
    min_messages: Mapped[int] = mapped_column(default=1)
    #: What a language model is asked for; None where no model is needed.
    prompt: Mapped[str | None] = mapped_column(Text, default=None)
    #: The computed insights that the model is told as facts.
    statistics: Mapped[list[str]] = mapped_column(JSONB, default=list)
    #: JSON schema of the model's answer, as text: the order of its properties matters.
    result_schema: Mapped[str | None] = mapped_column(Text, default=None)
    #: How the chart is drawn from the answer.
    drawing: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True), default=None)
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
