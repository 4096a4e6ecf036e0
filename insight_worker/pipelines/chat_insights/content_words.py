"""Which words of a chat carry what it is about, and which only hold sentences together."""

from collections.abc import Sequence

from .digest import Digest
from .languages import spoken_languages, stop_words
from .lexicon import laughter_pattern

MIN_CONTENT_CHARACTERS = 2
DEFAULT_LANGUAGE = "en"


def languages_of(digest: Digest) -> list[str]:
    """The languages of a chat, most spoken first; English where they cannot be told."""
    return [language for language, _ in spoken_languages(digest)] or [DEFAULT_LANGUAGE]


def function_words(digest: Digest, languages: Sequence[str]) -> frozenset[int]:
    """The ids of the stop words of these languages."""
    stops = frozenset[str]().union(*(stop_words(language) for language in languages))
    return frozenset(number for number, word in enumerate(digest.vocabulary) if word in stops)


def words_without_content(digest: Digest, languages: Sequence[str]) -> frozenset[int]:
    """The ids of words that say nothing by themselves: stop words, laughter, numbers, single letters."""
    laughs = laughter_pattern()
    return function_words(digest, languages) | frozenset(
        number for number, word in enumerate(digest.vocabulary) if _is_trifle(word) or laughs.fullmatch(word)
    )


def _is_trifle(word: str) -> bool:
    return word.isdecimal() or (len(word) < MIN_CONTENT_CHARACTERS and word.isascii())
