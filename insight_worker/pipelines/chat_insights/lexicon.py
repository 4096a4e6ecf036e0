"""The word lists, compiled against a chat's vocabulary: from then on everything is looked up by word id."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from ... import lexicons
from .emojis import plain

MIN_STEM = 3


@dataclass(frozen=True, slots=True)
class Feelings:
    """One language's words of feeling: whole words and stems to weights of -3 to 3, and what negates."""

    words: dict[str, int]
    stems: dict[str, int]
    negations: frozenset[str]

    def weight(self, word: str) -> int | None:
        """The weight of a word, by itself or by its longest stem; None when it has none."""
        exact = self.words.get(word)
        return exact if exact is not None else _by_stem(word, self.stems)


@dataclass(frozen=True, slots=True)
class Phrases:
    """Phrases by word ids, each of a class; of two that begin alike the longer wins."""

    by_first: dict[int, list[tuple[tuple[int, ...], str]]]

    def find(self, words: Sequence[int]) -> list[tuple[tuple[int, ...], str]]:
        """(phrase, class) of the phrases in a message, in order; none overlaps another."""
        found = []
        free_from = 0
        for place, word in enumerate(words):
            if word in self.by_first and place >= free_from:
                match = self._at(words, place)
                if match is not None:
                    found.append(match)
                    free_from = place + len(match[0])
        return found

    def _at(self, words: Sequence[int], place: int) -> tuple[tuple[int, ...], str] | None:
        for phrase, kind in self.by_first[words[place]]:
            if tuple(words[place : place + len(phrase)]) == phrase:
                return phrase, kind
        return None


@cache
def feelings(language: str) -> Feelings:
    """The words of feeling of one of lexicons.LANGUAGES."""
    source = lexicons.load(language)
    words: dict[str, int] = {}
    stems: dict[str, int] = {}
    for weight, text in source["words"].items():
        for word in text.split():
            if word.endswith("*"):
                stems[word[:-1]] = int(weight)
            else:
                words[word] = int(weight)
    return Feelings(words, stems, frozenset(source["negations"].split()))


@cache
def emoji_valence() -> dict[str, int]:
    """Plain emoji to its weight, -3 to 3."""
    weights = lexicons.load("emoji")["valence"]
    return {plain(emoji): int(weight) for weight, text in weights.items() for emoji in text.split()}


@cache
def emoji_group(name: str) -> frozenset[str]:
    """The plain emoji of a group: laughter or hearts."""
    return frozenset(plain(emoji) for emoji in lexicons.load("emoji")["groups"][name].split())


@cache
def laughter_pattern() -> re.Pattern[str]:
    """Matches a whole lower-case word that is laughter."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in lexicons.load("laughter")["patterns"]))


@cache
def affection() -> dict[str, list[str]]:
    """Class of affection to its words and phrases."""
    return {name: list(entries) for name, entries in lexicons.load("affection").items()}


def compile_phrases(classes: Mapping[str, Iterable[str]], vocabulary: Sequence[str]) -> Phrases:
    """Turns phrases into word ids; a phrase with a word that the chat does not have is left out."""
    ids = {word: number for number, word in enumerate(vocabulary)}
    by_first: dict[int, list[tuple[tuple[int, ...], str]]] = {}
    for kind, entries in classes.items():
        for entry in entries:
            for phrase in _phrases(entry, ids):
                by_first.setdefault(phrase[0], []).append((phrase, kind))
    for phrases in by_first.values():
        phrases.sort(key=lambda found: (-len(found[0]), found))
    return Phrases(by_first)


def _phrases(entry: str, ids: Mapping[str, int]) -> list[tuple[int, ...]]:
    """What an entry stands for in word ids; more than one where its last word is a stem."""
    *heads, last = entry.split()
    if not all(word in ids for word in heads):
        return []
    return [(*(ids[word] for word in heads), number) for number in _matching(last, ids)]


def _matching(word: str, ids: Mapping[str, int]) -> list[int]:
    """The ids of a word, or of all words that a stem with * stands for."""
    if not word.endswith("*"):
        return [ids[word]] if word in ids else []
    return [number for known, number in ids.items() if known.startswith(word[:-1])]


def _by_stem(word: str, stems: dict[str, int]) -> int | None:
    for length in range(len(word), MIN_STEM - 1, -1):
        weight = stems.get(word[:length])
        if weight is not None:
            return weight
    return None
