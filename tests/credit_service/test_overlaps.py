"""Callers at the same coins in the same moment, through two services side by side.

While each test runs, and once more at its end, somebody else recomputes the books, by plain SQL and by
VerifyLedger: whatever is committed in between, they must be right at every instant.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from protos.credit.v1 import credit_pb2
from servicekit.errors import ServiceError, from_rpc_error
from tests.credit_service.client import Client, at_once, duration, new_id, refused
from tests.credit_service.database import Database
from tests.credit_service.server import Server
from tests.eventually import eventually

CHARGED = credit_pb2.RESERVATION_STATE_CHARGED
RELEASED = credit_pb2.RESERVATION_STATE_RELEASED

_ROUNDS = 5
_BATCHES = 4
_RUNS = 5
_AUDIT_PAUSE_S = 0.02
_CALL_S = 20.0

_HALF_RUNS = """
    SELECT description, count(*), sum(amount) FROM transactions WHERE description LIKE 'run %'
    GROUP BY description HAVING count(*) <> 2 OR sum(amount) <> 0
"""

Pair = tuple[Client, Client]


class Auditor:
    """Recomputes the books, over and over."""

    def __init__(self, url: str, client: Client) -> None:
        self._url = url
        self._client = client
        self._stop = threading.Event()

    def run(self) -> None:
        """Audit until told to stop, and once more after that."""
        with Database(self._url) as database:
            while not self._stop.wait(_AUDIT_PAUSE_S):
                self._audit(database)
            self._audit(database)

    def stop(self) -> None:
        """Let the next audit be the last."""
        self._stop.set()

    def _audit(self, database: Database) -> None:
        database.check_invariants()
        assert database.run("SELECT * FROM accounts WHERE balance < 0 OR reserved < 0") == []
        assert database.run("SELECT * FROM transactions WHERE balance_after < 0") == []
        assert database.run(_HALF_RUNS) == []
        assert list(self._client.call("VerifyLedger").findings) == []


@pytest.fixture(autouse=True)
def audit(migrated: str, client: Client) -> Iterator[None]:
    """Audit the books while a test runs, and at its end."""
    auditor = Auditor(migrated, client)
    with ThreadPoolExecutor(1) as thread:
        audits = thread.submit(auditor.run)
        try:
            yield
        finally:
            auditor.stop()
        audits.result()


@pytest.fixture
def pair(start: Callable[..., Client]) -> Pair:
    """Two services side by side."""
    return start(credit_sweep_interval_s=0), start(credit_sweep_interval_s=0)


def alone(client: Client, request: Message) -> Any:
    """Send a request by its own RPC; raises `ServiceError`."""
    method = type(request).__name__.removesuffix("Request")
    try:
        return getattr(client.stub, method)(request, timeout=_CALL_S)
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None


def execute(client: Client, *operations: credit_pb2.Operation) -> list[Any]:
    """Do operations in one batch, and answer the answer or the status of each; raises `ServiceError`."""
    answer = alone(client, credit_pb2.ExecuteRequest(operations=operations))
    return [getattr(result, result.WhichOneof("result")) for result in answer.results]


def operation(request: Message, *, linked: bool = False) -> credit_pb2.Operation:
    """Make an operation of a request."""
    kind = type(request).__name__.removesuffix("Request").lower()
    return credit_pb2.Operation(linked=linked, **{kind: request})  # type: ignore[arg-type]  # named by its type


def grant(user_id: str, coins: int, description: str = "") -> credit_pb2.GrantRequest:
    """Make a Grant."""
    return credit_pb2.GrantRequest(
        user_id=user_id,
        amount=coins,
        type=credit_pb2.TRANSACTION_TYPE_BONUS,
        description=description,
        request_id=new_id(),
    )


def reserve(user_id: str, coins: int) -> credit_pb2.ReserveRequest:
    """Make a Reserve."""
    return credit_pb2.ReserveRequest(user_id=user_id, amount=coins, request_id=new_id())


def debit(user_id: str, coins: int, description: str) -> credit_pb2.DebitRequest:
    """Make a Debit."""
    return credit_pb2.DebitRequest(
        user_id=user_id,
        amount=coins,
        type=credit_pb2.TRANSACTION_TYPE_ADJUSTMENT,
        description=description,
        request_id=new_id(),
    )


def chargeback(user_id: str, coins: int) -> credit_pb2.DebitRequest:
    """Make a Debit that does not wait for what is reserved."""
    kind = credit_pb2.TRANSACTION_TYPE_CHARGEBACK
    return credit_pb2.DebitRequest(
        user_id=user_id, amount=coins, type=kind, request_id=new_id(), allow_reserved=True
    )


def outcomes(answers: Sequence[object]) -> Counter[str]:
    """Count the answers by reason; "" are successes."""
    return Counter(answer.reason if isinstance(answer, ServiceError) else "" for answer in answers)


def in_any_order(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Make all calls at the same time, begun in any order, and answer what each got."""
    order = random.sample(range(len(calls)), len(calls))
    answers = dict(zip(order, at_once([calls[place] for place in order]), strict=True))
    return [answers[place] for place in range(len(calls))]


