"""What a parser raises, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChatChoice:
    """One chat of an export that holds several; `id` is unique in it, `name` need not be.

    `message_count` is None where only reading the chat would tell.
    """

    id: str
    name: str
    message_count: int | None = None


class UnreadableExport(Exception):
    """The file is not what was expected.

    `line` is the line of the file, from 1, or 0 where no single line is to blame.
    `file_name` is for the caller to fill in: a parser sees bytes, not names.
    """

    def __init__(self, problem: str, *, line: int = 0, file_name: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.file_name = file_name

    def __str__(self) -> str:
        return f"line {self.line}: {self.problem}" if self.line else self.problem


class EncryptedExport(UnreadableExport):
    """The file is encrypted, so that no parser could read it."""


class OversizedExport(UnreadableExport):
    """The file holds more than the caller allows: `size` is more than `limit`, both in `unit`."""

    def __init__(self, unit: str, *, size: int, limit: int, line: int = 0) -> None:
        super().__init__(f"more than {limit:,} {unit}", line=line)
        self.unit = unit
        self.size = size
        self.limit = limit


class SeveralChats(UnreadableExport):
    """The file holds several chats, and none or more than one of them is the one that was asked for."""

    def __init__(self, problem: str, chats: Sequence[ChatChoice]) -> None:
        super().__init__(problem)
        self.chats = tuple(chats)
