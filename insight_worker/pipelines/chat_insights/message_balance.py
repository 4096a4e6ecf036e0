"""message_balance: how much of the conversation is whose."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from ..interface import InsightResult, JsonValue
from .charts import bars
from .definition import InsightType
from .digest import EDITED, KINDS, LINK, MEDIA_KINDS, QUESTION, Digest
from .numbers import evenness, gini, rounded, share
from .people import labels, name, rest_of, shown, unshown
from .wording import counted, listed, percent

_MEDIA = frozenset(number for number, kind in enumerate(KINDS) if kind in MEDIA_KINDS)
_DELETED = KINDS.index("deleted")


@dataclass
class _Tally:
    """Counts of one author."""

    messages: int = 0
    words: int = 0
    characters: int = 0
    media: int = 0
    links: int = 0
    questions: int = 0
    edited: int = 0
    deleted: int = 0
    turns: int = 0
    longest_turn: int = 0


def make(digest: Digest) -> InsightResult:
    """Counts and shares by author, and how evenly they are spread."""
    tallies = _tallies(digest)
    totals = {field.name: sum(getattr(tally, field.name) for tally in tallies) for field in fields(_Tally)}
    rows = [_row(label, tallies[author], totals) for author, label in enumerate(labels(digest))]
    rest = rest_of(digest, digest.counts)
    data: dict[str, JsonValue] = {
        "chart": bars(
            labels(digest), [("messages", [tally.messages for tally in tallies[: len(rows)]])], "messages"
        ),
        "rows": rows,
        "others": {"authors": unshown(digest), "messages": rest, "share": share(rest, len(digest))},
        "message_count": len(digest),
        "word_count": totals["words"],
        "gini": gini(digest.counts),
        "evenness": evenness(digest.counts),
        "dominance": rounded(share(digest.counts[0], len(digest)) * len(digest.names)),
    }
    return InsightResult(data, _sentences(digest, tallies))


def _tallies(digest: Digest) -> list[_Tally]:
    tallies = [_Tally() for _ in digest.names]
    columns = zip(
        digest.authors, digest.word_counts, digest.characters, digest.kinds, digest.flags, strict=True
    )
    for author, words, characters, kind, flags in columns:
        tally = tallies[author]
        tally.messages += 1
        tally.words += words
        tally.characters += characters
        tally.media += kind in _MEDIA
        tally.deleted += kind == _DELETED
        if flags:
            tally.links += bool(flags & LINK)
            tally.questions += bool(flags & QUESTION)
            tally.edited += bool(flags & EDITED)
    for turn in digest.conversation.turns():
        tally = tallies[digest.authors[turn.start]]
        tally.turns += 1
        tally.longest_turn = max(tally.longest_turn, len(turn))
    return tallies


def _row(label: str, tally: _Tally, totals: dict[str, int]) -> dict[str, JsonValue]:
    return {
        "author": label,
        "messages": tally.messages,
        "share": share(tally.messages, totals["messages"]),
        "words": tally.words,
        "word_share": share(tally.words, totals["words"]),
        "words_per_message": rounded(tally.words / tally.messages),
        "characters": tally.characters,
        "media": tally.media,
        "links": tally.links,
        "questions": tally.questions,
        "edited": tally.edited,
        "deleted": tally.deleted,
        "turns": tally.turns,
        "messages_per_turn": rounded(tally.messages / tally.turns),
        "longest_turn": tally.longest_turn,
    }


def _sentences(digest: Digest, tallies: Sequence[_Tally]) -> tuple[str, ...]:
    top = shown(digest, 3)
    total, words = len(digest), sum(tally.words for tally in tallies)
    parts = [
        f"{name(digest, a)} {tallies[a].messages:,} ({percent(tallies[a].messages / total)})" for a in top
    ]
    sentences = [f"Of {counted(total, 'message')}: {listed(parts)}."]
    if words:
        shares = [f"{percent(tallies[a].words / words)} by {name(digest, a)}" for a in top]
        sentences.append(f"Of the {counted(words, 'word')}, {listed(shares)}.")
    lengths = [f"{tallies[a].messages / tallies[a].turns:.1f} for {name(digest, a)}" for a in top]
    sentences.append(f"Messages in a row before somebody else writes, on average: {listed(lengths)}.")
    if len(digest.names) > 2:
        sentences.append(_evenness_sentence(digest))
    return tuple(sentences)


def _evenness_sentence(digest: Digest) -> str:
    even = evenness(digest.counts)
    tone = "very evenly" if even >= 0.95 else "fairly evenly" if even >= 0.8 else "unevenly"
    return (
        f"Between the {len(digest.names)} people the messages are spread {tone} (evenness {even:.2f} of 1)."
    )


INSIGHT = InsightType("message_balance", make, min_authors=2)
