"""Operations that wait together commit together, and none of them pays for another."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from credit_service.coalescer import Coalescer
from credit_service.ledger import Event, Grant, Release, Reserve, Reserved, TransactionType
from credit_service.ledger.refusals import InsufficientCredits
from credit_service.settings import CreditSettings
from credit_service.store import Store
from credit_service.store.owners import Owners
from protos.credit.v1 import credit_pb2
from servicekit.database import async_engine
from servicekit.errors import DatabaseUnavailable, LockTimeout, RateLimited, ServiceError
from tests.credit_service.client import Client, at_once, new_id, refused
from tests.credit_service.database import Database
from tests.eventually import eventually


class Till:
    """A store that counts its batches, and a coalescer in front of it."""

    def __init__(self, url: str, lock_timeout_s: float = 1.0, **limits: int) -> None:
        settings = CreditSettings(credit_database_url=url, database_lock_timeout_s=lock_timeout_s)
        self.engine = async_engine(url, settings, "credit_service")
        self.events: list[Event] = []
        self.batches: list[int] = []
        self.store = Store(self.engine, committed=self._note)
        self.coalescer = Coalescer(self.store, **limits)

    def _note(self, events: Any) -> None:
        self.batches.append(len(events))
        self.events.extend(events)

    async def open(self, *user_ids: str, coins: int = 1_000) -> None:
        """Give coins to users."""
        await self.store.execute(
            [Grant(user_id, coins, TransactionType.BONUS, uuid4()) for user_id in user_ids]
        )
        self.batches.clear()
        self.events.clear()

    def submit(self, user_id: str = "ana", coins: int = 1) -> "asyncio.Task[Any]":
        """Reserve coins in a task of its own."""
        return asyncio.create_task(self.coalescer.do(Reserve(user_id, coins, uuid4())))


@pytest.fixture
async def make_till(migrated: str, database: Database) -> AsyncIterator[Callable[..., Till]]:
    made: list[Till] = []

    def make(**limits: Any) -> Till:
        made.append(Till(migrated, **limits))
        return made[-1]

    yield make
    for till in made:
        await till.coalescer.drain()
        await till.engine.dispose()


async def waiting(database: Database, count: int) -> None:
    """Wait until so many statements wait for a lock."""
    await asyncio.to_thread(eventually, lambda: database.waiting_for_locks() == count)


async def test_what_waits_together_commits_together(make_till: Callable[..., Till]) -> None:
    till = make_till()
    users = [f"user{number}" for number in range(50)]
    await till.open(*users)
    answers = await asyncio.gather(*(till.submit(user_id) for user_id in users * 6))
    assert all(isinstance(answer, Reserved) for answer in answers)
    assert sum(till.batches) == 300
    assert len(till.batches) < 10


async def test_a_lone_caller_is_a_batch_of_one(make_till: Callable[..., Till]) -> None:
    till = make_till()
    await till.open("ana")
    for _ in range(3):
        await till.submit()
    assert till.batches == [1, 1, 1]


async def test_operations_of_one_account_keep_their_order(make_till: Callable[..., Till]) -> None:
    """The coins are for the first ten; were the order lost, others would get them."""
    till = make_till(max_batch=4)
    await till.open("ana", coins=10)
    answers = await asyncio.gather(*(till.submit() for _ in range(40)))
    assert [isinstance(answer, Reserved) for answer in answers] == [True] * 10 + [False] * 30
    assert isinstance(answers[-1], InsufficientCredits)


async def test_no_batch_is_larger_than_allowed(make_till: Callable[..., Till]) -> None:
    till = make_till(max_batch=7)
    await till.open("ana", "ben")
    await asyncio.gather(*(till.submit(user_id) for user_id in ["ana", "ben"] * 20))
    assert max(till.batches) <= 7


async def test_a_full_queue_refuses_and_takes_more_when_there_is_room(
    make_till: Callable[..., Till], database: Database
) -> None:
    till = make_till(max_waiting=5, in_flight=1)
    await till.open("ana", "ben")
    with database.held() as other:
        other.run("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
        first = till.submit("ben")
        await waiting(database, 1)
        queued = [till.submit() for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(RateLimited, match="5"):
            await till.submit()
        other.rollback()
    await asyncio.gather(first, *queued)
    assert isinstance(await till.submit(), Reserved)


async def test_one_account_cannot_fill_the_queue_of_all(
    make_till: Callable[..., Till], database: Database
) -> None:
    till = make_till(max_waiting_of_account=3)
    await till.open("ana", "ben")
    with database.held() as other:
        other.run("SELECT FROM accounts WHERE user_id = 'ana' FOR UPDATE")
        first = till.submit()
        await waiting(database, 1)
        queued = [till.submit() for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(RateLimited, match="one account"):
            await till.submit()
        assert isinstance(await till.submit("ben"), Reserved)
        other.rollback()
    await asyncio.gather(first, *queued)


async def test_an_account_that_is_held_elsewhere_delays_nobody_else(
    make_till: Callable[..., Till], database: Database
) -> None:
    till = make_till(in_flight=1, lock_timeout_s=60)
    await till.open("ana", "ben", "cy")
    with database.held() as other:
        other.run("SELECT FROM accounts WHERE user_id = 'ana' FOR UPDATE")
        held = till.submit("ana")
        # Whoever waited for it would wait for longer than this
        async with asyncio.timeout(20):
            for answer in await asyncio.gather(till.submit("ben"), till.submit("cy")):
                assert isinstance(answer, Reserved)
        other.rollback()
    assert isinstance(await held, Reserved)


async def test_an_account_that_stays_held_is_a_lock_timeout_that_may_be_repeated(
    make_till: Callable[..., Till], database: Database
) -> None:
    till = make_till()
    await till.open("ana", "ben")
    with database.held() as other:
        other.run("SELECT FROM accounts WHERE user_id = 'ana' FOR UPDATE")
        answers = await asyncio.gather(till.submit("ana"), till.submit("ben"), return_exceptions=True)
        other.rollback()
    assert [type(answer) for answer in answers] == [LockTimeout, Reserved]
    assert isinstance(await till.submit("ana"), Reserved)


async def test_a_poisoned_operation_harms_no_other(
    make_till: Callable[..., Till], database: Database
) -> None:
    """A constraint that the rules know nothing of stands for a defect; nobody else may feel it."""
    till = make_till()
    await till.open("ana", "ben")
    database.run("ALTER TABLE reservations ADD CONSTRAINT poison CHECK (amount <> 13) NOT VALID")
    try:
        tasks = [till.submit(user_id, coins) for user_id in ("ana", "ben") for coins in (1, 2, 13, 4)]
        answers = await asyncio.gather(*tasks[:4], *tasks[4:], return_exceptions=True)
    finally:
        database.run("ALTER TABLE reservations DROP CONSTRAINT poison")
    assert [isinstance(answer, Reserved) for answer in answers] == [True, True, False, True] * 2
    assert "poison" in str(answers[2])
    assert database.one("SELECT sum(reserved) FROM accounts") == 14


async def test_who_leaves_the_line_leaves_nothing_behind(
    make_till: Callable[..., Till], database: Database
) -> None:
    till = make_till(in_flight=1)
    await till.open("ana")
    with database.held() as other:
        other.run("SELECT FROM accounts FOR UPDATE")
        first = till.submit()
        await waiting(database, 1)
        gone, stays = till.submit(coins=100), till.submit(coins=7)
        await asyncio.sleep(0)
        gone.cancel()
        other.rollback()
    await asyncio.gather(first, stays)
    assert database.one("SELECT reserved FROM accounts") == 8
    assert not till.coalescer._lines
    assert not till.coalescer._busy


async def test_who_leaves_while_it_is_done_loses_and_doubles_nothing(
    make_till: Callable[..., Till], database: Database
) -> None:
    till = make_till()
    await till.open("ana")
    reserve = Reserve("ana", 10, uuid4())
    with database.held() as other:
        other.run("LOCK TABLE requests IN SHARE MODE")
        caller = asyncio.create_task(till.coalescer.do(reserve))
        await waiting(database, 1)
        caller.cancel()
        other.rollback()
    await till.coalescer.drain()
    again = await till.coalescer.do(reserve)
    assert isinstance(again, Reserved)
    assert database.one("SELECT reserved FROM accounts") == 10
    assert len(till.events) == 1


async def test_a_database_that_is_away_is_told_to_everybody(migrated: str) -> None:
    till = Till("postgresql://nobody@127.0.0.1:1/credit")
    for answer in await asyncio.gather(*(till.submit() for _ in range(5)), return_exceptions=True):
        assert isinstance(answer, DatabaseUnavailable)
    await till.engine.dispose()


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
                eventually(lambda: database.waiting_for_locks() == 1)
                # When somebody else comes, then there is a connection for them
                coins = [client.reserve(1, "ben") and client.coins("ben") for _ in range(10)][-1]
                return database.waiting_for_locks(), coins
            finally:
                other.rollback()

        *answers, looked = at_once([*waiting_calls(client, made), look])
    assert looked == (1, (100, 10, 90))
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
            eventually(lambda: database.waiting_for_locks() == 1)
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
    owners = Owners(engine, max_kept=1)
    # Then each is answered, again and again, and nobody owns what is not there
    try:
        for _ in range(2):
            for reservation_id, user_id in made.items():
                assert await owners.of(Release(reservation_id)) == user_id
        assert await owners.of(Release(UUID(new_id()))) is None
    finally:
        await engine.dispose()
