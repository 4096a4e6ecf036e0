"""The line before an account: it leaves the pool to others, is fair, and forgotten when it is empty."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from uuid import UUID

import grpc
import pytest

from credit_service.ledger import Release
from credit_service.owners import Owners
from credit_service.repository import Repository
from credit_service.settings import CreditSettings
from credit_service.turns import Turns
from protos.credit.v1 import credit_pb2
from servicekit.database import async_engine, session_factory
from servicekit.errors import RateLimited, ServiceError
from tests.credit_service.client import Client, at_once, new_id, refused
from tests.credit_service.database import Database
from tests.eventually import eventually, eventually_async


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


def waiting_calls(client: Client, made: list[str]) -> list[Callable[[], object]]:
    """Answer many calls of one account, of every kind."""
    reserves = [lambda: client.reserve(1)] * 10
    grants = [lambda: client.grant(1)] * 10
    return [*reserves, *grants, *(partial(client.charge, one) for one in made)]


@pytest.mark.parametrize("learnt", [True, False], ids=["reserved here", "reserved elsewhere"])
def test_a_locked_account_leaves_the_pool_to_the_others(
    start: Callable[..., Client], database: Database, learnt: bool
) -> None:
    # Given a pool of five, and many callers of an account whose row is locked
    client = start(
        database_pool_size=5, database_max_overflow=0, database_pool_timeout_s=0.5, credit_sweep_interval_s=0
    )
    other_service = start(credit_sweep_interval_s=0)
    client.grant(100)
    client.grant(100, "ben")
    made = [(client if learnt else other_service).reserved(1) for _ in range(10)]
    with database.held() as other:
        other.run("SELECT FROM accounts WHERE user_id = 'ana' FOR UPDATE")

        def look() -> tuple[int, tuple[int, int, int]]:
            try:
                eventually(lambda: database.waiting_for_locks() == 3)
                # When somebody else comes, then there is a connection for them
                coins = [client.reserve(1, "ben") and client.coins("ben") for _ in range(10)][-1]
                return database.waiting_for_locks(), coins
            finally:
                other.rollback()

        *answers, looked = at_once([*waiting_calls(client, made), look])
    assert looked == (3, (100, 10, 90))
    # And those who waited are answered when the row is free
    assert not [answer for answer in answers if isinstance(answer, ServiceError)]
    assert client.coins() == (100, 10, 90)


def test_a_deadline_that_passes_in_the_line_does_nothing(
    start: Callable[..., Client], database: Database
) -> None:
    client = start(credit_sweep_interval_s=0)
    client.grant(100)
    with database.held() as other:
        other.run("SELECT FROM accounts FOR UPDATE")

        def late() -> None:
            eventually(lambda: database.waiting_for_locks() == 3)
            request = credit_pb2.ReserveRequest(user_id="ana", amount=50, request_id=new_id())
            with pytest.raises(grpc.RpcError) as caught:
                client.stub.Reserve(request, timeout=0.2)
            assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            other.rollback()

        at_once([*([lambda: client.reserve(1)] * 3), late])
    assert client.coins() == (100, 3, 97)
    assert database.one("SELECT count(*) FROM reservations") == 3


def test_a_charge_of_no_reservation_waits_for_nobody(client: Client) -> None:
    refused("RESERVATION_NOT_FOUND", lambda: client.charge(new_id()))


async def test_an_owner_that_is_forgotten_is_looked_up(client: Client, migrated: str) -> None:
    # Given owners who keep one, and two reservations
    for user_id in ("ana", "ben"):
        client.grant(10, user_id)
    made = {UUID(client.reserved(1, user_id)): user_id for user_id in ("ana", "ben")}
    engine = async_engine(migrated, CreditSettings(credit_database_url=migrated), "owners")
    owners = Owners(Repository(session_factory(engine), Turns()), max_kept=1)
    # Then each is answered, again and again, and nobody owns what is not there
    try:
        for _ in range(2):
            for reservation_id, user_id in made.items():
                assert await owners.of(Release(reservation_id)) == user_id
        assert await owners.of(Release(UUID(new_id()))) is None
    finally:
        await engine.dispose()
