"""Many calls in flight from one Python client; only successes count, any error ends the run."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable


async def calls_per_s(call: Callable[[int], Awaitable[object]], *, in_flight: int, for_s: float) -> float:
    """Answer how many calls a second succeed with `in_flight` callers; `call` gets a growing number."""
    numbers = itertools.count()
    done = 0
    end = time.perf_counter() + for_s

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await call(next(numbers))
            done += 1

    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(caller())
    return done / (time.perf_counter() - start)


async def all_of(call: Callable[[int], Awaitable[object]], count: int, *, in_flight: int) -> float:
    """Make `count` calls, `in_flight` at once, and answer how long they took in seconds."""
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            await call(number)

    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(caller())
    return time.perf_counter() - start


async def median_ms(call: Callable[[int], Awaitable[object]], count: int, *, first: int = 0) -> float:
    """Answer the median of how long `count` calls take, one after the other, in milliseconds."""
    took = []
    for number in range(first, first + count):
        start = time.perf_counter()
        await call(number)
        took.append((time.perf_counter() - start) * 1_000)
    return statistics.median(took)
