"""Writes expiries down in the background: tidiness, not truth. No answer depends on it."""

import asyncio
import random
from collections.abc import Sequence

from credit_service.store import Store, Swept
from servicekit.errors import DatabaseUnavailable, ServiceError
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
        """Expire what is due now and answer how many reservations that were.

        An account that is held by somebody else, or that cannot be written, is left for the next sweep, so
        that what is due in it hides nothing that is due in others.
        """
        total = 0
        left: set[str] = set()
        for _ in range(_MAX_BATCHES):
            user_ids = await self._store.due_accounts(self._batch, but=left)
            if not user_ids:
                break
            swept = await self._expire(user_ids)
            total += swept.expired
            left.update(set(user_ids).difference(swept.user_ids))
        return total

    async def _expire(self, user_ids: Sequence[str]) -> Swept:
        try:
            return await self._store.expire_due(user_ids, self._batch)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # whatever is wrong with one account, the others go on
            if len(user_ids) > 1:
                return await self._one_by_one(user_ids)
            log.error("sweep_left_account", user_id=user_ids[0], exc_info=error)
            return Swept(0, ())

    async def _one_by_one(self, user_ids: Sequence[str]) -> Swept:
        """Find the account that spoils the batch: it fails alone."""
        swept = [await self._expire([user_id]) for user_id in user_ids]
        return Swept(
            sum(one.expired for one in swept), [user_id for one in swept for user_id in one.user_ids]
        )
