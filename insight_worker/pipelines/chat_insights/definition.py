"""What an insight type is, and what it needs before it can be made."""

from collections.abc import Callable
from dataclasses import dataclass

from ..interface import InsightFailed, InsightResult
from .digest import Digest

MIN_MESSAGES = 20
"""Fewer messages than this say nothing about people."""
MAX_AUTHORS = 50
"""Authors that have a row of their own; the rest are added up under "others"."""
MAX_DETAILED_AUTHORS = 12
"""Authors with lists, lines or matrix rows of their own."""


@dataclass(frozen=True, slots=True)
class InsightType:
    """One kind of insight: its id in the catalogue, what it needs, and the function that makes it."""

    id: str
    make: Callable[[Digest], InsightResult]
    min_authors: int = 1
    min_messages: int = MIN_MESSAGES

    def attempt(self, digest: Digest) -> InsightResult | InsightFailed:
        """The insight, or why there is none."""
        return self._missing(digest) or self.make(digest)

    def _missing(self, digest: Digest) -> InsightFailed | None:
        authors = len(digest.names)
        if len(digest) < self.min_messages:
            return InsightFailed(
                "NOT_ENOUGH_MESSAGES",
                f"{self.id} needs {self.min_messages} messages by people; this chat has {len(digest)}.",
                {"insight_type_id": self.id, "required": str(self.min_messages), "found": str(len(digest))},
            )
        if authors < self.min_authors:
            return InsightFailed(
                "NEEDS_TWO_AUTHORS",
                f"{self.id} compares people and needs {self.min_authors} authors; this chat has {authors}.",
                {"insight_type_id": self.id, "required": str(self.min_authors), "found": str(authors)},
            )
        return None
