"""Words, links and the vocabulary: text is kept as numbers, never as a second copy of the bodies."""

import re

import regex

MAX_WORD_CHARACTERS = 40
MAX_VOCABULARY = 200_000
MAX_WORDS_KEPT_PER_MESSAGE = 1_000
MAX_WORDS_KEPT = 12_000_000
"""Bounds of what the digest keeps: 12 million words are 48 MB. Past them words are counted but not kept."""

OTHER_WORD = 0
"""The id of every word that has none of its own: numbers, very long words, words past the bound."""

_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")
# Marks belong to the word: without them Hindi and Thai words would break at every vowel sign. None begins
# one: the variation selector of an emoji is a mark too.
_ANY_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:'[\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*")
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
_LAUGHING_NUMBER = re.compile(r"5{3,}")
# WhatsApp puts the name between isolates; elsewhere a mention ends with the word. No @ of an address.
_MENTION = regex.compile(r"(?<![\p{L}\p{N}._-])@(?:\u2068([^\u2069\n]{1,80})\u2069|([\p{L}\p{N}_.]{2,40}))")
_QUESTION_MARK = re.compile(r"[?？؟]")


class Vocabulary(dict[str, int]):
    """Word to id, from 1 in the order of first use. Reading an unknown word gives it the next id."""

    def __missing__(self, word: str) -> int:
        if len(word) > MAX_WORD_CHARACTERS or len(self) >= MAX_VOCABULARY:
            return OTHER_WORD
        # 555 is how Thai people laugh; other numbers say nothing about how people talk.
        if word.isdecimal() and not _LAUGHING_NUMBER.fullmatch(word):
            return OTHER_WORD
        self[word] = number = len(self) + 1
        return number


def split_words(text: str) -> list[str]:
    """The words of a text in lower case: runs of letters, marks and digits, with apostrophes inside."""
    text = text.lower()
    if text.isascii():
        return _ASCII_WORD.findall(text)
    return _ANY_WORD.findall(text.replace("’", "'"))


def split_links(text: str) -> tuple[str, list[str]]:
    """The text without its links, and the links."""
    # Two searches in C are far cheaper than the pattern, and most messages have no link.
    if "://" not in text and "www." not in text and "WWW." not in text:
        return text, []
    return _LINK.sub(" ", text), _LINK.findall(text)


def find_mentions(text: str) -> list[str]:
    """What stands behind each @ of a text, lower case; at most twenty of a message."""
    if "@" not in text:
        return []
    found = _MENTION.findall(text)[:20]
    return [(isolated or word).strip("~.\u202f\u00a0 ").lower() for isolated, word in found]


def domain_of(link: str) -> str:
    """The host of a link, lower case, without "www.", port and user; at most 80 characters."""
    host = re.sub(r"^[a-z]+://", "", link.lower()).split("/", 1)[0].split("?", 1)[0].split("#", 1)[0]
    host = host.rsplit("@", 1)[-1].split(":", 1)[0].removeprefix("www.")
    return host.rstrip(".,;!)")[:80]


def has_question(text: str) -> bool:
    """Whether there is a question mark in the text, which must be free of links."""
    return _QUESTION_MARK.search(text) is not None
