"""The last line that means something, near the end of a text or far from it."""

import re

import pytest

from chat_service.parsers.backwards import last_line

_NUMBER = re.compile(r"\n(\d+);")


def small(head: re.Match[str]) -> tuple[int, int] | None:
    """Where a number stands and which it is; those from 100 on mean nothing."""
    number = int(head[1])
    return (head.start(), number) if number < 100 else None


@pytest.mark.parametrize("plain_lines", [0, 1, 31, 32, 33, 500])
def test_it_is_found_however_many_lines_come_behind_it(plain_lines: int) -> None:
    # given lines before it that mean something too, and one behind it that does not
    text = "\n1;\n2;\nx\n3;" + "\n" * plain_lines + "\n100;"
    assert last_line(_NUMBER, text, 0, len(text), small) == (text.index("\n3;"), 3)


@pytest.mark.parametrize("plain_lines", [0, 31, 32, 33, 500])
def test_what_stands_outside_of_the_range_does_not_count(plain_lines: int) -> None:
    plain = "\nplain" * plain_lines
    text = "\n1;\n2;" + plain + "\n3;"
    # given a range that begins behind the first, then behind the second, and ends before the third
    end = text.index("\n3;")
    assert last_line(_NUMBER, text, 1, end, small) == (3, 2)
    assert last_line(_NUMBER, text, 4, end, small) is None
    assert last_line(_NUMBER, text, 4, end + 3, small) == (end, 3)
