"""Whatever breaks off in the middle: what was answered stays true, what was not may be asked again.

Callers ask for everything that moves coins, each time under a new id, while the service is killed, its
database crashes, their connections are cut, or the service is told to stop. Afterwards everything is asked
again, and the books must hold exactly what was answered.
"""

import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import grpc
import pytest
from google.protobuf.message import Message

from credit_service.__main__ import MIGRATIONS
from protos.credit.v1 import credit_pb2
from servicekit.embedded import EmbeddedPostgres
from servicekit.errors import ServiceError, from_rpc_error
from servicekit.migrations import upgrade
from servicekit.processes import Child
from tests.credit_service.client import Client, duration, new_id
from tests.credit_service.database import Database
from tests.credit_service.server import Server
from tests.eventually import eventually

ROOT = Path(__file__).parents[2]
CALLERS = 16
HOT = "hot"
ACCOUNTS = (HOT, "ana", "ben", "cy")
# After one statement is before the next, so these are all the moments between any two.
CRASH_POINTS = [
    *(("before", statement) for statement in ("BEGIN", "SELECT * FROM ledger_open", "WITH", "COMMIT")),
    ("after", "COMMIT"),
]
EXPECTED_REFUSALS = {"INSUFFICIENT_CREDITS", "RESERVATION_ALREADY_RELEASED"}
"""What callers may be refused for here: too few coins, and a Debit that took what they had reserved."""

_BEFORE_THE_FAULT = 100
"""Answers that callers have got before something breaks."""

_START_S = 30.0
_STOP_S = 30.0
_CALL_S = 20.0
_PATIENCE_S = 30.0
_PAUSE_S = 0.02
_CUTS = 15
_CUT_EVERY_S = 0.05

Answer = Message | ServiceError
Ask = Callable[[Client, Message], Answer | None]
_Request = TypeVar("_Request", bound=Message)


@dataclass
class Asked:
    """A request, and its answer once there is one."""

    request: Message
    answer: Answer | None = None


def ask(client: Client, request: Message) -> Answer | None:
    """Ask once. None is no answer: whether the request was done is not known."""
    method = type(request).__name__.removesuffix("Request")
    try:
        answer: Message = getattr(client.stub, method)(request, timeout=_CALL_S)
    except grpc.RpcError as error:
        refusal = from_rpc_error(error)
        return None if refusal.code is grpc.StatusCode.UNAVAILABLE else refusal
    return answer


def ask_until_answered(client: Client, request: Message) -> Answer:
    """Ask again and again, under the same id."""
    deadline = time.monotonic() + _PATIENCE_S
    while (answer := ask(client, request)) is None:
        assert time.monotonic() < deadline, f"nobody answers {request}"
        time.sleep(_PAUSE_S)
    return answer


def moving(kind: Callable[..., _Request], **fields: Any) -> _Request:
    """Make a request that moves coins; its id is its description too, by which its rows are found."""
    request_id = new_id()
    return kind(request_id=request_id, description=request_id, **fields)


def grant(user_id: str, coins: int) -> credit_pb2.GrantRequest:
    """Make a Grant."""
    return moving(
        credit_pb2.GrantRequest, user_id=user_id, amount=coins, type=credit_pb2.TRANSACTION_TYPE_BONUS
    )


@dataclass
class Held:
    """A reservation, and the request that made it."""

    reserve: credit_pb2.ReserveRequest
    reservation_id: str


