"""Which languages a chat is written in, guessed from its stop words."""

from collections import Counter
from collections.abc import Sequence
from functools import cache

import stopwordsiso

from .digest import Digest

CANDIDATES = tuple(
    code
    for codes in (
        "af ar bg bn ca cs da de el en es et fa fi fr gl gu he hi hr hu id it",
        "lt lv mr ms nl no pl pt ro ru sk sl sv tl tr uk ur vi",
    )
    for code in codes.split()
)
"""Languages whose words are separated by spaces and whose lists are long enough to tell them apart."""
MIN_SHARE = 0.15
"""A language with less than this part of the stop words is not spoken here."""
MAX_LANGUAGES = 3
MIN_STOP_WORDS = 20


@cache
def stop_words(language: str) -> frozenset[str]:
    """The stop words of a language, lower case, with straight apostrophes."""
    return frozenset(word.lower().replace("’", "'") for word in stopwordsiso.stopwords(language))


def spoken_languages(digest: Digest) -> list[tuple[str, float]]:
    """The languages of a chat and their parts of its stop words, at most three; none of too little.

    A word that many languages have counts for each of them by only a part of itself.
    """
    return shares(Counter(digest.words), digest.vocabulary)


def shares(counts: Counter[int], vocabulary: Sequence[str]) -> list[tuple[str, float]]:
    """The same for counted word ids."""
    scores: Counter[str] = Counter()
    weight = 0
    owners = _owners()
    for word, count in counts.items():
        languages = owners.get(vocabulary[word])
        if languages is None:
            continue
        weight += count
        for language in languages:
            scores[language] += count * _UNITS // len(languages)
    if weight < MIN_STOP_WORDS:
        return []
    total = scores.total()
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:MAX_LANGUAGES]
    return [(language, round(score / total, 4)) for language, score in ranked if score / total >= MIN_SHARE]


_UNITS = 27_720
"""Divisible by 1 to 12, so that parts of words add up in whole numbers and in any order."""


@cache
def _owners() -> dict[str, tuple[str, ...]]:
    """Stop word to the languages that have it."""
    owners: dict[str, list[str]] = {}
    for language in CANDIDATES:
        for word in stop_words(language):
            owners.setdefault(word, []).append(language)
    return {word: tuple(languages) for word, languages in owners.items()}
