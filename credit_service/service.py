"""What the RPCs of the ledger do, in the ledger's words; refusals leave here as errors."""

from typing import TypeVar

from credit_service.errors import to_error
from credit_service.ledger import Operation, Refusal, Result
from credit_service.owners import Owners
from credit_service.store import Store
from credit_service.turns import Turns

_Success = TypeVar("_Success")


class LedgerService:
    """Puts single operations through the store; a single one is a batch of one."""

    def __init__(self, store: Store, owners: Owners, turns: Turns) -> None:
        """Take the store, and the line that callers of one account stand in before it."""
        self._store = store
        self._owners = owners
        self._turns = turns

    async def do(self, operation: Operation, success: type[_Success]) -> _Success:
        """Do one operation and answer its success; raises the `ServiceError` of its refusal."""
        result = await self._in_turn(operation)
        if isinstance(result, Refusal):
            raise to_error(result)
        assert isinstance(result, success)
        return result

    async def _in_turn(self, operation: Operation) -> Result:
        user_id = await self._owners.of(operation)
        if user_id is None:
            [result] = await self._store.execute([operation])
            return result
        async with self._turns.of(user_id):
            [result] = await self._store.execute([operation])
        self._owners.learn(result)
        return result
