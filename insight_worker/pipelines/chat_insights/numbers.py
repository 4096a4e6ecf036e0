"""Plain statistics over small lists; every answer is finite."""

from collections.abc import Iterable, Sequence
from math import log
from statistics import median as _median


def rounded(value: float, digits: int = 2) -> float:
    """A number for people and charts."""
    return round(float(value), digits)


def share(part: float, whole: float) -> float:
    """part / whole with six digits; 0 when there is no whole."""
    return round(part / whole, 6) if whole else 0.0


def per_hundred(part: float, whole: float) -> float:
    """How many there are to every hundred; 0 when there is no whole."""
    return round(100 * part / whole, 2) if whole else 0.0


def mean(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return sum(values) / len(values) if values else None


def median(values: Sequence[float]) -> float | None:
    """The middle value; None of nothing."""
    return float(_median(values)) if values else None


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The smallest value that at least `percent` per cent of the values do not exceed (nearest rank)."""
    if not values:
        return None
    rank = -(-len(values) * percent // 100)
    return float(sorted(values)[max(rank, 1) - 1])


def gini(values: Sequence[int]) -> float:
    """Inequality: 0 when all are equal, near 1 when one of many has all."""
    total, count = sum(values), len(values)
    if not total:
        return 0.0
    weighted = sum(place * value for place, value in enumerate(sorted(values), start=1))
    return round(2 * weighted / (count * total) - (count + 1) / count, 6)


def evenness(values: Iterable[int]) -> float:
    """Shannon entropy over its maximum: 1 when all are equal, 0 when one has all or is alone."""
    present = [value for value in values if value]
    total = sum(present)
    if len(present) < 2:
        return 0.0
    entropy = -sum(value / total * log(value / total) for value in present)
    return round(min(entropy / log(len(present)), 1.0), 6)
