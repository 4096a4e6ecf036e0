"""What is known about a chat once its messages have gone by."""

from collections import Counter
from datetime import datetime

from chat_service.imports.stats import Stats
from chat_service.parsers import MessageBatch

MAX_PARTICIPANTS = 1_000
#: So much of names fits into an answer, however long a hostile file makes them.
MAX_NAME_CHARS = 65_536


class Tally:
    """Counts messages and authors, remembers the earliest and the latest time, and keeps the statistics."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.message_count = 0
        self.stats = Stats()
        self.first = datetime.max  # noqa: DTZ901  # the file has no zone
        self.last = datetime.min  # noqa: DTZ901  # the same
        self._authors: Counter[str | None] = Counter()

    def add(self, messages: MessageBatch) -> None:
        """Take messages in; an empty batch changes nothing."""
        self.message_count += len(messages)
        self.stats.add(messages)
        self._authors.update(messages.authors)
        self.first = min(self.first, min(messages.sent_local_times, default=self.first))
        self.last = max(self.last, max(messages.sent_local_times, default=self.last))

    @property
    def participant_count(self) -> int:
        """Different authors; system lines have none."""
        return len(self._authors) - (None in self._authors)

    def participants(self) -> list[tuple[str, int]]:
        """Answer names and their numbers of messages, most first, cut where they are too many or too long."""
        authors = [(name, count) for name, count in self._authors.items() if name is not None]
        authors.sort(key=lambda author: (-author[1], author[0]))
        shown, chars = [], 0
        for name, count in authors[:MAX_PARTICIPANTS]:
            chars += len(name)
            if chars > MAX_NAME_CHARS:
                break
            shown.append((name, count))
        return shown
