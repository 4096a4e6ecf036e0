"""The catalogue file: what is on sale, as data. Checked as a whole before anything of it is stored."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from chat_service.catalogue import result_schema

_Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_Title = Annotated[str, StringConstraints(min_length=1, max_length=256)]
_Text = Annotated[str, StringConstraints(max_length=1_024)]
_Prompt = Annotated[str, StringConstraints(min_length=1, max_length=8_000, strip_whitespace=True)]
_Coins = Annotated[int, Field(ge=1, le=10**12)]
_People = Annotated[int, Field(ge=1, le=1_000)]

Chart = Literal["heatmap", "bars", "line", "table"]
ChargeMode = Literal["all_or_nothing", "what_succeeded"]


class CatalogueError(Exception):
    """The catalogue file cannot be used; says which file, which entry, and why."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Entry):
    """What is drawn of each item: a field of it, under a title."""

    title: _Title
    field: str


class Drawing(_Entry):
    """How the chart is drawn from a model's answer: one row or bar for each item of one of its lists."""

    items: str
    #: The field that names an item; a table need not have one.
    label: str | None = None
    columns: list[Column] = Field(min_length=1, max_length=12)
    unit: Annotated[str, StringConstraints(max_length=64)] = ""


class InsightTypeEntry(_Entry):
    """An insight type as the file has it; one with a prompt is made by a language model."""

    id: _Id
    title: _Title
    description: _Text
    chart: Chart
    price: _Coins = 1
    min_people: _People = 1
    max_people: _People | None = None
    min_messages: int = Field(1, ge=1, le=10**9)
    prompt: _Prompt | None = None
    statistics: list[_Id] = Field(default=[], max_length=20)
    #: JSON text, with the definition of a quote once it is read.
    result_schema: str | None = None
    drawing: Drawing | None = None

    @field_validator("result_schema")
    @classmethod
    def _is_schema(cls, value: str | None) -> str | None:
        return None if value is None else json.dumps(result_schema.parse(value), ensure_ascii=False)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.max_people is not None and self.max_people < self.min_people:
            raise ValueError(f"max_people is {self.max_people}, less than min_people, {self.min_people}")
        for name in ("result_schema", "drawing"):
            if (getattr(self, name) is None) != (self.prompt is None):
                raise ValueError(f"prompt and {name} go together")
        if self.prompt is None and self.statistics:
            raise ValueError("statistics are facts for a prompt, and there is none")
        if self.drawing is not None and self.result_schema is not None:
            _check_drawing(self.chart, self.drawing, json.loads(self.result_schema))
        return self


def _check_drawing(chart: Chart, drawing: Drawing, schema: Mapping[str, object]) -> None:
    fields = result_schema.item_fields(schema, drawing.items)
    used = [column.field for column in drawing.columns]
    if drawing.label is None and chart != "table":
        raise ValueError(f"drawing: {chart} needs a label")
    for field in (*used, *([drawing.label] if drawing.label else [])):
        if field not in fields:
            raise ValueError(f"drawing: {drawing.items} have no plain field {field}")
    if chart != "table":
        for field in used:
            if fields[field] not in ("integer", "number"):
                raise ValueError(f"drawing: {field} is no number, which {chart} needs")


class CategoryEntry(_Entry):
    """A category as the file has it; its insight types stand in the order they are shown."""

    id: _Id
    title: _Title
    description: _Text
    #: Absent: what its types cost together.
    price: _Coins | None = None
    charge: ChargeMode = "all_or_nothing"
    kind: _Id
    insight_types: list[_Id] = Field(min_length=1, max_length=100)


class Catalogue(_Entry):
    """The whole file, in the order it is shown."""

    category: list[CategoryEntry] = Field(min_length=1, max_length=100)
    insight_type: list[InsightTypeEntry] = Field(min_length=1, max_length=1_000)

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        known = {entry.id: entry for entry in self.insight_type}
        _refuse_repeated("insight_type", [entry.id for entry in self.insight_type])
        _refuse_repeated("category", [entry.id for entry in self.category])
        for entry in self.insight_type:
            _check_statistics(entry, known)
        for category in self.category:
            _refuse_repeated(f"category {category.id}: insight_types", category.insight_types)
            for name in category.insight_types:
                if name not in known:
                    raise ValueError(f"category {category.id}: there is no insight_type {name}")
            if category.charge == "all_or_nothing":
                _check_people(category.id, [known[name] for name in category.insight_types])
        return self

    def price_of(self, category: CategoryEntry) -> int:
        """Answer what unlocking all of a category costs."""
        if category.price is not None:
            return category.price
        return sum(entry.price for entry in self.insight_type if entry.id in category.insight_types)


def _check_statistics(entry: InsightTypeEntry, known: Mapping[str, InsightTypeEntry]) -> None:
    for name in entry.statistics:
        if name not in known or known[name].prompt is not None:
            raise ValueError(f"insight_type {entry.id}: statistics: {name} is no computed insight_type")


def _check_people(category_id: str, types: Sequence[InsightTypeEntry]) -> None:
    """Refuse a bundle of which no chat could get all: it would fail for everybody."""
    most = max(types, key=lambda entry: entry.min_people)
    limited = [entry for entry in types if entry.max_people is not None]
    least = min(limited, key=lambda entry: entry.max_people or 0, default=most)
    if least.max_people is not None and least.max_people < most.min_people:
        raise ValueError(
            f"category {category_id}: no chat can have all of it: {least.id} takes at most "
            f"{least.max_people} people and {most.id} at least {most.min_people}"
        )


def _refuse_repeated(where: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{where}: {name} stands there more than once")


def read_catalogue(path: Path) -> Catalogue:
    """Read and check the file; raises `CatalogueError` that names the file and the entry."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{path}: {error}") from error
    try:
        return Catalogue.model_validate(content)
    except ValidationError as error:
        found = "; ".join(_described(content, problem["loc"], problem["msg"]) for problem in error.errors())
        raise CatalogueError(f"{path}: {found}") from error


def _described(content: dict[str, object], place: tuple[int | str, ...], problem: str) -> str:
    """Name the entry by its id where it has one, for a person who looks for it in the file."""
    names = [str(part) for part in place]
    if len(place) > 1 and isinstance(place[1], int):
        entries = content[str(place[0])]
        entry = entries[place[1]] if isinstance(entries, list) else None
        if isinstance(entry, dict) and "id" in entry:
            names[1] = str(entry["id"])
    return f"{'.'.join(names)}: {problem}" if names else problem
