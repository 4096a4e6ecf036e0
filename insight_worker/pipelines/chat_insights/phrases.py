"""Counts words and phrases by author, in bounded memory."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

from .definition import MAX_DETAILED_AUTHORS
from .digest import Digest
from .tokens import OTHER_WORD

MIN_PHRASE_COUNT = 4
"""A phrase that was said less often is not looked at."""
MAX_PHRASES_COUNTED = 60_000
"""When there are more different phrases than this, the rarest so far are forgotten."""
CHUNK_WORDS = 50_000
"""How many words are looked at together; bounds what is held beside the counts."""

Term = int
"""A word or phrase as one number: word ids as the digits of a number to the base `size`."""


class BoundedCounter:
    """Counts many different things; forgets the rarest when there are too many, so rare counts may be low."""

    def __init__(self, bound: int = MAX_PHRASES_COUNTED) -> None:
        self.counts: Counter[Term] = Counter()
        self._bound = bound
        self._floor = 0

    def add(self, keys: Iterable[int]) -> None:
        """Counts a batch, then forgets what was counted least until the bound holds."""
        self.counts.update(keys)
        while len(self.counts) > self._bound:
            self._floor += 1
            self.counts = Counter({key: count for key, count in self.counts.items() if count > self._floor})


@dataclass(frozen=True)
class TermCounts:
    """How often each word and phrase was used: in all, and by the authors with most messages."""

    size: int
    """One more than the highest word id."""
    total: Counter[Term]
    by_author: list[Counter[Term]]
    word_totals: list[int]
    """Words by author, for those authors."""
    word_total: int

    @classmethod
    def of(cls, digest: Digest) -> "TermCounts":
        """Counts words, and phrases of two and three words that were said at least four times."""
        streams, size = _streams(digest), len(digest.vocabulary)
        counts = [Counter(stream) for stream in streams]
        for words in counts:
            del words[OTHER_WORD]
        word_totals = [words.total() for words in counts]
        total: Counter[Term] = Counter()
        for terms, phrases in zip(counts, _phrases(streams, size), strict=True):
            terms |= phrases
            total.update(terms)
        people = min(len(digest.names), MAX_DETAILED_AUTHORS)
        return cls(size, total, counts[:people], word_totals[:people], sum(word_totals))

    def words(self, term: Term) -> tuple[int, ...]:
        """The word ids of a term."""
        ids = []
        while term:
            term, word = divmod(term, self.size)
            ids.append(word)
        return tuple(reversed(ids))

    def term(self, words: Sequence[int]) -> Term:
        """The term of some word ids."""
        return reduce(lambda number, word: number * self.size + word, words, 0)


def _streams(digest: Digest) -> list["array[int]"]:
    """The words by detailed author, the last stream of all others; OTHER_WORD after each message."""
    streams = [array("I") for _ in range(MAX_DETAILED_AUTHORS + 1)]
    for author, start, end in zip(digest.authors, digest.word_starts, digest.word_ends, strict=True):
        if start < end:
            stream = streams[min(author, MAX_DETAILED_AUTHORS)]
            stream.extend(digest.words[start:end])
            stream.append(OTHER_WORD)
    return streams


def _chunks(stream: "array[int]") -> Iterator["array[int]"]:
    """Overlapping pieces: every phrase of three begins in exactly one of their first CHUNK_WORDS places."""
    for start in range(0, len(stream), CHUNK_WORDS):
        yield stream[start : start + CHUNK_WORDS + 2]


def _phrases(streams: Sequence["array[int]"], size: int) -> list[Counter[Term]]:
    """Phrases of two and three words by stream, of those that all streams together have often enough."""
    pairs = _frequent_pairs(streams, size)
    slots = [_count_phrases(stream, pairs, size) for stream in streams]
    total: Counter[Term] = Counter()
    for slot in slots:
        total.update(slot)
    frequent = {term for term, count in total.items() if count >= MIN_PHRASE_COUNT}
    return [Counter({term: n for term, n in slot.items() if term in frequent}) for slot in slots]


def _frequent_pairs(streams: Sequence["array[int]"], size: int) -> frozenset[int]:
    """Pairs of neighbours said often enough, as first × size + second."""
    counter = BoundedCounter()
    for stream in streams:
        for chunk in _chunks(stream):
            counter.add(a * size + b for a, b in pairwise(chunk[: CHUNK_WORDS + 1]) if a and b)
    return frozenset(pair for pair, count in counter.counts.items() if count >= MIN_PHRASE_COUNT)


def _count_phrases(stream: "array[int]", pairs: frozenset[int], size: int) -> Counter[Term]:
    """Counts frequent pairs, and the threes whose both pairs are frequent."""
    counter = BoundedCounter()
    for chunk in _chunks(stream):
        found = [a * size + b for a, b in pairwise(chunk)]
        known = [pair if pair in pairs else 0 for pair in found]
        counter.add(filter(None, known[:CHUNK_WORDS]))
        threes = zip(pairwise(known), chunk[2:], strict=True)
        counter.add(pair * size + word for (pair, after), word in threes if pair and after)
    return counter.counts
