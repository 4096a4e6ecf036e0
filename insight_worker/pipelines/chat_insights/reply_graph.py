"""reply_graph: who writes after whom, who mentions whom, and who keeps together."""

from collections import Counter
from collections.abc import Mapping, Sequence

from ..interface import InsightResult, JsonValue
from .charts import heatmap
from .circles import find_circles
from .definition import InsightType
from .digest import Digest
from .numbers import share
from .people import labels, leader, name, shown, unshown
from .wording import counted, listed, percent

MAX_GRAPH_AUTHORS = 20
LISTED_PAIRS = 10
LISTED_CIRCLES = 5
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
    mentions, unknown = mentions_by_author(digest)
    circles = find_circles(edges, people)
    data: dict[str, JsonValue] = {
        "chart": heatmap(names, names, [[edges[by, to] for to in people] for by in people], "replies"),
        "rows": [
            {
                "author": names[author],
                "given": given[author],
                "received": received[author],
                "mostly_to": _mostly(digest, author, edges),
                "mentions": sum(count for (by, _), count in mentions.items() if by == author),
                "mentioned": sum(count for (_, to), count in mentions.items() if to == author),
            }
            for author in people
        ],
        "pairs": _groups(digest, pairs[:LISTED_PAIRS]),
        "others": {"authors": unshown(digest, MAX_GRAPH_AUTHORS)},
        "reply_count": edges.total(),
        "lurkers": [names[author] for author in lurkers if author < len(names)],
        "lurker_count": len(lurkers),
        "circles": _groups(digest, circles[:LISTED_CIRCLES]),
        "mention_count": sum(mentions.values()) + unknown,
        "unknown_mention_count": unknown,
    }
    sentences = _sentences(digest, edges, received, pairs, lurkers)
    return InsightResult(
        data, (*sentences, *_circle_sentence(digest, circles), *_mention_sentence(digest, mentions))
    )


def _groups(digest: Digest, groups: Sequence[tuple[Sequence[int], int]]) -> list[JsonValue]:
    """Pairs or circles, with the replies between their people."""
    return [
        {"authors": [name(digest, author) for author in group], "replies": count} for group, count in groups
    ]


def mentions_by_author(digest: Digest) -> tuple[Mapping[tuple[int, int], int], int]:
    """(who, whom) to number of mentions, and how many are of people who never wrote or cannot be told apart.

    A mention means whoever has this name, or, where only one has it, this first name.
    """
    by_name = {_plain_name(full): author for author, full in enumerate(digest.names)}
    first_names = Counter(_plain_name(full).split(" ")[0] for full in digest.names)
    for author, full in enumerate(digest.names):
        first = _plain_name(full).split(" ")[0]
        if first_names[first] == 1:
            by_name.setdefault(first, author)
    known, unknown = Counter[tuple[int, int]](), 0
    for (by, mentioned), count in digest.mentions.items():
        to = by_name.get(" ".join(mentioned.split()))
        if to is None:
            unknown += count
        else:
            known[by, to] += count
    return known, unknown


def _plain_name(full: str) -> str:
    return " ".join(full.lower().strip("~\u202f\u00a0 ").split())


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


def _circle_sentence(digest: Digest, circles: list[tuple[tuple[int, ...], int]]) -> tuple[str, ...]:
    if not circles:
        return ()
    named = listed([name(digest, author) for author in circles[0][0][:6]])
    return (f"A circle in which everybody follows everybody more than chance would have it: {named}.",)


def _mention_sentence(digest: Digest, mentions: Mapping[tuple[int, int], int]) -> tuple[str, ...]:
    mentioned = Counter[int]()
    for (_, to), count in mentions.items():
        mentioned[to] += count
    first = leader(sorted(mentioned), lambda author: mentioned[author], lambda author: mentioned[author])
    if first is None or len(digest.names) < 3:
        return ()
    return (f"{name(digest, first)} is mentioned by name most often: {counted(mentioned[first], 'time')}.",)


INSIGHT = InsightType("reply_graph", make, min_authors=2)
