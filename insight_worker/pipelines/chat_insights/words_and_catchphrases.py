"""words_and_catchphrases: what is talked about, and how each person talks."""

from collections.abc import Mapping, Sequence
from heapq import nlargest

from ..interface import InsightResult, JsonValue
from .catchphrases import Catchphrase, catchphrases
from .charts import bars
from .content_words import languages_of, words_without_content
from .definition import MAX_DETAILED_AUTHORS, InsightType
from .digest import Digest
from .languages import spoken_languages
from .people import labels, name, unshown
from .phrases import Term, TermCounts
from .wording import counted, listed, quoted

TOP_WORDS = 30
TOP_WORDS_PER_AUTHOR = 15
TOP_PHRASES = 15
TOP_CATCHPHRASES = 8
MAX_GLUE_CHARACTERS = 3
"""A stop word this short holds phrases together: "the door" says no more than "door"."""
THIN_WORDS = 500


def make(digest: Digest) -> InsightResult:
    """Top words and phrases without stop words, and what is typical of each of the most active authors."""
    languages = spoken_languages(digest)
    skip = words_without_content(digest, languages_of(digest))
    counts = TermCounts.of(digest)
    top = _top(digest, counts, counts.total, skip, 1, TOP_WORDS)
    typical = [
        catchphrases(counts, author, skip, TOP_CATCHPHRASES) if len(digest.names) > 1 else []
        for author in range(len(counts.by_author))
    ]
    people: list[JsonValue] = [
        {
            "author": label,
            "words": counts.word_totals[author],
            "top_words": _top(digest, counts, counts.by_author[author], skip, 1, TOP_WORDS_PER_AUTHOR),
            "catchphrases": [_catchphrase(digest, counts, phrase) for phrase in typical[author]],
        }
        for author, label in enumerate(labels(digest, MAX_DETAILED_AUTHORS))
    ]
    data: dict[str, JsonValue] = {
        "chart": bars([str(row["text"]) for row in top], [("uses", [_uses(row) for row in top])], "uses"),
        "top_words": top,
        "top_bigrams": _top(digest, counts, counts.total, skip, 2, TOP_PHRASES),
        "top_trigrams": _top(digest, counts, counts.total, skip, 3, TOP_PHRASES),
        "rows": people,
        "others": {"authors": unshown(digest, MAX_DETAILED_AUTHORS)},
        "languages": [{"language": language, "share": part} for language, part in languages],
        "word_count": sum(digest.word_counts),
        "vocabulary_size": len(digest.vocabulary) - 1,
    }
    return InsightResult(data, _sentences(digest, counts, top, typical))


def _top(
    digest: Digest, counts: TermCounts, uses: Mapping[Term, int], skip: frozenset[int], length: int, most: int
) -> list[dict[str, JsonValue]]:
    """The most used terms of a length that hold at least one word of their own."""
    low, high = counts.size ** (length - 1), counts.size**length
    own = [(count, term) for term, count in uses.items() if low <= term < high]
    glue = frozenset(word for word in skip if len(digest.vocabulary[word]) <= MAX_GLUE_CHARACTERS)
    own = [(count, term) for count, term in own if _says_something(counts.words(term), skip, glue)]
    # Ties at the end of the list are decided by the alphabet, not by who wrote first.
    bound = min(nlargest(most, (count for count, _ in own)), default=0)
    ranked = [(-count, _text(digest, counts, term)) for count, term in own if count >= bound]
    return [{"text": text, "count": -count} for count, text in sorted(ranked)[:most]]


def _says_something(words: Sequence[int], skip: frozenset[int], glue: frozenset[int]) -> bool:
    """Whether a term holds a word of its own, and neither begins nor ends with a short stop word."""
    return not skip.issuperset(words) and words[0] not in glue and words[-1] not in glue


def _text(digest: Digest, counts: TermCounts, term: Term) -> str:
    return " ".join(digest.vocabulary[word] for word in counts.words(term))


def _uses(row: dict[str, JsonValue]) -> int:
    count = row["count"]
    assert isinstance(count, int)
    return count


def _catchphrase(digest: Digest, counts: TermCounts, phrase: Catchphrase) -> dict[str, JsonValue]:
    return {
        "text": _text(digest, counts, phrase.term),
        "count": phrase.own,
        "total": phrase.total,
        "z": phrase.z,
    }


def _sentences(
    digest: Digest, counts: TermCounts, top: list[dict[str, JsonValue]], typical: list[list[Catchphrase]]
) -> tuple[str, ...]:
    sentences = [
        f"{counted(sum(digest.word_counts), 'word')} were written, "
        f"{counted(len(digest.vocabulary) - 1, 'different one')}."
    ]
    if top:
        named = [f"“{row['text']}” ({row['count']:,})" for row in top[:5] if isinstance(row["count"], int)]
        sentences.append(f"The words that carry most of the talk: {listed(named)}.")
    for author, phrases in list(enumerate(typical))[:3]:
        if phrases:
            said = quoted([_text(digest, counts, phrase.term) for phrase in phrases])
            sentences.append(f"Typical of {name(digest, author)}, compared with everybody else: {said}.")
    if len(sentences) == 1 or counts.word_total < THIN_WORDS:
        sentences.append("With so few words the lists say more about these days than about these people.")
    return tuple(sentences)


INSIGHT = InsightType("words_and_catchphrases", make)
