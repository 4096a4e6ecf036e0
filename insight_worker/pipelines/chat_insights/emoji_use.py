"""emoji: which, how many, and which belong to one person alone."""

from collections import Counter

from ..interface import InsightResult, JsonValue
from .charts import bars
from .definition import MAX_DETAILED_AUTHORS, InsightType
from .digest import Digest
from .numbers import evenness, per_hundred
from .people import labels, leader, name, shown, unshown
from .wording import counted, listed

TOP_EMOJI = 20
TOP_PER_AUTHOR = 10
MIN_EXCLUSIVE_USES = 3
"""An emoji belongs to somebody who used it at least so often while nobody else ever did."""
MIN_OWN_MESSAGES = 20


def make(digest: Digest) -> InsightResult:
    """Emoji by author: number, rate, variety, favourites, and those that nobody else uses."""
    by_author = _by_author(digest)
    total: Counter[int] = Counter(digest.emojis)
    top = _top(total, TOP_EMOJI)
    exclusive = _exclusive(by_author, total)
    rows = [_row(digest, author, label, by_author, exclusive) for author, label in enumerate(labels(digest))]
    data: dict[str, JsonValue] = {
        "chart": bars(
            [digest.emoji_table[number] for number, _ in top], [("uses", [count for _, count in top])], "uses"
        ),
        "top": _listed(digest, top),
        "rows": rows,
        "others": {"authors": unshown(digest)},
        "emoji_count": total.total(),
        "distinct_count": len(total),
        "per_100_messages": per_hundred(total.total(), len(digest)),
    }
    return InsightResult(data, _sentences(digest, by_author, total, exclusive))


def _by_author(digest: Digest) -> list[Counter[int]]:
    counts: list[Counter[int]] = [Counter() for _ in digest.names]
    for author, start, end in zip(digest.authors, digest.emoji_starts, digest.emoji_ends, strict=True):
        if start < end:
            counts[author].update(digest.emojis[start:end])
    return counts


def _top(counts: Counter[int], most: int) -> list[tuple[int, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]


def _listed(digest: Digest, top: list[tuple[int, int]]) -> list[JsonValue]:
    return [{"emoji": digest.emoji_table[number], "count": count} for number, count in top]


def _exclusive(by_author: list[Counter[int]], total: Counter[int]) -> list[list[tuple[int, int]]]:
    """By author the emoji that only they use, most used first; empty when there is nobody to compare with."""
    if len(by_author) < 2:
        return [[] for _ in by_author]
    return [
        _top(
            Counter({e: n for e, n in counts.items() if n == total[e] and n >= MIN_EXCLUSIVE_USES}),
            TOP_PER_AUTHOR,
        )
        for counts in by_author
    ]


def _row(
    digest: Digest,
    author: int,
    label: str,
    by_author: list[Counter[int]],
    exclusive: list[list[tuple[int, int]]],
) -> dict[str, JsonValue]:
    counts = by_author[author]
    detailed = author < MAX_DETAILED_AUTHORS
    return {
        "author": label,
        "count": counts.total(),
        "per_100_messages": per_hundred(counts.total(), digest.counts[author]),
        "distinct": len(counts),
        "diversity": evenness(counts.values()),
        "top": _listed(digest, _top(counts, TOP_PER_AUTHOR)) if detailed else [],
        "exclusive": _listed(digest, exclusive[author]) if detailed else [],
    }


def _sentences(
    digest: Digest, by_author: list[Counter[int]], total: Counter[int], exclusive: list[list[tuple[int, int]]]
) -> tuple[str, ...]:
    if not total:
        return (
            "There is not one emoji in this chat.",
            f"All {counted(len(digest), 'message')} manage with words alone.",
        )
    rate = per_hundred(total.total(), len(digest))
    favourites = [f"{digest.emoji_table[number]} ({count:,})" for number, count in _top(total, 3)]
    sentences = [
        f"{total.total():,} emoji were used, {rate:.0f} in every hundred messages.",
        f"The favourites: {listed(favourites)}.",
    ]
    named = [author for author in shown(digest) if digest.counts[author] >= MIN_OWN_MESSAGES]
    most = leader(named, lambda a: by_author[a].total() / digest.counts[a], lambda a: by_author[a].total())
    if most is not None and len(named) > 1:
        own_rate = per_hundred(by_author[most].total(), digest.counts[most])
        sentences.append(f"{name(digest, most)} uses them most: {own_rate:.0f} in every hundred messages.")
    owners = [author for author in shown(digest, MAX_DETAILED_AUTHORS) if exclusive[author]][:3]
    if owners:
        own = [f"{digest.emoji_table[exclusive[a][0][0]]} is {name(digest, a)}'s" for a in owners]
        sentences.append(f"Some belong to one person alone: {listed(own)}.")
    return tuple(sentences)


INSIGHT = InsightType("emoji", make)
