"""Operations in, results out: one transaction a batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from credit_service.ledger import Event, Grant, Operation, Reserve, Result, apply
from credit_service.store.locks import Locked, lock, lock_due, make_accounts
from credit_service.store.reads import open_book
from credit_service.store.writes import write
from servicekit.database import Sessions
from servicekit.errors import LockTimeout
from servicekit.ids import uuid7
from servicekit.retry import execute_with_lock_retry

_DUE_LIMIT = 1_000
"""Expired reservations that one transaction writes down, beside those that its operations name."""

_MAX_ROUNDS = 1_000
"""Transactions that one call may spend on what is due before the operations get their turn."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What one transaction did. `results` is None when it only made room: more is due than it could take."""

    results: list[Result] | None
    events: list[Event]


class Store:
    """The ledger's one entry for whatever moves coins."""

    def __init__(
        self,
        sessions: Sessions,
        committed: Callable[[Sequence[Event]], None],
        new_id: Callable[[], UUID] = uuid7,
    ) -> None:
        """Take the database's sessions, and whom to tell what happened, after it was committed."""
        self._sessions = sessions
        self._committed = committed
        self._new_id = new_id

    async def execute(self, operations: Sequence[Operation]) -> list[Result]:
        """Do the operations in order, in one commit, and answer one result each.

        Raises `LockTimeout` and `DatabaseUnavailable`; the operations may be repeated then, under the same
        request ids. Accounts with a great many expired reservations have those written down first, in
        transactions of a bounded size.
        """
        for _ in range(_MAX_ROUNDS):
            done = await execute_with_lock_retry(
                self._sessions, lambda session: self._execute(session, operations)
            )
            self._committed(done.events)
            if done.results is not None:
                return done.results
        raise LockTimeout

    async def expire_due(self, limit: int) -> int:
        """Write down expiries that nobody else is about to, at most `limit`, and answer how many.

        Changes no answer: every read and every operation counts an expired reservation as expired already.
        """
        done = await execute_with_lock_retry(self._sessions, lambda session: self._expire(session, limit))
        self._committed(done.events)
        return len(done.events)

    async def _execute(self, session: AsyncSession, operations: Sequence[Operation]) -> _Done:
        await make_accounts(session, {o.user_id for o in operations if isinstance(o, Grant)})
        user_ids = {o.user_id for o in operations if isinstance(o, Grant | Reserve)}
        named = {o.reservation_id for o in operations if not isinstance(o, Grant | Reserve)}
        locked = await lock(session, user_ids, named)
        return await self._settle(session, locked, operations, _DUE_LIMIT)

    async def _expire(self, session: AsyncSession, limit: int) -> _Done:
        return await self._settle(session, await lock_due(session, limit), (), limit)

    async def _settle(
        self, session: AsyncSession, locked: Locked, operations: Sequence[Operation], due_limit: int
    ) -> _Done:
        """Read, decide, write: what every transaction does once it holds its locks."""
        opened = await open_book(session, locked, operations, due_limit)
        turn = () if opened.more_due else operations
        results = apply(opened.book, turn, opened.now, [self._new_id() for _ in turn])
        await write(session, opened.book.changes())
        return _Done(None if opened.more_due else results, opened.book.events)
