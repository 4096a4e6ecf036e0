"""Many callers at one moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from servicekit.errors import ServiceError

_Answer = TypeVar("_Answer")


def together(count: int, work: Callable[[int], _Answer]) -> list[_Answer]:
    """Do it that many times at once."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def outcome(work: Callable[[], object]) -> str:
    """Answer "ok" or the reason of the failure."""
    try:
        work()
    except ServiceError as error:
        return error.reason
    return "ok"
