"""The line before an account: it leaves the pool to others, is fair, and forgotten when it is empty."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from credit_service.turns import Turns
from servicekit.errors import RateLimited
from tests.eventually import eventually_async


class Queue:
    """Callers of one account that hold their turn until they are let go."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.let_go = asyncio.Event()
        self.had_turn: list[int] = []
        self.callers: list[asyncio.Task[None]] = []

    async def _call(self, number: int, user_id: str) -> None:
        async with self.turns.of(user_id):
            self.had_turn.append(number)
            await self.let_go.wait()

    async def line_up(self, count: int, user_id: str = "ana") -> None:
        """Let so many callers come, one after the other."""
        for _ in range(count):
            self.callers.append(asyncio.create_task(self._call(len(self.callers), user_id)))
            await asyncio.sleep(0)

    async def empty(self) -> None:
        """Let everybody through, and find that nothing is left of the lines."""
        self.let_go.set()
        await asyncio.gather(*self.callers, return_exceptions=True)
        assert len(self.turns) == 0


@pytest.fixture
async def queue() -> AsyncIterator[Queue]:
    queue = Queue(Turns(at_once=2, max_waiting=3))
    yield queue
    await queue.empty()


async def test_so_many_have_a_turn_at_once_and_the_rest_comes_in_order(queue: Queue) -> None:
    await queue.line_up(5)
    assert queue.had_turn == [0, 1]
    await queue.empty()
    assert queue.had_turn == [0, 1, 2, 3, 4]


async def test_accounts_do_not_wait_for_each_other(queue: Queue) -> None:
    await queue.line_up(5)
    await queue.line_up(2, "ben")
    assert queue.had_turn == [0, 1, 5, 6]


async def test_a_line_that_is_too_long_takes_nobody_else(queue: Queue) -> None:
    await queue.line_up(5)
    with pytest.raises(RateLimited):
        async with queue.turns.of("ana"):
            raise AssertionError("had a turn")
    await queue.line_up(1, "ben")
    assert queue.had_turn == [0, 1, 5]


async def test_who_leaves_the_line_never_has_a_turn_and_makes_room(queue: Queue) -> None:
    await queue.line_up(5)
    queue.callers[2].cancel()
    await asyncio.gather(queue.callers[2], return_exceptions=True)
    await queue.line_up(1)
    await queue.empty()
    assert queue.had_turn == [0, 1, 3, 4, 5]


async def test_a_turn_that_comes_while_its_caller_leaves_goes_to_the_next(queue: Queue) -> None:
    await queue.line_up(4)
    queue.let_go.set()
    queue.callers[2].cancel()

    async def through() -> bool:
        return queue.callers[3].done()

    await eventually_async(through)
