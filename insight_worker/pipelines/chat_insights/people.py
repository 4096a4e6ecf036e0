"""Rows by author: who gets one, and what the rest adds up to."""

from collections.abc import Callable, Sequence

from .definition import MAX_AUTHORS
from .digest import Digest
from .wording import label, spoken

CLEAR_LEAD = 1.1
"""Nobody is named for a lead that chance could have made."""
MIN_NAMED_EVENTS = 5


def shown(digest: Digest, most: int = MAX_AUTHORS) -> range:
    """The authors that get a row: those with most messages, most first."""
    return range(min(len(digest.names), most))


def labels(digest: Digest, most: int = MAX_AUTHORS) -> list[str]:
    """Their names for charts."""
    return [label(digest.names[author]) for author in shown(digest, most)]


def unshown(digest: Digest, most: int = MAX_AUTHORS) -> int:
    """How many authors have no row."""
    return max(len(digest.names) - most, 0)


def rest_of(digest: Digest, values: Sequence[int], most: int = MAX_AUTHORS) -> int:
    """What the authors without a row add up to."""
    return sum(values[min(most, len(digest.names)) :])


def name(digest: Digest, author: int) -> str:
    """An author's name for a sentence."""
    return spoken(digest.names[author])


def leader(
    authors: Sequence[int], value: Callable[[int], float], events: Callable[[int], int] | None = None
) -> int | None:
    """The author whose value is highest by at least a tenth; None where nobody is so far ahead.

    Where the value is a rate, `events` says what it was made from: fewer than five make nobody the first.
    """
    ranked = sorted(((value(author), author) for author in authors), reverse=True)
    if not ranked or ranked[0][0] <= 0:
        return None
    if len(ranked) > 1 and ranked[0][0] < ranked[1][0] * CLEAR_LEAD:
        return None
    first = ranked[0][1]
    return first if events is None or events(first) >= MIN_NAMED_EVENTS else None
