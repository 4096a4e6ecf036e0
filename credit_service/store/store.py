"""Operations in, results out: one transaction a batch."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from credit_service.ledger import Event, Grant, Operation, Reserve, Result, apply
from credit_service.store.course import Course, see_through
from credit_service.store.locks import Locked, due, lock, lock_free, make_accounts
from credit_service.store.reads import open_book
from credit_service.store.writes import write
from servicekit.database import Sessions
from servicekit.errors import LockTimeout
from servicekit.ids import uuid7
from servicekit.retry import execute_in_transaction, execute_with_lock_retry

_DUE_LIMIT = 1_000
"""Expired reservations that one transaction writes down, beside those that its operations name."""

_MAX_ROUNDS = 1_000
"""Transactions that one call may spend on what is due before the operations get their turn."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What one transaction did. `results` is None when it only made room: more is due than it could take."""

    results: list[Result] | None
    events: list[Event]
    user_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Swept:
    """How many expiries were written down, and the accounts that were looked through for them."""

    expired: int
    user_ids: Sequence[str]


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
            done = await self._commit(lambda session, course: self._execute(session, course, operations))
            if done.results is not None:
                return done.results
        raise LockTimeout

    async def due_accounts(self, limit: int, but: Collection[str] = ()) -> list[str]:
        """Answer the accounts of the `limit` reservations that are due longest, without those of `but`."""
        return await execute_in_transaction(self._sessions, lambda session: due(session, limit, but))

    async def expire_due(self, user_ids: Sequence[str], limit: int) -> Swept:
        """Write down expiries of these accounts, at most `limit`; accounts that somebody else holds are left.

        Changes no answer: every read and every operation counts an expired reservation as expired already.
        """
        done = await self._commit(lambda session, course: self._expire(session, course, user_ids, limit))
        return Swept(len(done.events), done.user_ids)

    async def _commit(self, work: Callable[[AsyncSession, Course], Awaitable[_Done]]) -> _Done:
        """Run one transaction and tell what it did: both or neither, should the caller go away meanwhile."""
        course = Course()

        async def transact() -> _Done:
            done = await execute_with_lock_retry(self._sessions, lambda session: work(session, course))
            self._committed(done.events)
            return done

        return await see_through(transact(), course)

    async def _execute(self, session: AsyncSession, course: Course, operations: Sequence[Operation]) -> _Done:
        course.writing = False
        await make_accounts(session, {o.user_id for o in operations if isinstance(o, Grant)})
        user_ids = {o.user_id for o in operations if isinstance(o, Grant | Reserve)}
        named = {o.reservation_id for o in operations if not isinstance(o, Grant | Reserve)}
        locked = await lock(session, user_ids, named)
        return await self._settle(session, course, locked, operations, _DUE_LIMIT)

    async def _expire(
        self, session: AsyncSession, course: Course, user_ids: Sequence[str], limit: int
    ) -> _Done:
        course.writing = False
        return await self._settle(session, course, await lock_free(session, user_ids), (), limit)

    async def _settle(
        self,
        session: AsyncSession,
        course: Course,
        locked: Locked,
        operations: Sequence[Operation],
        due_limit: int,
    ) -> _Done:
        """Read, decide, write: what every transaction does once it holds its locks."""
        opened = await open_book(session, locked, operations, due_limit)
        turn = () if opened.more_due else operations
        results = apply(opened.book, turn, opened.now, [self._new_id() for _ in turn])
        course.writing = True
        await write(session, opened.book.changes())
        return _Done(None if opened.more_due else results, opened.book.events, locked.user_ids)
