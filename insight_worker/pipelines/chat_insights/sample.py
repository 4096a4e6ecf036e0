"""A bounded sample of a chat that a language model can be shown: whole stretches of conversation, spread
evenly over the time of the chat.

One pass, in the order of the file, in bounded memory: neighbouring stretches compete, and the one in which
both sides say more stays. What is kept depends on the messages alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from servicekit.lines import inert_json

from ..interface import ChatMessage

CONVERSATION_GAP = timedelta(hours=1)
"""A silence this long ends a stretch."""
MAX_STRETCH_MESSAGES = 30
MAX_TEXT_CHARACTERS = 600
"""What is shown of one message."""
MAX_AUTHOR_CHARACTERS = 80
_MAX_KEPT = 256
"""Stretches in memory at a time; each has at most 30 messages of 600 characters."""
_LINE_CHARACTERS = 72
"""What a line has besides author and text."""
_SPEAKING = frozenset(("text", "image", "video", "gif", "document"))
_PLATFORM_MARKS = ("\u200e", "\u200f")


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """A message as the model is shown it; `text` is empty for media without a caption."""

    position: int
    author: str
    sent_local_time: datetime
    kind: str
    text: str

    @property
    def characters(self) -> int:
        """About how long its line is."""
        return len(self.text) + len(self.author) + _LINE_CHARACTERS

    def line(self) -> str:
        """The message as one line of JSON."""
        time = self.sent_local_time.strftime("%Y-%m-%d %H:%M")
        shown: dict[str, str | int | float | None] = {
            "position": self.position,
            "time": time,
            "author": self.author,
        }
        if self.kind != "text":
            shown["kind"] = self.kind
        if self.text:
            shown["text"] = self.text
        return inert_json(shown)


@dataclass
class Stretch:
    """Messages that follow each other without a long silence."""

    messages: list[ShownMessage] = field(default_factory=list)
    characters: int = 0

    def add(self, message: ShownMessage) -> None:
        """Take one message in."""
        self.messages.append(message)
        self.characters += message.characters

    @property
    def richness(self) -> int:
        """How much there is to learn from it: what the second voice says counts most."""
        said: dict[str, int] = {}
        for message in self.messages:
            said[message.author] = said.get(message.author, 0) + len(message.text)
        voices = sorted(said.values(), reverse=True)
        return sum(voices) + 4 * sum(voices[1:2])


@dataclass(frozen=True)
class Sample:
    """What the model is shown of a chat, in the order of the file."""

    stretches: Sequence[Stretch]
    #: Messages by people in the whole chat.
    message_count: int

    @property
    def messages(self) -> Mapping[int, ShownMessage]:
        """The shown messages by position."""
        return {one.position: one for stretch in self.stretches for one in stretch.messages}

    def lines(self) -> Iterator[str]:
        """One line of JSON a message, and one before each stretch."""
        for number, stretch in enumerate(self.stretches, start=1):
            yield inert_json({"conversation": number})
            yield from (message.line() for message in stretch.messages)


class Sampler:
    """Takes a sample of the messages that pass by."""

    def __init__(self, max_characters: int) -> None:
        """Take how many characters the sample may have as lines."""
        self._max_characters = max_characters
        self._kept: list[Stretch] = []
        self._richest: Stretch | None = None
        self._group_count = 0
        self._group_size = 1
        self._open = Stretch()
        self._last_time: datetime | None = None
        self._count = 0

    def watch(self, messages: Iterable[ChatMessage]) -> Iterator[ChatMessage]:
        """Pass the messages on."""
        for message in messages:
            self.add(message)
            yield message

    def add(self, message: ChatMessage) -> None:
        """Take one message in; system lines are nobody's."""
        if message.author is None or message.kind == "system":
            return
        self._count += 1
        if self._ends_before(message):
            self._close()
        self._last_time = message.sent_local_time
        self._open.add(
            ShownMessage(
                message.position,
                message.author[:MAX_AUTHOR_CHARACTERS],
                message.sent_local_time,
                message.kind,
                _shown_text(message),
            )
        )

    def sample(self) -> Sample:
        """Answer what fits: the richest stretch of each of as many equal parts as there is room for."""
        self._close()
        self._end_group()
        kept = self._kept
        for parts in range(len(self._kept), 0, -1):
            kept = _richest_of(self._kept, parts)
            if _characters(kept) <= self._max_characters:
                break
        return Sample([_cut(stretch, self._max_characters) for stretch in kept], self._count)

    def _ends_before(self, message: ChatMessage) -> bool:
        if self._last_time is None:
            return False
        if len(self._open.messages) >= MAX_STRETCH_MESSAGES:
            return True
        return abs(message.sent_local_time - self._last_time) >= CONVERSATION_GAP

    def _close(self) -> None:
        if not self._open.messages:
            return
        if self._richest is None or self._open.richness > self._richest.richness:
            self._richest = self._open
        self._open = Stretch()
        self._group_count += 1
        if self._group_count == self._group_size:
            self._end_group()

    def _end_group(self) -> None:
        """Keep the richest of the group; when too many are kept, of every two the richer stays."""
        if self._richest is not None:
            self._kept.append(self._richest)
            self._richest, self._group_count = None, 0
        if len(self._kept) > _MAX_KEPT:
            self._kept = _richest_of(self._kept, len(self._kept) // 2)
            self._group_size *= 2


def _richest_of(stretches: Sequence[Stretch], parts: int) -> list[Stretch]:
    """The richest stretch of each of so many parts, which differ by one in size at most."""
    bounds = [len(stretches) * part // parts for part in range(parts + 1)]
    return [
        max(stretches[start:end], key=lambda stretch: stretch.richness) for start, end in pairwise(bounds)
    ]


def _characters(stretches: Iterable[Stretch]) -> int:
    return sum(stretch.characters for stretch in stretches)


def _cut(stretch: Stretch, most: int) -> Stretch:
    """The beginning of a stretch that is too long by itself."""
    if stretch.characters <= most:
        return stretch
    cut = Stretch()
    for message in stretch.messages:
        if cut.characters + message.characters > most:
            break
        cut.add(message)
    return cut


def _shown_text(message: ChatMessage) -> str:
    body = message.body
    if message.kind not in _SPEAKING:
        return ""
    if message.kind != "text" and (
        body.startswith(_PLATFORM_MARKS) or (body[:1] == "<" and body[-1:] == ">")
    ):
        return ""
    return body[:MAX_TEXT_CHARACTERS]
