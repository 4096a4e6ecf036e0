"""Waiting in tests: for a condition, never for a length of time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_S = 0.01


def eventually(condition: Callable[[], T], timeout_s: float = 10.0) -> T:
    """Call the condition until its answer is true, and answer that; AssertionError when the time ran out."""
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s; the last answer was {answer!r}")
        time.sleep(_POLL_S)
    return answer


async def eventually_async(condition: Callable[[], Awaitable[T]], timeout_s: float = 10.0) -> T:
    """The same on an event loop, which goes on with its other work meanwhile."""
    deadline = time.monotonic() + timeout_s
    while not (answer := await condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s; the last answer was {answer!r}")
        await asyncio.sleep(_POLL_S)
    return answer
