"""Reads the stream of messages, once, into a digest."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from ..interface import ChatMessage
from .digest import EDITED, KINDS, LINK, QUESTION, Digest, Excerpt
from .emojis import find_emoji
from .tokens import (
    MAX_WORDS_KEPT,
    MAX_WORDS_KEPT_PER_MESSAGE,
    Vocabulary,
    domain_of,
    find_mentions,
    has_question,
    split_links,
    split_words,
)

MAX_DOMAINS = 5_000
MAX_MENTIONS = 5_000
EXCERPT_CHARACTERS = 200
CHECK_EVERY = 1_000

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (chat times are naive: the phone's clock)
_KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
_OTHER_KIND = _KIND_NUMBERS["other"]
_TEXT = _KIND_NUMBERS["text"]
# Captions are people's words; what stands in the other kinds was written by the platform.
_SPEAKING = frozenset(_KIND_NUMBERS[kind] for kind in ("text", "image", "video", "gif", "document"))
# A direction mark, invisible to people, begins what the platform wrote itself.
_PLATFORM_MARKS = ("\u200e", "\u200f")


def read(messages: Iterable[ChatMessage], checkpoint: Callable[[], None]) -> Digest:
    """Streams the messages into a digest. `checkpoint` is called every thousand messages and may raise."""
    reader = _Reader()
    for count, message in enumerate(messages):
        if count % CHECK_EVERY == 0:
            checkpoint()
        reader.add(message)
    return reader.finish()


class _Reader:
    """The accumulators while the stream runs."""

    def __init__(self) -> None:
        self._digest = Digest()
        self._author_ids: dict[str, int] = {}
        self._author_counts: list[int] = []
        self._vocabulary = Vocabulary()
        self._emoji_ids: dict[str, int] = {}
        self._longest: tuple[int, int, str] = (0, -1, "")
        self._first: tuple[int, int, str] | None = None

    def add(self, message: ChatMessage) -> None:
        """Takes one message in; of a system line only the count."""
        if message.author is None or message.kind == "system":
            self._digest.system_lines += 1
            return
        digest = self._digest
        index = len(digest.times)
        author = self._author(message.author)
        kind = _KIND_NUMBERS.get(message.kind, _OTHER_KIND)
        sent = message.sent_local_time - _EPOCH
        digest.times.append(sent.days * 86_400 + sent.seconds)
        digest.authors.append(author)
        digest.kinds.append(kind)
        body = message.body if kind in _SPEAKING and not _is_platform_text(message.body, kind) else ""
        flags = EDITED if message.edited else 0
        digest.flags.append(flags | self._add_text(body, author))
        self._keep_excerpts(index, body)

    def finish(self) -> Digest:
        """The digest, its messages in the order of time and its authors in the order of their counts."""
        digest = self._digest
        digest.vocabulary = ["", *self._vocabulary]
        digest.emoji_table = list(self._emoji_ids)
        order = _time_order(digest.times)
        if order is not None:
            _reorder(digest, order)
        self._rank_authors()
        self._place_excerpts(order)
        return digest

    def _author(self, name: str) -> int:
        author = self._author_ids.setdefault(name, len(self._author_ids))
        if author == len(self._author_counts):
            self._author_counts.append(0)
        self._author_counts[author] += 1
        return author

    def _add_text(self, body: str, author: int) -> int:
        """Adds the columns of a body, and answers its flags."""
        digest = self._digest
        text, links = split_links(body)
        words = split_words(text) if text else []
        digest.characters.append(len(body))
        digest.word_counts.append(len(words))
        digest.word_starts.append(len(digest.words))
        if len(digest.words) < MAX_WORDS_KEPT:
            digest.words.extend(map(self._vocabulary.__getitem__, words[:MAX_WORDS_KEPT_PER_MESSAGE]))
        digest.word_ends.append(len(digest.words))
        digest.emoji_starts.append(len(digest.emojis))
        for emoji in find_emoji(text)[:MAX_WORDS_KEPT_PER_MESSAGE]:
            digest.emojis.append(self._emoji_ids.setdefault(emoji, len(self._emoji_ids)))
        digest.emoji_ends.append(len(digest.emojis))
        self._count_links(links, author)
        for mentioned in find_mentions(text):
            key = (author, mentioned)
            if key in digest.mentions or len(digest.mentions) < MAX_MENTIONS:
                digest.mentions[key] += 1
        return (LINK if links else 0) | (QUESTION if has_question(text) else 0)

    def _count_links(self, links: Sequence[str], author: int) -> None:
        for link in links:
            key = (author, domain_of(link))
            if key in self._digest.domains or len(self._digest.domains) < MAX_DOMAINS:
                self._digest.domains[key] += 1

    def _keep_excerpts(self, index: int, body: str) -> None:
        """Keeps the longest text, and the first in time that says something."""
        if not body:
            return
        if len(body) > self._longest[0]:
            self._longest = (len(body), index, body)
        time = self._digest.times[index]
        if self._first is None or time < self._first[0]:
            self._first = (time, index, body)

    def _rank_authors(self) -> None:
        """Renumbers the authors, so that nothing depends on who happened to write first."""
        digest, counts, names = self._digest, self._author_counts, list(self._author_ids)
        ranking = sorted(range(len(names)), key=lambda author: (-counts[author], names[author]))
        rank = {author: place for place, author in enumerate(ranking)}
        digest.names = [names[author] for author in ranking]
        digest.counts = [counts[author] for author in ranking]
        digest.authors = array("I", [rank[author] for author in digest.authors])
        digest.domains = Counter({(rank[author], host): n for (author, host), n in digest.domains.items()})
        digest.mentions = Counter({(rank[author], who): n for (author, who), n in digest.mentions.items()})

    def _place_excerpts(self, order: Sequence[int] | None) -> None:
        """Gives the excerpts the indexes that their messages have after sorting."""
        place = (lambda index: index) if order is None else list(order).index
        if self._longest[1] >= 0:
            self._digest.longest = Excerpt(place(self._longest[1]), _excerpt(self._longest[2]))
        if self._first is not None:
            self._digest.first = Excerpt(place(self._first[1]), _excerpt(self._first[2]))


def _is_platform_text(body: str, kind: int) -> bool:
    """Whether a medium's body is a placeholder, such as <Media omitted>, and not a caption."""
    return kind != _TEXT and (body.startswith(_PLATFORM_MARKS) or (body[:1] == "<" and body[-1:] == ">"))


def _time_order(times: Sequence[int]) -> list[int] | None:
    """The indexes sorted by time, equal times as in the file; None when they are in order already."""
    if all(earlier <= later for earlier, later in pairwise(times)):
        return None
    return sorted(range(len(times)), key=times.__getitem__)


def _reorder(digest: Digest, order: Sequence[int]) -> None:
    """Puts every column of messages into another order; words and emoji stay where they are."""
    for name in (
        "times",
        "authors",
        "kinds",
        "flags",
        "characters",
        "word_counts",
        "word_starts",
        "word_ends",
        "emoji_starts",
        "emoji_ends",
    ):
        column: array[int] = getattr(digest, name)
        setattr(digest, name, array(column.typecode, [column[index] for index in order]))


def _excerpt(body: str) -> str:
    """One line of at most 200 characters; only the beginning of a huge body is looked at."""
    line = " ".join(body[: EXCERPT_CHARACTERS * 4].split())
    return line if len(line) <= EXCERPT_CHARACTERS else line[: EXCERPT_CHARACTERS - 1] + "…"
