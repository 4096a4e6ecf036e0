"""Ranks: of the chunks by their messages, and of several rankings together."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import mul

#: Reciprocal rank fusion: score = sum of 1 / (60 + rank), with the constant of Cormack, Clarke and Büttcher
#: (2009).
_RANK_OFFSET = 60
#: What a chunk's best, second and third message count: one that fits is enough, others beside it help.
_WEIGHTS = (1.0, 0.3, 0.15)


def rank_chunks(fits: Iterable[tuple[int, float]]) -> list[int]:
    """Rank chunks by how well their messages fit: (chunk, fit) a message, in any order. Best first."""
    by_chunk: dict[int, list[float]] = defaultdict(list)
    for chunk, fit in fits:
        by_chunk[chunk].append(fit)
    scores = {chunk: _score(found) for chunk, found in by_chunk.items()}
    return sorted(scores, key=lambda chunk: (-scores[chunk], chunk))


def _score(fits: list[float]) -> float:
    score: float = sum(map(mul, _WEIGHTS, sorted(fits, reverse=True)))
    return score


def fuse(rankings: Iterable[Sequence[int]], limit: int) -> list[tuple[int, float]]:
    """Answer what is best in all rankings together with its score; ties by the place in the chat."""
    scores: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, chunk in enumerate(ranking, 1):
            scores[chunk] += 1 / (_RANK_OFFSET + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:limit]
