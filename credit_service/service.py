"""What the RPCs of the ledger do, in the ledger's words; refusals leave here as errors."""

from typing import TypeVar

from credit_service.errors import to_error
from credit_service.ledger import Operation, Refusal
from credit_service.store import Store

_Success = TypeVar("_Success")


class LedgerService:
    """Puts single operations through the store; a single one is a batch of one."""

    def __init__(self, store: Store) -> None:
        """Take the store."""
        self._store = store

    async def do(self, operation: Operation, success: type[_Success]) -> _Success:
        """Do one operation and answer its success; raises the `ServiceError` of its refusal."""
        [result] = await self._store.execute([operation])
        if isinstance(result, Refusal):
            raise to_error(result)
        assert isinstance(result, success)
        return result
