"""Draws the chart of a language model's answer, as the catalogue says."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..interface import JsonValue, ModelRecipe
from .charts import Chart, bars, heatmap, lines, table
from .wording import label

MAX_ITEMS = 50
"""Rows or bars; a schema should ask for fewer."""


def draw(recipe: ModelRecipe, answer: Mapping[str, Any]) -> Chart:
    """Answer the chart: a row, bar or point for each item of one list of the answer."""
    drawing: Mapping[str, Any] = recipe.drawing
    items: Sequence[Mapping[str, Any]] = answer[drawing["items"]][:MAX_ITEMS]
    titles = [str(column["title"]) for column in drawing["columns"]]
    fields = [str(column["field"]) for column in drawing["columns"]]
    if recipe.chart == "table":
        return table(titles, [[_cell(item[field]) for field in fields] for item in items])
    names = [label(str(item[drawing["label"]])) for item in items]
    unit = str(drawing["unit"])
    if recipe.chart == "heatmap":
        return heatmap(names, titles, [[item[field] for field in fields] for item in items], unit)
    series = [(title, [item[field] for item in items]) for title, field in zip(titles, fields, strict=True)]
    return bars(names, series, unit) if recipe.chart == "bars" else lines(names, series, unit)


def _cell(value: JsonValue) -> JsonValue:
    return label(value) if isinstance(value, str) else value
