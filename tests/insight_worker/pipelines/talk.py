"""Conversations written as lines, for tests that are computed by hand."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from insight_worker.pipelines.chat_insights.definition import InsightType
from insight_worker.pipelines.chat_insights.digest import Digest
from insight_worker.pipelines.chat_insights.reader import read
from insight_worker.pipelines.interface import (
    ChatMessage,
    JsonValue,
    ModelAnswer,
    ModelQuestion,
    ModelUse,
    Recipe,
)

_LINE = re.compile(r"(\S+ \S+) (\w+)(?: \((\w+)\))?: ?(.*)", re.DOTALL)


def message(position: int, line: str) -> ChatMessage:
    """Reads "2024-01-01 09:00 Ann: hi", with a kind such as "Ann (image): caption" where it is not text."""
    match = _LINE.fullmatch(line)
    assert match is not None, line
    moment, author, kind, body = match.groups()
    return ChatMessage(position, author, datetime.fromisoformat(moment), body, kind or "text", False)


def messages(lines: str) -> list[ChatMessage]:
    """One message a line; empty lines are skipped."""
    kept = [line.strip() for line in lines.splitlines() if line.strip()]
    return [message(position, line) for position, line in enumerate(kept, start=1)]


def digest_of(lines: str) -> Digest:
    """The digest of a conversation."""
    return read(messages(lines), lambda: None)


def made(insight: InsightType, lines: str) -> tuple[dict[str, Any], str]:
    """The data and the joined sentences of an insight, however short the conversation is."""
    result = insight.make(digest_of(lines))
    return dict(result.data), " ".join(result.sentences)


def row(data: Mapping[str, Any], author: str) -> dict[str, Any]:
    """The row of one author."""
    found: dict[str, Any] = next(row for row in data["rows"] if row["author"] == author)
    return found


class Context:
    """A pipeline context over messages in memory; counts what is asked of it."""

    def __init__(self, source: list[ChatMessage], params: Mapping[str, JsonValue] | None = None) -> None:
        self.params: Mapping[str, JsonValue] = params or {}
        self.recipes: dict[str, Recipe] = {}
        self.partial = False
        self.sample_chars = 20_000
        self.saved: dict[str, Mapping[str, JsonValue]] = {}
        self.questions: list[ModelQuestion] = []
        self.answers: list[ModelAnswer | Exception] = []
        self.state: dict[str, object] = {}
        self.reads = 0
        self.checks = 0
        self._source = source

    def messages(self) -> Iterator[ChatMessage]:
        """Streams the messages."""
        self.reads += 1
        return iter(self._source)

    def ask(self, question: ModelQuestion) -> ModelAnswer:
        """Answers what the test has prepared, one after the other."""
        self.questions.append(question)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def once(
        self, name: str, make: Callable[[], tuple[Mapping[str, JsonValue], ModelUse | None]]
    ) -> Mapping[str, JsonValue]:
        """Keeps what was made under each name."""
        if name not in self.saved:
            self.saved[name] = make()[0]
        return self.saved[name]

    def checkpoint(self) -> None:
        """Counts, and never cancels."""
        self.checks += 1
