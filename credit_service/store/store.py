"""Operations in, results out: one transaction a batch."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service.ledger import Event, EventKind, Operation, Refusal, Result, apply
from credit_service.store.course import Course, see_through
from credit_service.store.joining import LedgerPart, TooMuchDue
from credit_service.store.opening import Opened, StaleOwners, open_book
from credit_service.store.owners import Owners
from credit_service.store.wants import Wants, account_of, wants
from credit_service.store.writing import write
from servicekit.driver import in_driver_transaction_with_lock_retry
from servicekit.errors import LockTimeout
from servicekit.ids import uuid7

_Answer = TypeVar("_Answer")

_DUE_LIMIT = 1_000
"""Expired reservations that one transaction writes down, beside those that its operations name."""

_MAX_ROUNDS = 1_000
"""Transactions that one call may spend on what is due before the operations get their turn."""

_DUE = """
    SELECT DISTINCT user_id FROM (
        SELECT user_id FROM reservations
        WHERE state = 'RESERVED' AND expire_time <= statement_timestamp() AND user_id <> ALL ($1::text[])
        ORDER BY expire_time
        LIMIT $2
    ) AS oldest
"""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Operations of one commit, what they need, and whether to wait for accounts that others hold."""

    operations: Sequence[Operation | Refusal]
    linked: Collection[int]
    owners: Mapping[UUID, str]
    wanted: Wants
    wait: bool
    due_limit: int = _DUE_LIMIT


@dataclass(frozen=True, slots=True)
class _Done:
    """What one transaction did."""

    results: list[Result | None]
    events: list[Event]
    opened: Opened


@dataclass(frozen=True, slots=True)
class Swept:
    """How many expiries were written down, and the accounts that were looked through for them."""

    expired: int
    user_ids: Sequence[str]