class Caller:
    """Asks for one thing after another and keeps what it has asked."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._held: list[Held] = []
        self.asked: list[Asked] = []

    def run(self, client: Client, ask: Ask, stop: threading.Event) -> None:
        """Ask until somebody says stop or nobody answers."""
        while not stop.is_set():
            asked = Asked(self._next())
            self.asked.append(asked)
            asked.answer = ask(client, asked.request)
            if asked.answer is None:
                return
            self._keep(asked.request, asked.answer)

    def _keep(self, request: Message, answer: Answer) -> None:
        if isinstance(request, credit_pb2.ReserveRequest) and isinstance(answer, credit_pb2.ReserveResponse):
            self._held.append(Held(request, answer.reservation.reservation_id))

    def _next(self) -> Message:
        on_accounts = (self._grant, self._grant, self._debit, self._reserve, self._reserve, self._batch)
        on_reservations = (self._charge, self._charge, self._release, self._extend)
        return self._random.choice(on_accounts + on_reservations * bool(self._held))()

    def _coins(self) -> int:
        return self._random.randint(1, 30)

    def _user(self) -> str:
        return self._random.choice((HOT, *ACCOUNTS))

    def _name(self, held: Held) -> dict[str, Any]:
        """Name the reservation in one of its two ways."""
        if self._random.random() < 0.5:
            return {"reservation_id": held.reservation_id}
        return {"user_id": held.reserve.user_id, "reserve_request_id": held.reserve.request_id}

    def _taken(self) -> Held:
        return self._held.pop(self._random.randrange(len(self._held)))

    def _grant(self) -> credit_pb2.GrantRequest:
        """Give coins to somebody, who may be new."""
        return grant(self._random.choice((HOT, *ACCOUNTS, new_id())), self._coins())

    def _debit(self) -> credit_pb2.DebitRequest:
        return moving(
            credit_pb2.DebitRequest,
            user_id=self._user(),
            amount=self._coins(),
            type=credit_pb2.TRANSACTION_TYPE_CHARGEBACK,
            allow_reserved=self._random.random() < 0.5,
        )

    def _reserve(self) -> credit_pb2.ReserveRequest:
        return moving(credit_pb2.ReserveRequest, user_id=self._user(), amount=self._coins())

    def _charge(self) -> credit_pb2.ChargeRequest:
        """Charge everything under no id, or any part of it, nothing included, under an id."""
        held = self._taken()
        name = self._name(held)
        if self._random.random() < 0.3:
            return credit_pb2.ChargeRequest(description=new_id(), **name)
        return moving(credit_pb2.ChargeRequest, amount=self._random.randint(0, held.reserve.amount), **name)

    def _release(self) -> credit_pb2.ReleaseRequest:
        return credit_pb2.ReleaseRequest(
            reason="not needed", request_id=new_id(), **self._name(self._taken())
        )

    def _extend(self) -> credit_pb2.ExtendRequest:
        name = self._name(self._random.choice(self._held))
        return credit_pb2.ExtendRequest(
            ttl=duration(self._random.randint(1, 3_600)), request_id=new_id(), **name
        )

    def _batch(self) -> credit_pb2.ExecuteRequest:
        """Make a linked run over two accounts, and a Debit beside it."""
        reserve = self._reserve()
        named = {"user_id": reserve.user_id, "reserve_request_id": reserve.request_id}
        operations = [
            credit_pb2.Operation(grant=self._grant(), linked=True),
            credit_pb2.Operation(reserve=reserve, linked=True),
            credit_pb2.Operation(charge=moving(credit_pb2.ChargeRequest, **named)),
            credit_pb2.Operation(debit=self._debit()),
        ]
        return credit_pb2.ExecuteRequest(operations=operations)


class Load:
    """Callers at work in threads; a context manager that waits for their end."""

    def __init__(self, client: Client, ask: Ask = ask) -> None:
        """Take how they ask: with `ask` they leave when nobody answers, otherwise they go on to the end."""
        self._client = client
        self._ask = ask
        self._opening = [Asked(grant(user_id, 100)) for user_id in ACCOUNTS]
        self._callers = [Caller(number) for number in range(CALLERS)]
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(CALLERS)
        self._runs: list[Future[None]] = []

    def __enter__(self) -> Self:
        for opened in self._opening:
            opened.answer = ask_until_answered(self._client, opened.request)
        self._runs = [
            self._threads.submit(caller.run, self._client, self._ask, self._stop) for caller in self._callers
        ]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._threads.shutdown()
        for run in self._runs:
            run.result()

    @property
    def asked(self) -> list[Asked]:
        """Everything that was asked."""
        return self._opening + [asked for caller in self._callers for asked in caller.asked]

    @property
    def unanswered(self) -> list[Asked]:
        """What was asked and not answered."""
        return [asked for asked in self.asked if asked.answer is None]

    def wait_for_answers(self, count: int = _BEFORE_THE_FAULT) -> None:
        """Wait until so many more answers came."""
        before = self._answers()
        eventually(lambda: self._answers() >= before + count, _PATIENCE_S)

    def _answers(self) -> int:
        return sum(asked.answer is not None for asked in self.asked)


class Process:
    """A service in a process of its own."""

    def __init__(self, directory: Path, url: str, *command: str, **settings: object) -> None:
        with closing(socket.socket()) as finder:
            finder.bind(("127.0.0.1", 0))
            port = finder.getsockname()[1]
        self._port = port
        self.target = f"127.0.0.1:{port}"
        self._ready = directory / "ready"
        given = {
            "PYTHONPATH": ROOT,
            "HOLDFAST_READY_FILE": self._ready,
            "HOLDFAST_CREDIT_DATABASE_URL": url,
            "HOLDFAST_CREDIT_PORT": port,
            "HOLDFAST_CREDIT_SWEEP_INTERVAL_S": 0,
            **settings,
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        environment = kept | {name: str(value) for name, value in given.items()}
        self.child = Child(
            "credit", [sys.executable, "-m", *command], environment, directory / "log", cwd=directory
        )

    def start(self) -> None:
        """Start it and wait until it serves."""
        self.child.start()
        eventually(lambda: self._ready.exists() or not self.child.alive, _START_S)
        assert self.child.alive, "\n".join(self.child.log_tail())

    def listens(self) -> bool:
        """Tell whether it takes connections."""
        with closing(socket.socket()) as caller:
            return caller.connect_ex(("127.0.0.1", self._port)) == 0


@pytest.fixture
def process(migrated: str, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start a service in a process of its own, on the shared database."""
    started: list[Process] = []

    def start(*command: str, **settings: object) -> Process:
        started.append(Process(tmp_path, migrated, *command, **settings))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.child.kill()


