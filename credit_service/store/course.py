"""A transaction that has begun to write is seen to its end, whoever has stopped waiting for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from servicekit.logs import get_logger

log = get_logger(__name__)

_Result = TypeVar("_Result")

# The event loop holds its tasks weakly; somebody has to hold those that nobody waits for.
_left_alone: set[asyncio.Task[Any]] = set()


class Course:
    """How far a transaction has come."""

    def __init__(self) -> None:
        """At its beginning it has written nothing."""
        self.writing = False


async def see_through(work: Coroutine[Any, Any, _Result], course: Course) -> _Result:
    """Await the work. When the caller is cancelled, so is the work, unless it is writing already.

    Closes the race of a deadline with the commit: were the work cancelled while PostgreSQL commits, coins
    would have moved and no record would tell of it. What is left is one statement and the commit, bounded by
    the statement's and the lock's timeouts, and the telling. Only the end of the process cuts that short.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if course.writing:
            _left_alone.add(task)
            task.add_done_callback(_ended)
        else:
            task.cancel()
            await asyncio.wait([task])
        raise


def _ended(task: asyncio.Task[Any]) -> None:
    _left_alone.discard(task)
    if not task.cancelled() and (error := task.exception()):
        log.warning("transaction_failed_unseen", error=repr(error))
