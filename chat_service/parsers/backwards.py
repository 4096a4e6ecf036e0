"""Finding what stands last in a text of lines."""

import re
from collections.abc import Callable
from typing import TypeVar

_Found = TypeVar("_Found")

# Nearly always one of the last lines has it; a text of which a million lines have none is gone through by the
# pattern and not line by line.
_LINES_ONE_BY_ONE = 32


def last_line(
    pattern: re.Pattern[str],
    text: str,
    begin: int,
    end: int,
    meaning: Callable[[re.Match[str]], _Found | None],
) -> _Found | None:
    """What the last line means that begins in a range, matches and means something; None where none does.

    The pattern begins with the line feed before a line and goes no further than the line.
    """
    at = end
    for _ in range(_LINES_ONE_BY_ONE):
        at = text.rfind("\n", begin, at)
        if at < 0:
            return None
        head = pattern.match(text, at)
        found = meaning(head) if head is not None else None
        if found is not None:
            return found
    last = None
    for head in pattern.finditer(text, begin, at):
        found = meaning(head)
        last = last if found is None else found
    return last