def parts(answer: Answer | None) -> list[Answer]:
    """Answer the answers to the single operations."""
    assert answer is not None
    if not isinstance(answer, credit_pb2.ExecuteResponse):
        return [answer]
    return [getattr(result, result.WhichOneof("result") or "") for result in answer.results]


def lasting(answer: Answer | None) -> list[object]:
    """Answer what must be the same whenever it is asked again: all but the account, which is as of now."""
    return [_lasting(part) for part in parts(answer)]


def _lasting(answer: Answer) -> object:
    if isinstance(answer, ServiceError):
        return answer.reason, answer.metadata
    if isinstance(answer, credit_pb2.Status):
        # All that the details say is in the message; their bytes have no fixed order.
        return answer.code, answer.message
    kept = type(answer)()
    kept.CopyFrom(answer)
    if "account" in kept.DESCRIPTOR.fields_by_name:
        kept.ClearField("account")
    return kept


def ask_again(client: Client, asked: Sequence[Asked]) -> list[Answer]:
    """Ask everything again, in many threads, and answer what was said now."""
    with ThreadPoolExecutor(CALLERS) as threads:
        return list(threads.map(lambda one: ask_until_answered(client, one.request), asked))


def assert_nothing_is_lost_or_done_twice(client: Client, database: Database, asked: Sequence[Asked]) -> None:
    """Ask a healthy service everything again, and compare the books with all answers."""
    assert refusals(asked) <= EXPECTED_REFUSALS
    unanswered = [one for one in asked if one.answer is None]
    for one, answer in zip(asked, ask_again(client, asked), strict=True):
        if one.answer is None:
            one.answer = answer
        assert lasting(answer) == lasting(one.answer), one.request
    # What nobody had answered stands from now on too
    for one, answer in zip(unanswered, ask_again(client, unanswered), strict=True):
        assert lasting(answer) == lasting(one.answer), one.request
    assert_the_books_are_what_was_answered(database, asked)
    database.check_invariants()
    assert refusals(asked) <= EXPECTED_REFUSALS
    verified = client.call("VerifyLedger")
    assert list(verified.findings) == []
    assert verified.accounts_checked >= len(ACCOUNTS)


