"""The four shapes a chart's data comes in. Every insight's data holds one under the key "chart".

A reader that knows these four can draw every insight without knowing what it is about.
"""

from collections.abc import Sequence

from ..interface import JsonValue

Chart = dict[str, JsonValue]
Number = float | int | None
Series = Sequence[tuple[str, Sequence[Number]]]


def heatmap(
    rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[Number]], unit: str
) -> Chart:
    """A matrix: values[row][column]."""
    return {
        "type": "heatmap",
        "rows": list(rows),
        "columns": list(columns),
        "values": [list(row) for row in values],
        "unit": unit,
    }


def bars(labels: Sequence[str], series: Series, unit: str) -> Chart:
    """A bar for every label and series: series[n].values[label]."""
    return {"type": "bars", "labels": list(labels), "series": _series(series), "unit": unit}


def lines(labels: Sequence[str], series: Series, unit: str) -> Chart:
    """A line for every series over the labels; None where there is nothing to draw."""
    return {"type": "line", "labels": list(labels), "series": _series(series), "unit": unit}


def table(columns: Sequence[str], rows: Sequence[Sequence[JsonValue]]) -> Chart:
    """Rows of cells under column titles."""
    return {"type": "table", "columns": list(columns), "rows": [list(row) for row in rows]}


def _series(series: Series) -> list[JsonValue]:
    return [{"label": name, "values": list(values)} for name, values in series]
