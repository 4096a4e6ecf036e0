"""Figures with their spread, and the table and file they end up in."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS_FILE = Path(__file__).with_name("results.json")


@dataclass
class Series:
    """One figure, measured in several rounds."""

    name: str
    unit: str
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.values)

    def spread(self) -> str:
        """The least and the most of the rounds."""
        return f"{_short(min(self.values))} to {_short(max(self.values))}"


@dataclass
class Row:
    """One line of the table: a figure, its baseline, and the bar for the ratio."""

    what: str
    figure: Series
    baseline: Series | None = None
    bar: str = ""
    note: str = ""

    def ratio(self) -> float | None:
        """The figure in terms of its baseline."""
        return None if self.baseline is None else self.figure.median / self.baseline.median


def show(rows: Sequence[Row], conditions: Sequence[str]) -> None:
    """Print the table with medians, spreads and ratios, and under which conditions it was measured."""
    table = Table(title="Holdfast benchmarks (medians; spread over the rounds)", title_justify="left")
    for heading in ("what", "median", "spread", "baseline", "ratio", "bar"):
        table.add_column(heading, justify="left" if heading in ("what", "baseline", "bar") else "right")
    for row in rows:
        ratio = row.ratio()
        table.add_row(
            row.what,
            f"{_short(row.figure.median)} {row.figure.unit}",
            row.figure.spread(),
            f"{row.baseline.name}: {_short(row.baseline.median)}" if row.baseline else "",
            f"{ratio:.2f}" if ratio is not None else "",
            row.bar,
        )
    console = Console(width=150)
    console.print(table)
    for condition in (*conditions, *(f"{row.what}: {row.note}" for row in rows if row.note)):
        console.print(condition, style="dim", markup=False)


def save(rows: Sequence[Row], conditions: Sequence[str]) -> None:
    """Write everything measured to results.json; rows of another run with other names stay."""
    before = json.loads(RESULTS_FILE.read_text()) if RESULTS_FILE.exists() else {"rows": []}
    fresh = [{**asdict(row), "ratio": row.ratio(), "conditions": list(conditions)} for row in rows]
    names = {row["what"] for row in fresh}
    kept = [row for row in before["rows"] if row["what"] not in names]
    RESULTS_FILE.write_text(json.dumps({"rows": kept + fresh}, indent=1) + "\n")


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
