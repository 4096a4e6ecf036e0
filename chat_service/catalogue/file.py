"""The catalogue file: what is on sale, as data. Checked as a whole before anything of it is stored."""

import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

_Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_Title = Annotated[str, StringConstraints(min_length=1, max_length=256)]
_Text = Annotated[str, StringConstraints(max_length=1_024)]


class CatalogueError(Exception):
    """The catalogue file cannot be used; says which file, which entry, and why."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InsightTypeEntry(_Entry):
    """An insight type as the file has it."""

    id: _Id
    title: _Title
    description: _Text
    chart: _Id


class CategoryEntry(_Entry):
    """A category as the file has it; its insight types stand in the order they are shown."""

    id: _Id
    title: _Title
    description: _Text
    price: int = Field(ge=1, le=10**12)
    kind: _Id
    insight_types: list[_Id] = Field(min_length=1, max_length=100)


class Catalogue(_Entry):
    """The whole file, in the order it is shown."""

    category: list[CategoryEntry] = Field(min_length=1, max_length=100)
    insight_type: list[InsightTypeEntry] = Field(min_length=1, max_length=1_000)

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        known = [entry.id for entry in self.insight_type]
        _refuse_repeated("insight_type", known)
        _refuse_repeated("category", [entry.id for entry in self.category])
        for category in self.category:
            _refuse_repeated(f"category {category.id}: insight_types", category.insight_types)
            for name in category.insight_types:
                if name not in known:
                    raise ValueError(f"category {category.id}: there is no insight_type {name}")
        return self


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