ONE_OF_EACH: dict[str, Callable[[str], Message]] = {
    "grant": lambda _: grant("ana", 5),
    "debit": lambda _: chargeback("ana", 5),
    "refused debit": lambda _: chargeback("ana", 5_000),
    "reserve": lambda _: reserve("ana", 5),
    "refused reserve": lambda _: reserve("ana", 5_000),
    "charge": lambda held: credit_pb2.ChargeRequest(reservation_id=held, amount=4, request_id=new_id()),
    "charge without an id": lambda held: credit_pb2.ChargeRequest(reservation_id=held, amount=4),
    "release": lambda held: credit_pb2.ReleaseRequest(reservation_id=held, request_id=new_id()),
    "extend": lambda held: credit_pb2.ExtendRequest(
        reservation_id=held, ttl=duration(7_200), request_id=new_id()
    ),
}


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_one_request_by_itself_and_in_batches_at_once_is_done_once(
    pair: Pair, database: Database, kind: str
) -> None:
    # Given a request
    pair[0].grant(100)
    request = ONE_OF_EACH[kind](pair[0].reserved(10))
    before = count_events(database)
    # When it comes by itself and in batches, to both services
    batches = [partial(in_a_batch, client, request) for client in pair * 4]
    answers = at_once([*batches, *(partial(alone, client, request) for client in pair * 4)])
    # Then everybody gets the same answer, and it was done once
    assert len({told(answer) for answer in answers}) == 1, answers
    done = 0 if kind == "refused debit" else 1  # which moves nothing: no event
    assert count_events(database) == before + done + 2 * len(batches)


def in_a_batch(client: Client, request: Message) -> object:
    """Send a request between two others, which have an id of their own."""
    return execute(client, *map(operation, [grant("ben", 1), request, grant("ana", 1)]))[1]


def told(answer: Any) -> object:
    """Answer what everybody has to be told alike: all but the account, which is as of now."""
    if isinstance(answer, ServiceError | credit_pb2.Status):
        return answer.message
    if "account" in answer.DESCRIPTOR.fields_by_name:
        answer.ClearField("account")
    return answer.SerializeToString(deterministic=True)


def count_events(database: Database) -> int:
    """Count what has happened."""
    return int(database.one("SELECT count(*) FROM events"))


def test_batches_in_opposite_orders_at_two_services_never_wait_for_each_other(
    migrated: str, database: Database
) -> None:
    # Given two services and accounts
    users = [f"user{number:02}" for number in range(12)]
    others, deadlocks = connections(database), count_deadlocks(database)
    settings = {"credit_sweep_interval_s": 0}
    with (
        Server(migrated, **settings) as one,
        Server(migrated, **settings) as two,
        Client(one.target) as first,
        Client(two.target) as second,
    ):
        execute(first, *(operation(grant(user_id, 1_000)) for user_id in users))
        # When both get batches over all accounts, in any order, and single calls beside them
        both = enumerate((first, second) * 4)
        answers = at_once([partial(shuffled, client, users, seed) for seed, client in both])
    # Then all was done, and PostgreSQL, which counts as a connection ends, has counted no deadlock
    assert outcomes(answers) == {"": len(answers)}
    eventually(lambda: connections(database) <= others)
    assert count_deadlocks(database) == deadlocks
    assert database.one("SELECT sum(reserved) FROM accounts") == len(answers) * _BATCHES * (len(users) + 1)


