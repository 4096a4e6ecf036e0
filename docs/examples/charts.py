"""Draws an insight's chart in a terminal: heatmaps, bars, lines and tables from the numbers in its data."""

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_SPARKS = "▁▂▃▄▅▆▇█"
_HEAT = ("grey19", "dark_green", "green4", "green3", "chartreuse2", "yellow2")
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red", "white")
_BAR_WIDTH = 32
_LABEL_WIDTH = 22
_MAX_ROWS = 10
_MAX_POINTS = 60


def draw(chart: dict[str, Any]) -> RenderableType:
    """Answer the picture of a chart: its `type` says which of the four kinds it is."""
    return {"heatmap": _heatmap, "bars": _bars, "line": _line, "table": _table}[chart["type"]](chart)


def _heatmap(chart: dict[str, Any]) -> RenderableType:
    values: list[list[float]] = chart["values"][:_MAX_ROWS]
    most = max((max(row, default=0) for row in values), default=0) or 1
    columns: list[str] = chart["columns"]
    # Many columns are hours: blocks side by side. Few are people or kinds: their numbers fit in.
    dense = len(columns) > _MAX_ROWS
    width = 3 if dense else 14
    head = "".join(set_cell_size(column[: width - 1], width) for column in columns)
    lines = [Text(" " * _LABEL_WIDTH + head, "dim")]
    for label, row in zip(chart["rows"], values, strict=False):
        line = Text(_label(label))
        for value in row:
            shown = "██ " if dense else f"██ {value:,g}"
            line.append(shown.ljust(width), _HEAT[round(value / most * (len(_HEAT) - 1))])
        lines.append(line)
    return Group(*lines, Text(f"{' ' * _LABEL_WIDTH}brightest: {most:,g} {chart['unit']}", "dim"))


def _bars(chart: dict[str, Any]) -> RenderableType:
    series: list[dict[str, Any]] = chart["series"]
    most = max((abs(v) for s in series for v in s["values"] if v is not None), default=0) or 1
    lines = []
    for row, label in enumerate(chart["labels"][:_MAX_ROWS]):
        for number, one in enumerate(series):
            value = one["values"][row]
            line = Text(_label(label if number == 0 else ""))
            if value is not None:
                bar = "█" * max(round(abs(value) / most * _BAR_WIDTH), 1 if value else 0)
                line.append(bar, _COLOURS[number % len(_COLOURS)])
                line.append(f" {value:,g}" + (f" {one['label']}" if len(series) > 1 else ""), "dim")
            lines.append(line)
    return Group(*lines, Text(f"{' ' * _LABEL_WIDTH}{chart['unit']}", "dim"))


def _line(chart: dict[str, Any]) -> RenderableType:
    lines = []
    for number, one in enumerate(chart["series"][:_MAX_ROWS]):
        line = Text(_label(one["label"]))
        line.append(sparkline(one["values"]), _COLOURS[number % len(_COLOURS)])
        lines.append(line)
    labels = chart["labels"] or [""]
    foot = f"{labels[0]} to {labels[-1]}, {chart['unit']}"
    return Group(*lines, Text(" " * _LABEL_WIDTH + foot, "dim"))


def sparkline(values: Sequence[float | None]) -> str:
    """Answer one character a value, higher for more; a gap where there is none. Long series are thinned."""
    if len(values) > _MAX_POINTS:
        values = [values[i * len(values) // _MAX_POINTS] for i in range(_MAX_POINTS)]
    there = [value for value in values if value is not None]
    least, most = min(there, default=0), max(there, default=0)
    span = (most - least) or 1
    return "".join(
        " " if value is None else _SPARKS[round((value - least) / span * (len(_SPARKS) - 1))]
        for value in values
    )


def _table(chart: dict[str, Any]) -> RenderableType:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for heading in chart["columns"]:
        table.add_column(str(heading), overflow="ellipsis", no_wrap=True, max_width=44)
    for row in chart["rows"][:_MAX_ROWS]:
        table.add_row(*("" if cell is None else _cell(cell) for cell in row))
    return table


def _cell(value: object) -> str:
    return f"{value:,g}" if isinstance(value, int | float) else str(value)


def _label(text: str) -> str:
    return set_cell_size(set_cell_size(text, min(_LABEL_WIDTH - 1, cell_len(text))), _LABEL_WIDTH)
