"""Writes expiries down in the background: tidiness, not truth. No answer depends on it."""

import asyncio
import random

from credit_service.store import Store
from servicekit.errors import ServiceError
from servicekit.logs import get_logger

log = get_logger(__name__)

_MAX_BATCHES = 100
"""Batches in a row before the sweeper rests, however much is due."""


class Sweeper:
    """Expires what is due, in batches. Any number of copies may run at once, or none."""

    def __init__(self, store: Store, *, interval_s: float, batch: int) -> None:
        """Take the pause between sweeps, in seconds, and the reservations that one transaction expires."""
        self._store = store
        self._interval_s = interval_s
        self._batch = batch

    async def run(self) -> None:
        """Sweep until cancelled; a database that is away is tried again after the pause."""
        while True:
            # Jitter keeps the copies of the service from sweeping in step.
            await asyncio.sleep(self._interval_s * random.uniform(0.5, 1.5))
            try:
                await self.sweep()
            except ServiceError as error:
                log.warning("sweep_failed", reason=error.reason)

    async def sweep(self) -> int:
        """Expire what is due now and answer how many reservations that were."""
        total = 0
        for _ in range(_MAX_BATCHES):
            expired = await self._store.expire_due(self._batch)
            total += expired
            if expired < self._batch:
                break
        return total
