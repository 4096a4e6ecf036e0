"""Calls of the vendors' SDKs, which block: in threads, a bounded number at once, each for a bounded time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from credit_service.payments.errors import ProviderUnavailable

_Answer = TypeVar("_Answer")

AT_ONCE = 8
"""Threads that one provider's calls take at most."""


class VendorCalls:
    """The calls of one provider; for use in one event loop."""

    def __init__(self, provider: str, timeout_s: float, at_once: int = AT_ONCE) -> None:
        """Take the provider's name for errors, and the longest that a call may take, its turn included."""
        self._provider = provider
        self._timeout_s = timeout_s
        self._turns = asyncio.Semaphore(at_once)
        # Its own: the event loop looks up host names in its threads, the database's among them.
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=provider.lower())

    async def run(self, call: Callable[[], _Answer]) -> _Answer:
        """Run a blocking call in a thread; raises `ProviderUnavailable` when it takes too long.

        A thread cannot be stopped: it keeps its turn until the SDK's own timeout has ended it, so however
        slow a provider is, it holds no more threads than there are turns.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._turns.acquire()
                task = asyncio.get_running_loop().run_in_executor(self._threads, call)
                task.add_done_callback(self._ended)
                return await asyncio.shield(task)
        except TimeoutError:
            raise ProviderUnavailable(self._provider) from None

    def _ended(self, task: "asyncio.Future[Any]") -> None:
        self._turns.release()
        if not task.cancelled():
            # Of a call that nobody waits for any more.
            task.exception()