class Store:
    """The ledger's one entry for whatever moves coins."""

    def __init__(
        self,
        engine: AsyncEngine,
        committed: Callable[[Sequence[Event]], None],
        new_id: Callable[[], UUID] = uuid7,
    ) -> None:
        """Take the database's engine, and whom to tell what happened, after it was committed."""
        self._engine = engine
        self._committed = committed
        self._new_id = new_id
        self.owners = Owners(engine)

    async def execute(
        self, operations: Sequence[Operation | Refusal], linked: Collection[int] = ()
    ) -> list[Result]:
        """Do the operations in order, in one commit, and answer one result each.

        `linked` are the indexes of operations that are linked to the next; a refusal in the place of an
        operation is its result. Raises `LockTimeout` and `DatabaseUnavailable`; the operations may be
        repeated then, under the same request ids. Accounts with a great many expired reservations have those
        written down first, in transactions of a bounded size.
        """
        for _ in range(_MAX_ROUNDS):
            done = await self._one_round(operations, linked, wait=True)
            if not (done.opened.more_due or done.opened.more_held):
                return [result for result in done.results if result is not None]
        raise LockTimeout

    async def execute_free(self, operations: Sequence[Operation]) -> list[Result | None]:
        """Do those of the operations whose accounts nobody else holds, in one commit, and wait for nobody.

        The others answer None: they are to be done by `execute`, apart, because they may take long. Raises
        as `execute` does.
        """
        return (await self._one_round(operations, (), wait=False)).results

    async def _one_round(
        self, operations: Sequence[Operation | Refusal], linked: Collection[int], *, wait: bool
    ) -> _Done:
        """Run the batch's transaction, again when an owner that it went by was erased.

        Closes the race of a Charge or Release with the erasure of its account, whose reservations have
        another owner then than the one that was kept here. It ends, because an account is erased once.
        """
        while True:
            owners = await self.owners.of_all(operations)
            batch = _Batch(operations, linked, owners, wants(operations, owners), wait)
            try:
                return await self._commit(partial(self._execute, batch))
            except StaleOwners as error:
                self.owners.forget(error.reservation_ids)

    async def join(self, work: Callable[[LedgerPart], Awaitable[_Answer]]) -> _Answer:
        """Run a caller's transaction in which the ledger takes part (`joining`), and answer what it answers.

        `work` may run several times and must have no effect outside of its transaction. Raises as `execute`.
        """
        for _ in range(_MAX_ROUNDS):
            try:
                return await self._join(work)
            except TooMuchDue as due:
                await self.expire_due([due.user_id], _DUE_LIMIT)
        raise LockTimeout

    async def _join(self, work: Callable[[LedgerPart], Awaitable[_Answer]]) -> _Answer:
        course = Course()

        async def once(connection: "asyncpg.Connection[Any]") -> tuple[_Answer, Sequence[Event]]:
            course.writing = False
            part = LedgerPart(connection, course, self._new_id, _DUE_LIMIT)
            return await work(part), part.events

        async def transact() -> _Answer:
            answer, events = await in_driver_transaction_with_lock_retry(self._engine, once)
            self._committed(events)
            return answer

        return await see_through(transact(), course)

    async def due_accounts(self, limit: int, but: Collection[str] = ()) -> list[str]:
        """Answer the accounts of the `limit` reservations that are due longest, without those of `but`."""

        async def read(connection: "asyncpg.Connection[Any]") -> list[str]:
            return [row[0] for row in await connection.fetch(_DUE, list(but), limit)]

        return await in_driver_transaction_with_lock_retry(self._engine, read)

    async def expire_due(self, user_ids: Sequence[str], limit: int) -> Swept:
        """Write down expiries of these accounts, at most `limit`; accounts that somebody else holds are left.

        Whoever holds one is another sweeper, or an operation, which expires what is due itself. So any number
        of sweepers run at once and none waits. Changes no answer: every read and every operation counts an
        expired reservation as expired already.
        """
        batch = _Batch((), (), {}, Wants(user_ids=dict.fromkeys(user_ids)), wait=False, due_limit=limit)
        done = await self._commit(partial(self._execute, batch))
        return Swept(len(done.events), [user_id for user_id in user_ids if user_id not in done.opened.busy])

    async def _commit(self, work: Callable[["asyncpg.Connection[Any]", Course], Awaitable[_Done]]) -> _Done:
        """Run one transaction and tell what it did: both or neither, should the caller go away meanwhile."""
        course = Course()

        async def transact() -> _Done:
            done = await in_driver_transaction_with_lock_retry(
                self._engine, lambda connection: work(connection, course)
            )
            self.owners.learn(e.reservation for e in done.events if e.kind is EventKind.RESERVED)
            self._committed(done.events)
            return done

        return await see_through(transact(), course)

    async def _execute(self, batch: _Batch, connection: "asyncpg.Connection[Any]", course: Course) -> _Done:
        """Lock and read, decide, write: what every transaction does."""
        course.writing = False
        opened = await open_book(connection, batch.wanted, wait=batch.wait, due_limit=batch.due_limit)
        results = self._decide(opened, batch)
        # From here on it is seen to its end, whoever stops waiting.
        course.writing = True
        book = opened.book
        await write(connection, book.changes(), book.events)
        return _Done(results, book.events, opened)

    def _decide(self, opened: Opened, batch: _Batch) -> list[Result | None]:
        """Apply the operations, but for those of busy accounts; where more is due than fits, only expire."""
        turn = () if opened.more_due else self._free(opened, batch)
        operations = [batch.operations[index] for index in turn]
        ids = [self._new_id() for _ in turn]
        results: list[Result | None] = [None] * len(batch.operations)
        done = apply(opened.book, operations, opened.now, ids, batch.linked)
        for index, result in zip(turn, done, strict=True):
            results[index] = result
        return results

    def _free(self, opened: Opened, batch: _Batch) -> Sequence[int]:
        """Answer the indexes of the operations that may be done now."""
        everything = range(len(batch.operations))
        if not opened.busy:
            return everything
        whose = (account_of(operation, batch.owners) for operation in batch.operations)
        return [index for index, user_id in enumerate(whose) if user_id not in opened.busy]
