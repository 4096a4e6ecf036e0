"""laughter: who laughs, how, and at whose messages."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..interface import InsightResult, JsonValue
from .charts import bars
from .definition import MAX_DETAILED_AUTHORS, InsightType
from .digest import Digest
from .emojis import plain
from .lexicon import emoji_group, laughter_pattern
from .numbers import per_hundred
from .people import labels, leader, name, shown, unshown
from .wording import counted, listed

LAUGH_WITHIN_S = 600
"""A laugh belongs to the last message of somebody else, if that is at most ten minutes old."""
MIN_OWN_MESSAGES = 20
THIN_LAUGHS = 10


@dataclass
class _Laughs:
    """Who laughs, with what, at whom."""

    by_author: list[int]
    styles: list[Counter[str]]
    pairs: Counter[tuple[int, int]] = field(default_factory=Counter)
    """(who laughs, who was funny)."""

    def received(self, author: int) -> int:
        """How often others laughed at an author's messages."""
        return sum(count for (_, funny), count in self.pairs.items() if funny == author)


def make(digest: Digest) -> InsightResult:
    """Messages with laughter by author, their way of laughing, and who makes whom laugh."""
    laughs = _laughs(digest)
    received = [laughs.received(author) for author in range(len(digest.names))]
    rates = [per_hundred(count, own) for count, own in zip(laughs.by_author, digest.counts, strict=True)]
    funny = [per_hundred(count, own) for count, own in zip(received, digest.counts, strict=True)]
    people, names = shown(digest, MAX_DETAILED_AUTHORS), labels(digest, MAX_DETAILED_AUTHORS)
    rows: list[JsonValue] = [
        {
            "author": label,
            "laughs": laughs.by_author[author],
            "per_100_messages": rates[author],
            "favourite": _favourite(laughs.styles[author]),
            "made_others_laugh": received[author],
            "made_others_laugh_per_100": funny[author],
        }
        for author, label in enumerate(labels(digest))
    ]
    data: dict[str, JsonValue] = {
        "chart": bars(
            names,
            [("laughs", [rates[a] for a in people]), ("makes others laugh", [funny[a] for a in people])],
            "per 100 own messages",
        ),
        "rows": rows,
        "who_laughs_at_whom": {
            "labels": names,
            "values": [[laughs.pairs[laughing, other] for other in people] for laughing in people],
        },
        "others": {"authors": unshown(digest)},
        "laugh_count": sum(laughs.by_author),
    }
    return InsightResult(data, _sentences(digest, laughs, received, rates, funny))


def _laughs(digest: Digest) -> _Laughs:
    pattern, group = laughter_pattern(), emoji_group("laughter")
    words = {n: word for n, word in enumerate(digest.vocabulary) if word and pattern.fullmatch(word)}
    emoji = {n: shown_as for n, shown_as in enumerate(digest.emoji_table) if plain(shown_as) in group}
    laughs = _Laughs([0] * len(digest.names), [Counter() for _ in digest.names])
    opens = set(digest.conversation.session_starts)
    other: int | None = None  # the last message of somebody else in this session
    for index, author in enumerate(digest.authors):
        if index in opens:
            other = None
        elif digest.authors[index - 1] != author:
            other = index - 1
        used = _laughing(digest, index, words, emoji)
        if used:
            laughs.by_author[author] += 1
            laughs.styles[author].update(used)
            if other is not None and digest.times[index] - digest.times[other] <= LAUGH_WITHIN_S:
                laughs.pairs[author, digest.authors[other]] += 1
    return laughs


def _laughing(digest: Digest, index: int, words: dict[int, str], emoji: dict[int, str]) -> list[str]:
    """The laughing words and emoji of a message."""
    used: list[str] = []
    own_words, own_emoji = digest.message_words(index), digest.message_emoji(index)
    if not words.keys().isdisjoint(own_words):
        used.extend(words[word] for word in own_words if word in words)
    if own_emoji and not emoji.keys().isdisjoint(own_emoji):
        used.extend(emoji[number] for number in own_emoji if number in emoji)
    return used


def _favourite(styles: Counter[str]) -> str | None:
    return min(styles, key=lambda style: (-styles[style], style), default=None)


def _sentences(
    digest: Digest, laughs: _Laughs, received: Sequence[int], rates: Sequence[float], funny: Sequence[float]
) -> tuple[str, ...]:
    total = sum(laughs.by_author)
    if not total:
        return (
            "No written laughter was found here.",
            "Perhaps the laughing happens in voice messages or in person.",
        )
    sentences = [
        f"{counted(total, 'message')} laugh, {per_hundred(total, len(digest)):.0f} in every hundred."
    ]
    ways = [
        f"{name(digest, author)} with “{favourite}”"
        for author in shown(digest, 3)
        if (favourite := _favourite(laughs.styles[author])) is not None
    ]
    sentences.append(
        f"Everybody has a way: {listed(ways)}."
        if len(ways) > 1
        else f"Laughter sounds like this: {listed(ways) or 'many ways'}."
    )
    named = [author for author, count in enumerate(digest.counts) if count >= MIN_OWN_MESSAGES]
    funniest = leader(named, funny.__getitem__, received.__getitem__)
    if funniest is not None and len(named) > 1:
        sentences.append(
            f"{name(digest, funniest)} makes the others laugh most: {funny[funniest]:.0f} laughs to every "
            f"hundred messages ({received[funniest]:,} in all)."
        )
    if total < THIN_LAUGHS:
        sentences.append("That is too little laughter to compare anybody by.")
    return tuple(sentences)


INSIGHT = InsightType("laughter", make)
