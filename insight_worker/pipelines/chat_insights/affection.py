"""affection: terms of endearment, hearts, good mornings, thanks and apologies."""

from collections import Counter
from collections.abc import Sequence

from ..interface import InsightResult, JsonValue
from .charts import bars
from .definition import MAX_DETAILED_AUTHORS, InsightType
from .digest import Digest
from .emojis import plain
from .lexicon import affection, compile_phrases, emoji_group
from .numbers import per_hundred
from .people import labels, leader, name, shown, unshown
from .wording import counted, listed

CLASSES = ("endearments", "love", "hearts", "good_morning", "good_night", "thanks", "sorry")
TOP_ENDEARMENTS = 10
MIN_OWN_MESSAGES = 20
THIN_SIGNS = 10
_SPOKEN = {
    "endearments": "terms of endearment",
    "love": "declarations of love or of missing somebody",
    "hearts": "hearts",
    "good_morning": "good mornings",
    "good_night": "good nights",
    "thanks": "thanks",
    "sorry": "apologies",
}

Counts = list[Counter[str]]


def make(digest: Digest) -> InsightResult:
    """Signs of affection by author and class, and the favourite endearments."""
    signs, endearments = _count_words(digest)
    _count_hearts(digest, signs)
    people = shown(digest, MAX_DETAILED_AUTHORS)
    total: Counter[str] = Counter()
    for own in signs:
        total.update(own)
    ranked = sorted(endearments.items(), key=lambda item: (-item[1], item[0]))[:TOP_ENDEARMENTS]
    data: dict[str, JsonValue] = {
        "chart": bars(
            labels(digest, MAX_DETAILED_AUTHORS),
            [(kind.replace("_", " "), [signs[author][kind] for author in people]) for kind in CLASSES],
            "times",
        ),
        "rows": [_row(digest, author, label, signs[author]) for author, label in enumerate(labels(digest))],
        "others": {"authors": unshown(digest)},
        "totals": {kind: total[kind] for kind in CLASSES},
        "sign_count": total.total(),
        "per_100_messages": per_hundred(total.total(), len(digest)),
        "top_endearments": [{"text": text, "count": count} for text, count in ranked],
    }
    return InsightResult(data, _sentences(digest, signs, total, [text for text, _ in ranked]))


def _count_words(digest: Digest) -> tuple[Counts, Counter[str]]:
    """Words and phrases of affection by author and class; and the endearments, as written."""
    phrases = compile_phrases(affection(), digest.vocabulary)
    starts = phrases.by_first.keys()
    signs: Counts = [Counter() for _ in digest.names]
    endearments: Counter[str] = Counter()
    for index, author in enumerate(digest.authors):
        words = digest.message_words(index)
        if starts.isdisjoint(words):
            continue
        for phrase, kind in phrases.find(words):
            signs[author][kind] += 1
            if kind == "endearments":
                endearments[" ".join(digest.vocabulary[word] for word in phrase)] += 1
    return signs, endearments


def _count_hearts(digest: Digest, signs: Counts) -> None:
    group = emoji_group("hearts")
    hearts = frozenset(number for number, emoji in enumerate(digest.emoji_table) if plain(emoji) in group)
    for index, author in enumerate(digest.authors):
        emoji = digest.message_emoji(index)
        if emoji and not hearts.isdisjoint(emoji):
            signs[author]["hearts"] += sum(number in hearts for number in emoji)


def _row(digest: Digest, author: int, label: str, own: Counter[str]) -> dict[str, JsonValue]:
    counts: dict[str, JsonValue] = {kind: own[kind] for kind in CLASSES}
    rate = per_hundred(own.total(), digest.counts[author])
    return {"author": label} | counts | {"total": own.total(), "per_100_messages": rate}


def _sentences(
    digest: Digest, signs: Counts, total: Counter[str], endearments: Sequence[str]
) -> tuple[str, ...]:
    if not total.total():
        return (
            "The lists of affectionate words and hearts found nothing here.",
            "That says nothing about affection: people have many ways that no list knows.",
        )
    kinds = sorted((kind for kind in CLASSES if total[kind]), key=lambda kind: (-total[kind], kind))
    parts = [f"{total[kind]:,} {_SPOKEN[kind]}" for kind in kinds[:4]]
    sentences = [
        f"{counted(total.total(), 'sign')} of affection were found, among them {listed(parts)}.",
        _rates_sentence(digest, signs),
    ]
    if endearments:
        sentences.append(f"The favourite term of endearment is “{endearments[0]}”.")
    thankful = leader(
        [a for a, count in enumerate(digest.counts) if count >= MIN_OWN_MESSAGES],
        lambda author: signs[author]["thanks"] / digest.counts[author],
        lambda author: signs[author]["thanks"],
    )
    if thankful is not None and len(digest.names) > 1:
        times = counted(signs[thankful]["thanks"], "time")
        sentences.append(f"{name(digest, thankful)} says thank you most often: {times}.")
    if total.total() < THIN_SIGNS:
        sentences.append("That is little to go by.")
    return tuple(sentences)


def _rates_sentence(digest: Digest, signs: Counts) -> str:
    rates = [
        f"{per_hundred(signs[a].total(), digest.counts[a]):.0f} from {name(digest, a)}"
        for a in shown(digest, 3)
    ]
    return f"To every hundred of their own messages that makes {listed(rates)}."


INSIGHT = InsightType("affection", make)