def shuffled(client: Client, users: Sequence[str], seed: int) -> None:
    """Reserve a coin of each account in one batch, in an order of one's own, and one by itself; repeat."""
    order = random.Random(seed)
    for _ in range(_BATCHES):
        mixed = order.sample(users, len(users))
        execute(client, *(operation(reserve(user_id, 1)) for user_id in mixed))
        alone(client, reserve(mixed[0], 1))


def connections(database: Database) -> set[int]:
    """Answer the processes that serve services."""
    return {
        row[0]
        for row in database.run("SELECT pid FROM pg_stat_activity WHERE application_name = 'credit_service'")
    }


def count_deadlocks(database: Database) -> int:
    """Count the deadlocks that PostgreSQL has broken up in this database."""
    return int(database.one("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))


def test_linked_runs_beside_single_calls_are_done_wholly_or_not_at_all(
    pair: Pair, database: Database
) -> None:
    # Given accounts with few coins, so that many runs fail
    users = ["ana", "ben", "cy"]
    for user_id in users:
        pair[0].grant(40, user_id)
    # When coins are handed over in linked runs, while others take from the same accounts
    handed: list[bool] = []
    calls: list[Callable[[], None]] = []
    for seed, client in enumerate(pair * 4):
        calls += [
            partial(hand_over, client, database, users, seed, handed),
            partial(spend, client, users, seed),
        ]
    # Then each run moves coins on both accounts or on neither, as its caller is told
    assert outcomes(at_once(calls)) == {"": len(calls)}
    assert set(handed) == {True, False}, "there were runs of both kinds"
    moved = database.one("SELECT count(*) FROM transactions WHERE description LIKE 'run %'")
    assert moved == 2 * handed.count(True)


def hand_over(
    client: Client, database: Database, users: Sequence[str], seed: int, handed: list[bool]
) -> None:
    """Hand coins over in linked runs, and note for each whether it was done."""
    chance = random.Random(seed)
    handed.extend(hand_over_once(client, chance, database, users) for _ in range(_RUNS))


def hand_over_once(client: Client, chance: random.Random, database: Database, users: Sequence[str]) -> bool:
    """Take first or give first: then what was given is undone when there is too little to take."""
    giver, taker = chance.sample(users, 2)
    coins = chance.randint(1, 60)
    name = f"run {new_id()}"
    run = [debit(giver, coins, name), grant(taker, coins, name)]
    chance.shuffle(run)
    statuses = [
        answer.code
        for answer in execute(client, operation(run[0], linked=True), operation(run[1]))
        if isinstance(answer, credit_pb2.Status)
    ]
    assert len(statuses) in (0, 2)
    rows = database.one("SELECT count(*) FROM transactions WHERE description = %s", name)
    assert rows == 2 - len(statuses)
    return not statuses


def spend(client: Client, users: Sequence[str], seed: int) -> None:
    """Reserve, charge a part or release, and give the coins back."""
    chance = random.Random(seed)
    for _ in range(_RUNS):
        user_id, coins = chance.choice(users), chance.randint(2, 30)
        try:
            reservation_id = client.reserved(coins, user_id)
        except ServiceError as error:
            if error.reason != "INSUFFICIENT_CREDITS":
                raise
            continue
        if chance.random() < 0.5:
            client.release(reservation_id)
            continue
        client.charge(reservation_id, amount=coins // 2)
        client.grant(coins // 2, user_id)


def test_a_chargeback_against_charges_of_what_it_releases_leaves_each_one_end_that_its_caller_learns(
    pair: Pair,
) -> None:
    both = cycle(pair)
    for number in range(_ROUNDS):
        # Given three reservations that hold all coins
        user_id = f"user{number}"
        pair[0].grant(30, user_id)
        made = [next(both).reserved(10, user_id) for _ in range(3)]
        # When they are charged while two thirds of the coins are withdrawn
        charges = [partial(next(both).charge, held, request_id=new_id()) for held in made]
        *charged, debited = in_any_order([*charges, partial(alone, next(both), chargeback(user_id, 20))])
        # Then each has one end, and whoever charged it has learnt which
        told = zip(made, charged, strict=True)
        ends = [end_learnt(pair[0], held, answer, "balance_withdrawn") for held, answer in told]
        assert outcomes([debited]).keys() <= {"", "INSUFFICIENT_CREDITS"}
        withdrawn = 0 if isinstance(debited, ServiceError) else 20
        left = 30 - 10 * ends.count(CHARGED) - withdrawn
        assert pair[1].coins(user_id) == (left, 0, left)


def end_learnt(client: Client, reservation_id: str, charged: object, release_reason: str) -> int:
    """Answer how a reservation ended, after comparing that with what its Charge was told."""
    row = client.reservation(reservation_id)
    if isinstance(charged, ServiceError):
        assert charged.reason == "RESERVATION_ALREADY_RELEASED"
        assert charged.metadata["release_reason"] == release_reason
        assert (row.state, row.release_reason) == (RELEASED, release_reason)
    else:
        assert isinstance(charged, credit_pb2.ChargeResponse)
        assert row == charged.reservation
        assert row.state == CHARGED
    return row.state


def test_closing_an_account_while_it_is_used_leaves_nothing_reserved_and_everybody_informed(
    pair: Pair,
) -> None:
    for number in range(_ROUNDS):
        # Given an account with a reservation made at each service
        user_id = f"user{number}"
        pair[0].grant(100, user_id)
        made = [client.reserved(10, user_id) for client in pair]
        # When it is closed while it is used
        close_while_used(pair, user_id, made)
        # Then it stays closed
        refused("ACCOUNT_CLOSED", partial(pair[0].grant, 1, user_id))
        refused("ACCOUNT_CLOSED", partial(pair[1].reserve, 1, user_id))


def close_while_used(pair: Pair, user_id: str, made: Sequence[str]) -> None:
    """Close an account of 100 coins under two ids, one of them at both services, while others use it."""
    one, two = pair
    first, second = (credit_pb2.CloseAccountRequest(user_id=user_id, request_id=new_id()) for _ in range(2))
    *closed, granted, reserved, charged_at_one, charged_at_two = in_any_order(
        [
            partial(alone, one, first),
            partial(alone, two, first),
            partial(alone, one, second),
            partial(one.grant, 7, user_id),
            partial(two.reserve, 5, user_id),
            *(partial(client.charge, held) for client, held in zip(pair, made, strict=True)),
        ]
    )
    # One of the two ids has closed it
    assert outcomes(closed[:1]) == outcomes(closed[1:2]) != outcomes(closed[2:])
    assert outcomes([*closed, granted, reserved]).keys() <= {"", "ACCOUNT_CLOSED"}
    # Whoever used it knows how that ended
    told = zip(made, (charged_at_one, charged_at_two), strict=True)
    ends = [end_learnt(one, held, answer, "account_closed") for held, answer in told]
    if not isinstance(reserved, ServiceError):
        row = one.reservation(reserved.reservation.reservation_id)
        assert (row.state, row.release_reason) == (RELEASED, "account_closed")
    left = 100 - 10 * ends.count(CHARGED) + 7 * (not isinstance(granted, ServiceError))
    assert one.coins(user_id) == (left, 0, left)
    assert one.account(user_id).HasField("close_time")


def test_chargebacks_at_once_take_all_coins_and_not_one_more(pair: Pair, database: Database) -> None:
    # Given 100 coins, most of them reserved
    pair[0].grant(100)
    made = [pair[0].reserved(20) for _ in range(4)]
    # When more than that is withdrawn at once
    answers = at_once([partial(alone, client, chargeback("ana", 10)) for client in pair * 8])
    # Then the first ten get their coins, the account is empty, and so is what was reserved
    assert outcomes(answers) == {"": 10, "INSUFFICIENT_CREDITS": 6}
    assert pair[1].coins() == (0, 0, 0)
    assert {pair[1].reservation(held).release_reason for held in made} == {"balance_withdrawn"}
    balances = database.run("SELECT balance_after FROM transactions WHERE amount < 0 ORDER BY number")
    assert [row[0] for row in balances] == [*range(90, -1, -10)]
