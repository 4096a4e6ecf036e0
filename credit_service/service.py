"""What the RPCs of the ledger do, in the ledger's words; refusals leave here as errors."""

import asyncio
from collections.abc import Collection, Sequence
from typing import TypeVar

from credit_service.coalescer import Coalescer
from credit_service.errors import to_error
from credit_service.ledger import Close, Operation, Refusal, Result
from credit_service.store import Store
from servicekit.errors import RateLimited

_Success = TypeVar("_Success")

BATCHES_AT_ONCE = 2
"""Batches of callers at once; each takes a connection, and the event loop while it is decided."""

MAX_BATCHES_WAITING = 16
"""Batches of callers that wait: together they hold as many operations as a process should."""


class LedgerService:
    """Puts operations through the store: single ones together with others, batches as they are."""

    def __init__(self, store: Store, coalescer: Coalescer) -> None:
        """Take the store, and what makes batches of single operations for it."""
        self._store = store
        self._coalescer = coalescer
        self._turns = asyncio.Semaphore(BATCHES_AT_ONCE)
        self._waiting = 0

    async def do(self, operation: Operation, success: type[_Success]) -> _Success:
        """Do one operation and answer its success; raises the `ServiceError` of its refusal."""
        if isinstance(operation, Close):
            # An account may take many transactions to be emptied, so it is a batch of its own.
            [result] = await self.execute([operation])
        else:
            result = await self._coalescer.do(operation)
        if isinstance(result, Refusal):
            raise to_error(result)
        assert isinstance(result, success)
        return result

    async def execute(
        self, operations: Sequence[Operation | Refusal], linked: Collection[int] = ()
    ) -> list[Result]:
        """Do a batch in one commit and answer one result each; raises what `Store.execute` does.

        Raises `RateLimited` when too many batches wait.
        """
        if self._waiting >= MAX_BATCHES_WAITING:
            raise RateLimited(f"{MAX_BATCHES_WAITING} batches waiting")
        self._waiting += 1
        try:
            async with self._turns:
                return await self._store.execute(operations, linked)
        finally:
            self._waiting -= 1