def refusals(asked: Sequence[Asked]) -> set[str]:
    """Answer the reasons for which RPCs were refused."""
    return {one.answer.reason for one in asked if isinstance(one.answer, ServiceError)}


def assert_the_books_are_what_was_answered(database: Database, asked: Sequence[Asked]) -> None:
    """Find every transaction and reservation that was answered, and no other."""
    answers = [part for one in asked for part in parts(one.answer)]
    moved: list[Any] = [part for part in answers if hasattr(part, "transaction")]
    told = {part.transaction.transaction_id: part.transaction.amount for part in moved}
    told.pop("", None)  # nothing was charged
    rows = database.run("SELECT CAST(transaction_id AS text), amount FROM transactions")
    assert dict(rows) == told
    made = [part for part in answers if isinstance(part, credit_pb2.ReserveResponse)]
    held = database.run("SELECT CAST(reservation_id AS text) FROM reservations WHERE state <> 'REFUSED'")
    assert {row[0] for row in held} == {part.reservation.reservation_id for part in made}
    twice = "SELECT description FROM reservations GROUP BY description HAVING count(*) > 1"
    assert database.run(twice) == []


def count_done(database: Database, asked: Sequence[Asked]) -> int:
    """Count the rows that these requests have left."""
    ids = [request_id for one in asked for request_id in request_ids(one.request)]
    return int(
        database.one(
            "SELECT (SELECT count(*) FROM requests WHERE request_id = ANY (CAST(%s AS uuid[])))"
            " + (SELECT count(*) FROM transactions WHERE description = ANY (%s))",
            ids,
            ids,
        )
    )


def request_ids(request: Any) -> list[str]:
    """Answer the ids of a request or, for a batch, those of its operations."""
    if not isinstance(request, credit_pb2.ExecuteRequest):
        return [request.request_id or request.description]
    named = (getattr(operation, operation.WhichOneof("operation") or "") for operation in request.operations)
    return [operation.request_id for operation in named]


@pytest.mark.parametrize(("moment", "statement"), CRASH_POINTS)
def test_a_service_that_is_killed_has_done_what_it_answered_and_nothing_by_half(
    process: Callable[..., Process],
    client: Client,
    database: Database,
    tmp_path: Path,
    moment: str,
    statement: str,
) -> None:
    # Given a service with many callers
    fault = {
        "FAULT_ARMED": tmp_path / "armed",
        "FAULT_STATEMENT": statement,
        "FAULT_MOMENT": moment,
        "FAULT_COUNT": 3,
    }
    service = process("tests.credit_service.faulty_service", **fault)
    with Client(service.target) as caller, Load(caller) as load:
        load.wait_for_answers()
        # When it dies there
        (tmp_path / "armed").touch()
        assert service.child.wait(_STOP_S) == -signal.SIGKILL
    # Then some have no answer, even if it was done
    assert load.unanswered
    if (moment, statement) == ("after", "COMMIT"):
        assert count_done(database, load.unanswered) > 0
    assert_nothing_is_lost_or_done_twice(client, database, load.asked)


