"""What is kept of a chat: columns of numbers, read once from the stream, from which every insight is made.

400,000 messages take about 60 MB. No body is kept but two excerpts.
"""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from .conversation import Conversation

KINDS = (
    "text",
    "image",
    "video",
    "audio",
    "sticker",
    "gif",
    "document",
    "contact",
    "location",
    "poll",
    "call",
    "deleted",
    "other",
)
"""The message kinds that people send; the kind column holds places in this tuple."""
MEDIA_KINDS = frozenset(
    ("image", "video", "audio", "sticker", "gif", "document", "contact", "location", "other")
)

QUESTION, LINK, EDITED = 1, 2, 4
"""Bits of the flags column."""

DAY_S = 86_400
HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class Excerpt:
    """One message that is shown as it was written: its index, and at most 200 characters of it."""

    index: int
    text: str


@dataclass
class Digest:
    """The messages of a chat that a person wrote, in the order of time (ties in the order of the file).

    One row a message in every column. System lines are not in it, only counted.
    """

    names: list[str] = field(default_factory=list)
    """Author id to name, the one with most messages first, equal ones by name."""
    counts: list[int] = field(default_factory=list)
    """Author id to number of messages."""
    times: "array[int]" = field(default_factory=lambda: array("q"))
    """Local time in seconds since 1970-01-01T00:00:00 on the same clock."""
    authors: "array[int]" = field(default_factory=lambda: array("I"))
    kinds: "array[int]" = field(default_factory=lambda: array("B"))
    flags: "array[int]" = field(default_factory=lambda: array("B"))
    characters: "array[int]" = field(default_factory=lambda: array("I"))
    word_counts: "array[int]" = field(default_factory=lambda: array("I"))
    word_starts: "array[int]" = field(default_factory=lambda: array("I"))
    """Where a message's words begin in `words`."""
    word_ends: "array[int]" = field(default_factory=lambda: array("I"))
    emoji_starts: "array[int]" = field(default_factory=lambda: array("I"))
    emoji_ends: "array[int]" = field(default_factory=lambda: array("I"))
    words: "array[int]" = field(default_factory=lambda: array("I"))
    """The words of all messages, as ids: places in `vocabulary`."""
    emojis: "array[int]" = field(default_factory=lambda: array("I"))
    """The emoji of all messages, as places in `emoji_table`."""
    vocabulary: list[str] = field(default_factory=list)
    emoji_table: list[str] = field(default_factory=list)
    domains: Counter[tuple[int, str]] = field(default_factory=Counter)
    """(author id, host of a link) to number of links."""
    mentions: Counter[tuple[int, str]] = field(default_factory=Counter)
    """(author id, what stands behind an @) to number of times."""
    longest: Excerpt | None = None
    first: Excerpt | None = None
    system_lines: int = 0

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def conversation(self) -> Conversation:
        """Sessions and turns, made once."""
        return Conversation.of(self.times, self.authors)

    @cached_property
    def days(self) -> "array[int]":
        """The local date of each message in days since 1970-01-01."""
        return array("l", [time // DAY_S for time in self.times])

    @cached_property
    def has_seconds(self) -> bool:
        """Whether the export tells seconds; many tell only minutes."""
        return any(time % 60 for time in self.times)

    def hour(self, index: int) -> int:
        """The local hour of a message, 0 to 23."""
        return self.times[index] % DAY_S // HOUR_S

    def message_words(self, index: int) -> "array[int]":
        """The word ids of one message."""
        return self.words[self.word_starts[index] : self.word_ends[index]]

    def message_emoji(self, index: int) -> "array[int]":
        """The emoji of one message, as places in `emoji_table`."""
        return self.emojis[self.emoji_starts[index] : self.emoji_ends[index]]
