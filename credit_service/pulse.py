"""When to look for events again: at once after a commit of this process, else after pauses that grow."""

import asyncio

_SHORTEST_S = 0.05


class Pulse:
    """Wakes one who looks for events; for use in one event loop."""

    def __init__(self, longest_s: float) -> None:
        """Take the longest pause: what other copies of the service commit is found by looking."""
        self._longest_s = longest_s
        self._pause_s = longest_s
        self._beaten = asyncio.Event()

    def beat(self) -> None:
        """Say that this process has committed something."""
        self._beaten.set()

    async def wait(self) -> None:
        """Wait until it is time to look.

        What was just committed may be held back by a transaction that still runs (`event_reader`), so
        the pauses after a beat begin short.
        """
        # Whoever commits all the time is looked after now and then, not all the time.
        await asyncio.sleep(min(_SHORTEST_S, self._longest_s))
        try:
            async with asyncio.timeout(self._pause_s):
                await self._beaten.wait()
        except TimeoutError:
            self._pause_s = min(self._pause_s * 2, self._longest_s)
        else:
            self._pause_s = min(_SHORTEST_S, self._longest_s)
        self._beaten.clear()
