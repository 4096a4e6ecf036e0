"""reply_graph: who writes after whom."""

from collections import Counter

from ..interface import InsightResult, JsonValue
from .charts import heatmap
from .definition import InsightType
from .digest import Digest
from .numbers import share
from .people import labels, leader, name, shown, unshown
from .wording import counted, listed, percent

MAX_GRAPH_AUTHORS = 20
LISTED_PAIRS = 10
LURKER_PART = 0.2
"""A lurker writes less than this part of an equal share; only among three people or more."""


def make(digest: Digest) -> InsightResult:
    """How often each author's turn follows another's, within sessions."""
    edges = Counter(
        (digest.authors[index], digest.authors[before]) for before, index in digest.conversation.replies()
    )
    people = shown(digest, MAX_GRAPH_AUTHORS)
    names = labels(digest, MAX_GRAPH_AUTHORS)
    given, received = Counter[int](), Counter[int]()
    for (by, to), count in edges.items():
        given[by] += count
        received[to] += count
    lurkers = _lurkers(digest)
    pairs = _pairs(edges)
    data: dict[str, JsonValue] = {
        "chart": heatmap(names, names, [[edges[by, to] for to in people] for by in people], "replies"),
        "rows": [
            {
                "author": names[author],
                "given": given[author],
                "received": received[author],
                "mostly_to": _mostly(digest, author, edges),
            }
            for author in people
        ],
        "pairs": [
            {"authors": [name(digest, one), name(digest, two)], "replies": count}
            for (one, two), count in pairs[:LISTED_PAIRS]
        ],
        "others": {"authors": unshown(digest, MAX_GRAPH_AUTHORS)},
        "reply_count": edges.total(),
        "lurkers": [names[author] for author in lurkers if author < len(names)],
        "lurker_count": len(lurkers),
    }
    return InsightResult(data, _sentences(digest, edges, received, pairs, lurkers))


def _lurkers(digest: Digest) -> list[int]:
    if len(digest.names) < 3:
        return []
    bound = LURKER_PART * len(digest) / len(digest.names)
    return [author for author, count in enumerate(digest.counts) if count < bound]


def _pairs(edges: Counter[tuple[int, int]]) -> list[tuple[tuple[int, int], int]]:
    """Unordered pairs with the replies between them, most first."""
    pairs: Counter[tuple[int, int]] = Counter()
    for (by, to), count in edges.items():
        pairs[min(by, to), max(by, to)] += count
    return sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))


def _mostly(digest: Digest, author: int, edges: Counter[tuple[int, int]]) -> str | None:
    """Whom an author follows most often; None when two share that place."""
    others = [other for other in range(len(digest.names)) if edges[author, other]]
    to = leader(others, lambda other: edges[author, other])
    return None if to is None else name(digest, to)


def _sentences(
    digest: Digest,
    edges: Counter[tuple[int, int]],
    received: Counter[int],
    pairs: list[tuple[tuple[int, int], int]],
    lurkers: list[int],
) -> tuple[str, ...]:
    total = edges.total()
    if not pairs:
        return (
            "Nobody wrote after anybody else within six hours, so there is no graph to draw.",
            f"The {counted(len(digest), 'message')} stand each for themselves.",
        )
    (one, two), count = pairs[0]
    sentences = [f"Within conversations the word changed hands {counted(total, 'time')}."]
    if len(digest.names) == 2:
        sentences.append(f"It went back and forth between {name(digest, one)} and {name(digest, two)}.")
    else:
        sentences.append(
            f"{name(digest, one)} and {name(digest, two)} follow each other most often: {count:,} times, "
            f"{percent(share(count, total))} of all."
        )
        followed = leader(sorted(received), lambda author: received[author])
        if followed is not None:
            sentences.append(f"Most replies come after {name(digest, followed)}: {received[followed]:,}.")
    if lurkers:
        named = [name(digest, author) for author in lurkers[:5]]
        more = f" and {len(lurkers) - 5} more" if len(lurkers) > 5 else ""
        sentences.append(
            f"Mostly reading along: {', '.join(named)}{more}."
            if more
            else f"Mostly reading along: {listed(named)}."
        )
    return tuple(sentences)


INSIGHT = InsightType("reply_graph", make, min_authors=2)
