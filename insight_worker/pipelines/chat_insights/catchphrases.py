"""What one person says much more often than the others: log-odds with an informative Dirichlet prior.

The method is that of Monroe, Colaresi and Quinn, "Fightin' Words" (2008).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, sqrt

from .phrases import Term, TermCounts

PRIOR_WORDS = 1_000
"""How many words of everybody's talk are mixed into each side: keeps rare words from looking typical."""
MIN_USES = 4
MIN_Z = 3.0
"""Thousands of terms are compared, so the usual 1.96 would let chance through."""
ABSORBING_PART = 0.7
"""A word is left out when this part of its uses lies within a longer phrase that is in the list itself."""


@dataclass(frozen=True, slots=True)
class Catchphrase:
    """A word or phrase typical of one author: own uses, everybody's uses, and the z score."""

    term: Term
    own: int
    total: int
    z: float


def catchphrases(counts: TermCounts, author: int, skip: frozenset[int], most: int) -> list[Catchphrase]:
    """The author's most typical words and phrases; single words whose ids are in `skip` are left out."""
    typical = [phrase for phrase in _scored(counts, author, skip) if phrase.z >= MIN_Z]
    own = {phrase.term: phrase.own for phrase in typical}
    absorbed = {
        part
        for term in own
        for part in _parts(counts, term)
        if own.get(part, 0) * ABSORBING_PART <= own[term]
    }
    ranked = sorted((phrase for phrase in typical if phrase.term not in absorbed), key=_rank)
    return _unlike_each_other(counts, ranked, most)


def _unlike_each_other(counts: TermCounts, ranked: list[Catchphrase], most: int) -> list[Catchphrase]:
    """The first phrases that share less than half of their words with any phrase before them."""
    chosen: list[Catchphrase] = []
    said: list[set[int]] = []
    for phrase in ranked:
        words = set(counts.words(phrase.term))
        if all(2 * len(words & other) < len(words) for other in said):
            chosen.append(phrase)
            said.append(words)
        if len(chosen) == most:
            break
    return chosen


def _rank(phrase: Catchphrase) -> tuple[float, int, Term]:
    return -phrase.z, -phrase.own, phrase.term


def _scored(counts: TermCounts, author: int, skip: frozenset[int]) -> Iterator[Catchphrase]:
    words = counts.word_totals[author]
    rest = counts.word_total - words
    for term, own in counts.by_author[author].items():
        if own >= MIN_USES and term not in skip:
            total = counts.total[term]
            prior = PRIOR_WORDS * total / counts.word_total
            odds = _log_odds(own, words, prior) - _log_odds(total - own, rest, prior)
            z = odds / sqrt(1 / (own + prior) + 1 / (total - own + prior))
            yield Catchphrase(term, own, total, round(z, 4))


def _log_odds(uses: int, words: int, prior: float) -> float:
    """log of uses against the other words, both sides with their prior."""
    others = words + PRIOR_WORDS - uses - prior
    return log((uses + prior) / max(others, 1.0))


def _parts(counts: TermCounts, term: Term) -> Iterator[Term]:
    """All shorter stretches of a phrase."""
    words = counts.words(term)
    for length in range(1, len(words)):
        for start in range(len(words) - length + 1):
            yield counts.term(words[start : start + length])
