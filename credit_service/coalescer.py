"""Operations that wait together commit together.

A commit costs the same for one operation as for hundreds. So while a few batches are on their way to the
database, whatever comes in waits and becomes the next batch; a lone caller finds a batch free and waits for
nobody. Correctness never depends on any of this: what is true about coins is decided under the row locks.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from credit_service.ledger import Operation, Refusal, Result
from credit_service.ledger.refusals import ReservationNotFound
from credit_service.store import Store
from servicekit.errors import DatabaseUnavailable, LockTimeout, RateLimited
from servicekit.logs import get_logger

log = get_logger(__name__)

IN_FLIGHT = 2
"""Batches on their way to the database at once: one commits while the next one is decided."""

WORTH = 64
"""Operations that are worth a batch of their own while another one is on its way; fewer wait for its end."""

MAX_BATCH = 1_000
"""Operations of one batch: what is decided in one go keeps every other caller's event loop waiting."""

MAX_WAITING = 10_000
"""Operations that wait at once; more are refused, so that a slow database costs no memory without end."""

MAX_WAITING_OF_ACCOUNT = 500
"""Operations of one account that wait at once: half of the RPCs that run at once, so others have theirs."""

LANES = 4
"""Accounts at once that are waited for because somebody outside holds them; each takes a connection."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """An operation, and the caller who waits for its result."""

    operation: Operation
    user_id: str
    result: "asyncio.Future[Result]"

    def answer(self, result: Result) -> None:
        """Answer the caller, unless he has gone; what was done is done all the same."""
        if not self.result.done():
            self.result.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Fail the caller, unless he has gone."""
        if not self.result.done():
            self.result.set_exception(error)