def test_a_database_that_crashes_under_load_costs_callers_nothing_but_time(stores_dir: Path) -> None:
    with EmbeddedPostgres(stores_dir / "crashing", temporary=True) as postgres:
        postgres.create_database("credit")
        url = postgres.url("credit")
        upgrade(url, MIGRATIONS)
        with Server(url, credit_sweep_interval_s=0) as server, Client(server.target) as client:
            # Given callers who repeat what is not answered
            with Load(client, ask_until_answered) as load:
                load.wait_for_answers()
                # When PostgreSQL crashes, then they all go on as soon as it is back
                postgres.restart("immediate")
                load.wait_for_answers()
            with Database(url) as database:
                assert_nothing_is_lost_or_done_twice(client, database, load.asked)


def test_connections_that_are_cut_under_load_cost_callers_nothing_but_time(
    start: Callable[..., Client], client: Client, database: Database
) -> None:
    # Given callers who repeat what is not answered
    caller = start(credit_sweep_interval_s=0)
    with Load(caller, ask_until_answered) as load:
        load.wait_for_answers()
        # When all connections of the service are cut, again and again
        cut = 0
        looked: list[Asked] = []
        for _ in range(_CUTS):
            cut += cut_connections(database)
            looked.append(look(caller))
            time.sleep(_CUT_EVERY_S)
        # Then the callers go on
        load.wait_for_answers()
    assert cut
    assert not refusals(looked), "who reads is answered or told that there is no database"
    assert_nothing_is_lost_or_done_twice(client, database, load.asked)


def look(client: Client) -> Asked:
    """Look at an account."""
    request = credit_pb2.GetAccountRequest(user_id=HOT)
    return Asked(request, ask(client, request))


def cut_connections(database: Database) -> int:
    """Cut every connection of the service and answer how many those were."""
    return int(
        database.one(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'credit_service' AND datname = current_database()"
        )
    )


def test_a_service_that_is_told_to_stop_under_load_answers_each_call_or_is_unavailable(
    process: Callable[..., Process], client: Client, database: Database
) -> None:
    service = process("credit_service", "serve")
    with Client(service.target) as caller, Load(caller) as load:
        load.wait_for_answers()
        service.child.send(signal.SIGTERM)
        assert service.child.wait(_STOP_S) == 0
    assert len(load.unanswered) == CALLERS
    assert_nothing_is_lost_or_done_twice(client, database, load.asked)


def test_calls_that_a_service_had_taken_when_it_was_told_to_stop_are_answered(
    process: Callable[..., Process], client: Client, database: Database
) -> None:
    # Given calls that wait, each with a connection, for accounts that somebody holds
    asked = [Asked(grant(user_id, 100)) for user_id in ACCOUNTS]
    for opened in asked:
        opened.answer = ask(client, opened.request)
    service = process("credit_service", "serve")
    with Client(service.target) as caller, ThreadPoolExecutor(CALLERS) as threads, database.held() as other:
        other.run("SELECT FROM accounts FOR UPDATE")
        waiting = [Asked(request) for request in waiting_requests()]
        calls = [threads.submit(ask, caller, one.request) for one in waiting]
        eventually(lambda: database.waiting_for_locks() == len(calls))
        # When the service is told to stop, and the accounts are free only after it takes no more
        service.child.send(signal.SIGTERM)
        eventually(lambda: not service.listens())
        other.rollback()
        # Then they are answered, and it ends well
        for one, call in zip(waiting, calls, strict=True):
            one.answer = call.result()
            assert lasting(one.answer), one.request
    assert service.child.wait(_STOP_S) == 0
    assert not refusals(waiting)
    assert_nothing_is_lost_or_done_twice(client, database, asked + waiting)


def waiting_requests() -> list[Message]:
    """Make a request of each account, and two batches of them all."""
    batches = [
        [credit_pb2.Operation(grant=grant(user_id, 1)) for user_id in users]
        for users in (ACCOUNTS, reversed(ACCOUNTS))
    ]
    return [
        *(grant(user_id, 1) for user_id in ACCOUNTS),
        *(credit_pb2.ExecuteRequest(operations=operations) for operations in batches),
    ]
