"""topics: what it is about, by the words that come up together."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log

from ..interface import InsightResult, JsonValue
from .calendar import iso_month, month_number
from .charts import bars
from .content_words import languages_of, words_without_content
from .definition import InsightType
from .digest import Digest
from .numbers import share
from .people import leader, name
from .tokens import OTHER_WORD
from .wording import counted, listed, percent, quoted

PASSAGE_MESSAGES = 40
"""A passage is a session, cut after so many messages."""
MIN_PASSAGES = 3
"""A word, or two words together, that come up in fewer passages are chance."""
MAX_PASSAGE_SHARE = 0.5
"""What comes up in more of the passages than this is what people always say."""
MAX_CANDIDATES = 200
MAX_PASSAGE_CANDIDATES = 40
MAX_TOPICS = 8
MIN_TOPIC_WORDS = 3
MAX_TOPIC_WORDS = 6
MIN_AFFINITY = 0.2
"""Normalised pointwise mutual information: 0 as often together as chance, 1 never apart."""


@dataclass(frozen=True)
class Topic:
    """Words that come up together, the first one the most telling."""

    words: tuple[int, ...]
    #: Places of the passages that hold at least two of them.
    passages: tuple[int, ...]


def make(digest: Digest) -> InsightResult:
    """Up to eight topics: their words, how many passages are about them, when, and who brings them up."""
    passages = list(_passages(digest))
    topics = _topics(digest, passages)
    rows = [_row(digest, passages, topic) for topic in topics]
    labels = [", ".join(_words(digest, topic)[:3]) for topic in topics]
    shares = [round(100 * len(topic.passages) / len(passages), 2) for topic in topics]
    data: dict[str, JsonValue] = {
        "chart": bars(labels, [("passages", shares)], "percent of passages"),
        "topics": rows,
        "passage_count": len(passages),
    }
    return InsightResult(data, _sentences(digest, passages, topics))


def _passages(digest: Digest) -> Iterator[range]:
    for session in digest.conversation.sessions():
        for start in range(session.start, session.end, PASSAGE_MESSAGES):
            yield range(start, min(start + PASSAGE_MESSAGES, session.end))


def _topics(digest: Digest, passages: Sequence[range]) -> list[Topic]:
    """Begin each topic with the most telling word that no topic has yet, and add what comes up with it."""
    skip = words_without_content(digest, languages_of(digest)) | {OTHER_WORD}
    ranked = _candidates(digest, passages, skip)
    # Of a passage only the candidates are kept: all words of all passages would be a second copy of the chat.
    wanted = frozenset(ranked)
    said = [wanted.intersection(_words_of(digest, passage)) for passage in passages]
    together, alone = _co_occurrences(said, ranked)
    topics: list[Topic] = []
    taken: set[int] = set()
    for seed in ranked:
        if len(topics) == MAX_TOPICS:
            break
        if seed not in taken:
            words = _company(seed, [word for word in ranked if word not in taken], together, alone, len(said))
            if len(words) >= MIN_TOPIC_WORDS:
                taken.update(words)
                topics.append(Topic(words, _passages_with(words, said)))
    return sorted(topics, key=lambda topic: -len(topic.passages))


def _words_of(digest: Digest, passage: range) -> Iterator[int]:
    return (word for index in passage for word in digest.message_words(index))


def _candidates(digest: Digest, passages: Sequence[range], skip: frozenset[int]) -> list[int]:
    """The words with the highest TF-IDF over the passages."""
    uses, spread = Counter[int](), Counter[int]()
    for passage in passages:
        words = Counter(_words_of(digest, passage))
        uses.update(words)
        spread.update(words.keys())
    most = MAX_PASSAGE_SHARE * len(passages)
    telling = [word for word, count in spread.items() if word not in skip and MIN_PASSAGES <= count <= most]
    score = {word: uses[word] * log(len(passages) / spread[word]) for word in telling}
    return sorted(telling, key=lambda word: (-score[word], word))[:MAX_CANDIDATES]


def _co_occurrences(
    said: Sequence[frozenset[int]], ranked: Sequence[int]
) -> tuple[Counter[tuple[int, int]], Counter[int]]:
    """In how many passages two candidates, and one, come up; of a passage the best forty count."""
    place = {word: rank for rank, word in enumerate(ranked)}
    together, alone = Counter[tuple[int, int]](), Counter[int]()
    for words in said:
        present = sorted(words, key=place.__getitem__)[:MAX_PASSAGE_CANDIDATES]
        alone.update(present)
        together.update(combinations(sorted(present), 2))
    return together, alone


def _company(
    seed: int, others: Sequence[int], together: Counter[tuple[int, int]], alone: Counter[int], total: int
) -> tuple[int, ...]:
    """The seed and the words that keep to it."""

    def affinity(word: int) -> float:
        both = together[min(seed, word), max(seed, word)]
        if both < MIN_PASSAGES:
            return 0.0
        return 1.0 if both == total else log(both * total / (alone[seed] * alone[word])) / -log(both / total)

    near = [(affinity(word), word) for word in others if word != seed]
    ranked = sorted((-value, word) for value, word in near if value >= MIN_AFFINITY)
    return (seed, *(word for _, word in ranked[: MAX_TOPIC_WORDS - 1]))


def _passages_with(words: Sequence[int], said: Sequence[frozenset[int]]) -> tuple[int, ...]:
    return tuple(place for place, uses in enumerate(said) if len(uses.intersection(words)) >= 2)


def _words(digest: Digest, topic: Topic) -> list[str]:
    return [digest.vocabulary[word] for word in topic.words]


def _uses_by_author(digest: Digest, passages: Sequence[range], topic: Topic) -> Counter[int]:
    words, uses = frozenset(topic.words), Counter[int]()
    for place in topic.passages:
        for index in passages[place]:
            uses[digest.authors[index]] += sum(word in words for word in digest.message_words(index))
    return uses


def _row(digest: Digest, passages: Sequence[range], topic: Topic) -> dict[str, JsonValue]:
    uses = _uses_by_author(digest, passages, topic)
    months = Counter(_month(digest, passages[place]) for place in topic.passages)
    first = leader(sorted(uses), lambda author: uses[author])
    busiest = min(months, key=lambda month: (-months[month], month))
    return {
        "words": list(_words(digest, topic)),
        "passages": len(topic.passages),
        "share": share(len(topic.passages), len(passages)),
        "first_month": min(months),
        "last_month": max(months),
        "busiest_month": busiest,
        "mostly_by": None if first is None else name(digest, first),
    }


def _month(digest: Digest, passage: range) -> str:
    return iso_month(month_number(digest.days[passage.start]))


def _sentences(digest: Digest, passages: Sequence[range], topics: Sequence[Topic]) -> tuple[str, ...]:
    looked = f"{counted(len(passages), 'passage')} of conversation were compared."
    if not topics:
        return (
            "No words come up together often enough to be called a topic.",
            f"{looked} It takes words that share at least {MIN_PASSAGES} of them.",
        )
    said = [f"{quoted(_words(digest, t))} ({percent(len(t.passages) / len(passages))})" for t in topics[:3]]
    sentences = [f"What comes up together most: {listed(said)}."]
    for topic in topics[:3]:
        uses = _uses_by_author(digest, passages, topic)
        first = leader(sorted(uses), lambda author, uses=uses: uses[author])  # type: ignore[misc]  # bound at once
        if first is not None and len(digest.names) > 1:
            sentences.append(f"“{_words(digest, topic)[0]}” is mostly brought up by {name(digest, first)}.")
    return (*sentences, f"{looked} Topics are words that keep company; what they mean is not known.")


INSIGHT = InsightType("topics", make)