class Coalescer:
    """Puts single operations through the store, many in one commit; for use in one event loop.

    Operations of one account keep their order, and one account is in one batch at a time: a second batch
    would only wait for the first one's row lock, with a connection in hand. An account that somebody outside
    this process holds is taken out of its batch and waited for apart, so it delays nobody else.
    """

    def __init__(
        self,
        store: Store,
        *,
        in_flight: int = IN_FLIGHT,
        max_batch: int = MAX_BATCH,
        max_waiting: int = MAX_WAITING,
        max_waiting_of_account: int = MAX_WAITING_OF_ACCOUNT,
    ) -> None:
        """Take the store and the limits; with none in flight every operation gets a commit of its own."""
        self._store = store
        self._in_flight = self._free = in_flight
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._max_waiting_of_account = max_waiting_of_account
        self._lines: dict[str, deque[_Waiting]] = {}
        # Accounts with a line and in no batch, those that came first at the front.
        self._ready: dict[str, None] = {}
        self._busy: set[str] = set()
        self._waiting = 0
        self._lanes = asyncio.Semaphore(LANES)
        self._tasks: set[asyncio.Task[None]] = set()
        self._pumping = False

    async def do(self, operation: Operation) -> Result:
        """Do one operation in the next batch and answer its result.

        Raises `RateLimited` when too many wait, `LockTimeout` and `DatabaseUnavailable`; the operation may
        be repeated then. A caller who is cancelled while the operation waits leaves with it; once it is in a
        batch it is done, whoever waits for it.
        """
        if self._in_flight == 0:
            [result] = await self._store.execute([operation])
            return result
        user_id = await self._store.owners.of(operation)
        if user_id is None:
            assert not isinstance(operation, Refusal)
            return ReservationNotFound(operation.reservation_id)  # type: ignore[union-attr]  # only these lack an account
        waiting = _Waiting(operation, user_id, asyncio.get_running_loop().create_future())
        self._line_up(waiting)
        return await waiting.result

    async def drain(self) -> None:
        """Wait for the batches that are on their way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _line_up(self, waiting: _Waiting) -> None:
        if self._waiting >= self._max_waiting:
            raise RateLimited(f"{self._max_waiting} operations waiting")
        line = self._lines.setdefault(waiting.user_id, deque())
        if len(line) >= self._max_waiting_of_account:
            raise RateLimited(f"{self._max_waiting_of_account} operations waiting for one account")
        line.append(waiting)
        self._waiting += 1
        if waiting.user_id not in self._busy:
            self._ready[waiting.user_id] = None
        if not self._pumping:
            # Not at once: what comes in with the same turn of the event loop goes along.
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Start a batch when none is on its way, and more of them only for many operations."""
        self._pumping = False
        while (
            self._free
            and (self._waiting >= WORTH or self._free == self._in_flight)
            and (batch := self._take())
        ):
            self._free -= 1
            self._start(self._run(batch))

    def _take(self) -> list[_Waiting]:
        """Take the next batch out of the lines, account by account; who has gone is left out."""
        batch: list[_Waiting] = []
        while self._ready and len(batch) < self._max_batch:
            user_id = next(iter(self._ready))
            del self._ready[user_id]
            line = self._lines[user_id]
            before = len(batch)
            while line and len(batch) < self._max_batch:
                waiting = line.popleft()
                self._waiting -= 1
                if not waiting.result.done():
                    batch.append(waiting)
            if len(batch) > before:
                self._busy.add(user_id)
            else:
                self._leave(user_id)
        return batch

    def _leave(self, user_id: str) -> None:
        """Let an account go that is in no batch any more: to the next batch, or out of memory."""
        self._busy.discard(user_id)
        if self._lines.get(user_id):
            self._ready[user_id] = None
        else:
            self._lines.pop(user_id, None)

    def _start(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, batch: list[_Waiting]) -> None:
        """Do a batch; accounts of it that were not done go apart, and stay busy until they are."""
        try:
            left = await self._attempt(batch)
        finally:
            self._free += 1
        apart: dict[str, list[_Waiting]] = {}
        for waiting in left:
            apart.setdefault(waiting.user_id, []).append(waiting)
        for user_id in {waiting.user_id: None for waiting in batch}:
            if user_id in apart:
                self._start(self._run_apart(user_id, apart[user_id]))
            else:
                self._leave(user_id)
        self._pump()

    async def _attempt(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Try a batch in one commit and answer who is still to be done: those whose account was held, or
        all of them when something in the batch has spoiled it."""
        try:
            results = await self._store.execute_free([waiting.operation for waiting in batch])
        except DatabaseUnavailable as error:
            for waiting in batch:
                waiting.fail(error)
            return []
        except Exception as error:  # noqa: BLE001  # whatever spoiled it, each account is tried apart now
            log.warning("batch_taken_apart", operations=len(batch), error=repr(error))
            return batch
        for waiting, result in zip(batch, results, strict=True):
            if result is not None:
                waiting.answer(result)
        return [waiting for waiting, result in zip(batch, results, strict=True) if result is None]

    async def _run_apart(self, user_id: str, batch: list[_Waiting]) -> None:
        """Do the operations of one account, and wait for whoever holds it."""
        try:
            async with self._lanes:
                await self._do_apart([waiting for waiting in batch if not waiting.result.done()])
        finally:
            self._leave(user_id)
            self._pump()

    async def _do_apart(self, batch: Sequence[_Waiting]) -> None:
        """Do them in one commit; when one of them spoils it, one by one, so that it fails alone."""
        if not batch:
            return
        try:
            results = await self._store.execute([waiting.operation for waiting in batch])
        except (DatabaseUnavailable, LockTimeout) as error:
            for waiting in batch:
                waiting.fail(error)
        except Exception as error:  # noqa: BLE001  # it belongs to one caller, who gets it
            if len(batch) == 1:
                batch[0].fail(error)
                return
            for waiting in batch:
                await self._do_apart([waiting])
        else:
            for waiting, result in zip(batch, results, strict=True):
                waiting.answer(result)
