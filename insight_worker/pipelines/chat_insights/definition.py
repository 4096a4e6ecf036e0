"""What an insight type is, and what it needs before it can be made."""

from collections.abc import Callable
from dataclasses import dataclass

from ..interface import InsightFailed, InsightResult, Recipe
from .digest import Digest

MIN_MESSAGES = 20
"""Fewer messages than this say nothing about people."""
MAX_AUTHORS = 50
"""Authors that have a row of their own; the rest are added up under "others"."""
MAX_DETAILED_AUTHORS = 12
"""Authors with lists, lines or matrix rows of their own."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a chat must have for an insight type."""

    min_people: int = 1
    max_people: int | None = None
    min_messages: int = 1

    @classmethod
    def of(cls, recipe: Recipe) -> "Needs":
        """Read them from the catalogue's recipe."""
        return cls(recipe.min_people, recipe.max_people, recipe.min_messages)

    def missing(self, insight_type_id: str, digest: Digest) -> InsightFailed | None:
        """Why the type cannot be made of this chat; None when it can."""
        people, messages = len(digest.names), len(digest)
        if messages < self.min_messages:
            return _failed(
                "NOT_ENOUGH_MESSAGES",
                f"{insight_type_id} needs {self.min_messages} messages by people; this chat has {messages}.",
                (insight_type_id, self.min_messages, messages),
            )
        if people < self.min_people:
            return _failed(
                "NEEDS_TWO_AUTHORS" if self.min_people == 2 else "NEEDS_MORE_AUTHORS",
                f"{insight_type_id} compares people and needs {self.min_people} authors; "
                f"this chat has {people}.",
                (insight_type_id, self.min_people, people),
            )
        if self.max_people is not None and people > self.max_people:
            return _failed(
                "TOO_MANY_AUTHORS",
                f"{insight_type_id} is about at most {self.max_people} authors; this chat has {people}.",
                (insight_type_id, self.max_people, people),
            )
        return None


def _failed(reason: str, message: str, values: tuple[str, int, int]) -> InsightFailed:
    insight_type_id, required, found = values
    return InsightFailed(
        reason,
        message,
        {"insight_type_id": insight_type_id, "required": str(required), "found": str(found)},
    )


@dataclass(frozen=True, slots=True)
class InsightType:
    """One computed insight: its id in the catalogue, what it needs at least, and what makes it."""

    id: str
    make: Callable[[Digest], InsightResult]
    min_authors: int = 1
    min_messages: int = MIN_MESSAGES

    @property
    def needs(self) -> Needs:
        """What it cannot do without; the catalogue may ask for more."""
        return Needs(min_people=self.min_authors, min_messages=self.min_messages)

    def missing(self, digest: Digest, recipe: Recipe | None = None) -> InsightFailed | None:
        """Why it cannot be made of this chat, by its own needs and those of the catalogue."""
        asked = None if recipe is None else Needs.of(recipe).missing(self.id, digest)
        return self.needs.missing(self.id, digest) or asked

    def attempt(self, digest: Digest, recipe: Recipe | None = None) -> InsightResult | InsightFailed:
        """The insight, or why there is none."""
        return self.missing(digest, recipe) or self.make(digest)
