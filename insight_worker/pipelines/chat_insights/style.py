"""style: how people write, how that changed, and who takes up whose words."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from ..interface import InsightResult, JsonValue
from .charts import bars
from .content_words import function_words, languages_of
from .definition import MAX_DETAILED_AUTHORS, InsightType
from .digest import Digest
from .numbers import mean, rounded
from .people import labels, leader, name, shown, unshown
from .wording import counted

SEGMENT_WORDS = 100
"""Richness is the mean number of different words in stretches of so many, so that length does not count."""
MIN_SEGMENTS = 2
MIN_OWN_MESSAGES = 20
MIN_DRIFT_MESSAGES = 10
"""Messages that a quarter must have for its mean length to count."""
CLEAR_DRIFT = 0.2
COMPARED_WORDS = 40
"""The most used function words, by which two people's styles are compared."""
MIN_TRIGGERS = 20
"""How often a word must have been in front of somebody before it counts whether they took it up."""
MIN_OWN_WORDS = 500
LISTED_PAIRS = 10


@dataclass(frozen=True)
class _Writer:
    """What one author writes like."""

    words_per_message: float
    richness: float | None
    first_quarter: float | None
    last_quarter: float | None
    function_rates: Counter[int]
    word_count: int


def make(digest: Digest) -> InsightResult:
    """Length, richness and drift by author; matching and accommodation between authors."""
    compared = _compared_words(digest)
    people = shown(digest, MAX_DETAILED_AUTHORS)
    writers = [_writer(digest, author, compared) for author in people]
    pairs = _matching(digest, writers, compared)
    taken_up = [_taken_up(digest, author, compared) for author in people]
    rows = [
        _row(label, writers[author], taken_up[author])
        for author, label in enumerate(labels(digest, MAX_DETAILED_AUTHORS))
    ]
    data: dict[str, JsonValue] = {
        "chart": bars(
            labels(digest, MAX_DETAILED_AUTHORS),
            [
                ("words per message", [rounded(writer.words_per_message) for writer in writers]),
                ("different words of 100", [writer.richness for writer in writers]),
            ],
            "words",
        ),
        "rows": rows,
        "matching": [
            {"authors": [name(digest, one), name(digest, two)], "matching": value}
            for value, one, two in pairs[:LISTED_PAIRS]
        ],
        "others": {"authors": unshown(digest, MAX_DETAILED_AUTHORS)},
        "compared_words": [digest.vocabulary[word] for word in compared],
    }
    return InsightResult(data, _sentences(digest, writers, pairs, taken_up))


def _compared_words(digest: Digest) -> list[int]:
    """The function words of the chat that are used most."""
    wanted = function_words(digest, languages_of(digest))
    uses = Counter(word for word in digest.words if word in wanted)
    return sorted(uses, key=lambda word: (-uses[word], digest.vocabulary[word]))[:COMPARED_WORDS]


def _writer(digest: Digest, author: int, compared: Sequence[int]) -> _Writer:
    own = [index for index, writer in enumerate(digest.authors) if writer == author]
    words = array("I")
    for index in own:
        words.extend(digest.message_words(index))
    wanted = frozenset(compared)
    begin, end = digest.times[0], digest.times[-1]
    quarter = (end - begin) / 4
    return _Writer(
        words_per_message=sum(digest.word_counts[index] for index in own) / len(own),
        richness=_richness(words),
        first_quarter=_mean_length(digest, [i for i in own if digest.times[i] < begin + quarter]),
        last_quarter=_mean_length(digest, [i for i in own if digest.times[i] >= end - quarter]),
        function_rates=Counter(word for word in words if word in wanted),
        word_count=len(words),
    )


def _richness(words: Sequence[int]) -> float | None:
    """The mean number of different words in a hundred (mean segmental type-token ratio, Johnson 1944)."""
    starts = range(0, len(words) - SEGMENT_WORDS + 1, SEGMENT_WORDS)
    segments = [len(set(words[start : start + SEGMENT_WORDS])) for start in starts]
    value = mean(segments) if len(segments) >= MIN_SEGMENTS else None
    return None if value is None else rounded(value)


