"""Circles of a group: people who all follow each other more often than chance would have it."""

from collections import Counter
from collections.abc import Iterator, Sequence

MIN_PEOPLE = 4
"""In a smaller group a circle of three says nothing."""
MIN_CIRCLE = 3
MIN_LIFT = 1.2
"""How many times more often than by chance two people must follow each other."""
MIN_PAIR_REPLIES = 5

Edges = Counter[tuple[int, int]]


def find_circles(edges: Edges, people: Sequence[int]) -> list[tuple[tuple[int, ...], int]]:
    """The largest sets of three or more of whom every two are close, with the replies within; most first.

    By chance two people would follow each other in proportion to how often each follows and is followed.
    """
    if len(people) < MIN_PEOPLE:
        return []
    near = _neighbours(edges, people)
    found = [tuple(sorted(circle)) for circle in _cliques(set(), set(near), set(), near)]
    circles = [(circle, _within(edges, circle)) for circle in found if len(circle) >= MIN_CIRCLE]
    return sorted(circles, key=lambda circle: (-circle[1], circle[0]))


def _neighbours(edges: Edges, people: Sequence[int]) -> dict[int, set[int]]:
    total = edges.total()
    given, received = Counter[int](), Counter[int]()
    for (by, to), count in edges.items():
        given[by] += count
        received[to] += count

    def by_chance(by: int, to: int) -> float:
        """Nobody follows themselves: the rest is divided among the others."""
        others = total - received[by]
        return given[by] * received[to] / others if others else 0.0

    near: dict[int, set[int]] = {person: set() for person in people}
    for one in people:
        for two in people:
            replies = edges[one, two] + edges[two, one]
            chance = by_chance(one, two) + by_chance(two, one)
            if one != two and replies >= MIN_PAIR_REPLIES and replies >= MIN_LIFT * chance:
                near[one].add(two)
    return near


def _cliques(
    circle: set[int], candidates: set[int], done: set[int], near: dict[int, set[int]]
) -> Iterator[set[int]]:
    """Bron and Kerbosch with a pivot; of twenty people there are at most 3^(20/3), about 1,500."""
    if not candidates and not done:
        yield circle
        return
    pivot = max(sorted(candidates | done), key=lambda person: len(near[person] & candidates))
    for person in sorted(candidates - near[pivot]):
        yield from _cliques(circle | {person}, candidates & near[person], done & near[person], near)
        candidates = candidates - {person}
        done = done | {person}


def _within(edges: Edges, circle: Sequence[int]) -> int:
    return sum(edges[one, two] for one in circle for two in circle)