def _mean_length(digest: Digest, indexes: Sequence[int]) -> float | None:
    if len(indexes) < MIN_DRIFT_MESSAGES:
        return None
    return rounded(sum(digest.word_counts[index] for index in indexes) / len(indexes))


def _matching(
    digest: Digest, writers: Sequence[_Writer], compared: Sequence[int]
) -> list[tuple[float, int, int]]:
    """How alike two people use function words: mean of 1 - |p - q| / (p + q) (Ireland, Pennebaker 2010)."""
    enough = [author for author, writer in enumerate(writers) if writer.word_count >= MIN_OWN_WORDS]
    pairs = []
    for one, two in combinations(enough, 2):
        values = []
        for word in compared:
            p = writers[one].function_rates[word] / writers[one].word_count
            q = writers[two].function_rates[word] / writers[two].word_count
            if p + q:
                values.append(1 - abs(p - q) / (p + q))
        if values:
            pairs.append((rounded(sum(values) / len(values), 3), one, two))
    return sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))


def _taken_up(digest: Digest, author: int, compared: Sequence[int]) -> float | None:
    """By how many points more often somebody uses a word in a reply when the message before holds it.

    P(reply has it | message before has it) - P(reply has it), the mean over the words that came up often
    enough before the author's replies (Danescu-Niculescu-Mizil, Lee, Kleinberg 2011), in hundredths.
    """
    wanted = frozenset(compared)
    triggers, taken, used, replies = Counter[int](), Counter[int](), Counter[int](), 0
    for before, index in digest.conversation.replies():
        if digest.authors[index] != author:
            continue
        replies += 1
        heard = wanted.intersection(digest.message_words(before))
        said = wanted.intersection(digest.message_words(index))
        triggers.update(heard)
        taken.update(heard & said)
        used.update(said)
    values = [
        100 * (taken[word] / count - used[word] / replies)
        for word, count in triggers.items()
        if count >= MIN_TRIGGERS
    ]
    value = mean(values)
    return None if value is None else rounded(value)


def _row(label: str, writer: _Writer, taken_up: float | None) -> dict[str, JsonValue]:
    return {
        "author": label,
        "words_per_message": rounded(writer.words_per_message),
        "different_per_100_words": writer.richness,
        "first_quarter_words_per_message": writer.first_quarter,
        "last_quarter_words_per_message": writer.last_quarter,
        "taken_up_points": taken_up,
    }


def _sentences(
    digest: Digest,
    writers: Sequence[_Writer],
    pairs: Sequence[tuple[float, int, int]],
    taken_up: Sequence[float | None],
) -> tuple[str, ...]:
    sentences = [f"A message has {rounded(_overall_length(digest), 1)} words on average."]
    enough = [author for author in range(len(writers)) if digest.counts[author] >= MIN_OWN_MESSAGES]
    longest = leader(enough, lambda author: writers[author].words_per_message)
    if longest is not None and len(enough) > 1:
        length = rounded(writers[longest].words_per_message, 1)
        sentences.append(f"{name(digest, longest)} writes the longest ones: {length} words.")
    sentences += [_drift_sentence(digest, author, writers[author]) for author in enough[:3]]
    if pairs and len(digest.names) > 2:
        value, one, two = pairs[0]
        sentences.append(
            f"{name(digest, one)} and {name(digest, two)} use small words most alike ({value:.2f} of 1)."
        )
    followed = leader([a for a in enough if taken_up[a] is not None], lambda a: taken_up[a] or 0.0)
    if followed is not None and len(enough) > 1:
        sentences.append(f"{name(digest, followed)} takes up the words of others most.")
    kept = [sentence for sentence in sentences if sentence][:5]
    return (
        *kept,
        f"That is counted over {counted(len(digest), 'message')}; it says nothing about intentions.",
    )


def _overall_length(digest: Digest) -> float:
    return sum(digest.word_counts) / len(digest)


def _drift_sentence(digest: Digest, author: int, writer: _Writer) -> str:
    before, after = writer.first_quarter, writer.last_quarter
    if not before or after is None or abs(after / before - 1) < CLEAR_DRIFT:
        return ""
    way = "longer" if after > before else "shorter"
    return f"{name(digest, author)}'s messages became {way}: from {before:.1f} words to {after:.1f}."


INSIGHT = InsightType("style", make)
