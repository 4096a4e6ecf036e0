"""WatchEvents: everything that changes, in order, however transactions overlap and streams break off."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
import pytest

from credit_service.__main__ import MIGRATIONS
from credit_service.event_reader import EVERYBODYS, OF_USER, EventId
from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from protos.ops.v1 import ops_pb2, ops_pb2_grpc
from servicekit.embedded import EmbeddedPostgres
from servicekit.errors import DatabaseUnavailable, from_rpc_error
from servicekit.migrations import upgrade
from tests.credit_service.client import Client, at_once, new_id
from tests.credit_service.database import Database
from tests.credit_service.server import Server
from tests.eventually import eventually

Event = credit_pb2.Event

_TIMEOUT_S = 60.0
_POLL_S = 0.05
_IDS = "SELECT event_key || '-' || event_seq FROM events"


class Stream:
    """A stream that is read as fast as it comes."""

    def __init__(self, client: Client, after: str | None = None, user_id: str | None = None) -> None:
        self._call = watch(client, after, user_id)
        # Once these are here the stream has begun.
        self._call.initial_metadata()
        self.events: list[Event] = []
        self.error: Any = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self._call.cancel()
        self._thread.join(_TIMEOUT_S)

    def _read(self) -> None:
        try:
            for answer in self._call:
                self.events.append(answer.event)
        except grpc.RpcError as error:
            self.error = error

    @property
    def ids(self) -> list[str]:
        return [event.event_id for event in self.events]

    def first(self, count: int) -> Sequence[Event]:
        """Wait for so many events and answer them."""
        eventually(lambda: len(self.events) >= count, timeout_s=30.0)
        return self.events[:count]

    def ended(self) -> str:
        """Wait for the end and answer its reason."""
        return from_rpc_error(eventually(lambda: self.error, timeout_s=30.0)).reason


def watch(client: Client, after: str | None = None, user_id: str | None = None) -> Any:
    """Open a stream; its answers are read by whoever iterates over it."""
    return client.stub.WatchEvents(asked(after, user_id), timeout=_TIMEOUT_S)


def asked(after: str | None = None, user_id: str | None = None) -> credit_pb2.WatchEventsRequest:
    fields: dict[str, Any] = {"from": after, "user_id": user_id}
    return credit_pb2.WatchEventsRequest(**fields)


def taken(client: Client, count: int, after: str, user_id: str | None = None) -> list[Event]:
    """Open a stream, take so many events from it, and break it off."""
    call = watch(client, after, user_id)
    events = [next(call).event for _ in range(count)]
    call.cancel()
    return events


def read_so_far(client: Client, database: Database) -> list[str]:
    """Wait until all that was committed can be read, and answer the ids."""
    ids = all_ids(database)
    taken(client, len(ids), "0-0")
    return ids


def all_ids(database: Database) -> list[str]:
    return [row[0] for row in database.run(f"{_IDS} ORDER BY event_key, event_seq")]


def key(event_id: str) -> EventId:
    parsed = EventId.parse(event_id)
    assert parsed is not None
    return parsed


def typed(event: Event) -> str:
    return credit_pb2.EventType.Name(event.type).removeprefix("EVENT_TYPE_")


def moves(user_id: str, coins: int = 1) -> list[credit_pb2.Operation]:
    """Answer a Grant, as an Execute takes it."""
    grant = credit_pb2.GrantRequest(
        user_id=user_id, amount=coins, type=credit_pb2.TRANSACTION_TYPE_BONUS, request_id=new_id()
    )
    return [credit_pb2.Operation(grant=grant)]


@contextmanager
def unfinished(
    client: Client, database: Database, held_user: str, other_users: Sequence[str]
) -> Iterator[Callable[[], object]]:
    """Give a batch that has its number already and waits for an account; calling it lets the batch commit.

    A new account makes it take its number at once; then it waits for the account that somebody else holds.
    """
    operations = [
        *moves(f"new{new_id()}"),
        *(operation for user_id in (held_user, *other_users) for operation in moves(user_id)),
    ]
    with database.held() as holder, ThreadPoolExecutor(1) as threads:
        holder.run("SELECT FROM accounts WHERE user_id = %s FOR UPDATE", held_user)
        batch = threads.submit(client.call, "Execute", operations=operations)

        def finish() -> object:
            holder.rollback()
            return batch.result(_TIMEOUT_S)

        try:
            eventually(database.waiting_for_locks)
            yield finish
        finally:
            finish()


def test_a_stream_says_where_it_begins_and_another_goes_on_from_there(client: Client) -> None:
    # given a stream of what comes from now on, which ends before anything does
    client.grant(5)
    call = watch(client)
    begun = dict(call.initial_metadata())["x-event-id"]
    call.cancel()
    # when something happens, then a stream from where that one began has it
    client.grant(7)
    with Stream(client, begun) as stream:
        eventually(lambda: any(event.amount == 7 for event in stream.events))


def test_every_change_is_told_with_the_account_right_after_it(client: Client, database: Database) -> None:
    with Stream(client) as stream:
        granted = client.grant(100)
        made = [client.reserve(10, reference_type="job", reference_id=f"{n}").reservation for n in range(3)]
        first, second, third = (row.reservation_id for row in made)
        with pytest.raises(Exception, match="INSUFFICIENT"):
            client.reserve(1_000)
        charged = client.charge(first, amount=4)
        client.extend(second, 3_600)
        client.release(second)
        debited = client.call(
            "Debit",
            user_id="ana",
            amount=6,
            type=credit_pb2.TRANSACTION_TYPE_CHARGEBACK,
            request_id=new_id(),
        )
        client.charge(third, amount=0)
        client.call("CloseAccount", user_id="ana", request_id=new_id())
        events = stream.first(11)
    told = [(typed(event), event.amount, event.balance, event.reserved, event.available) for event in events]
    assert told == [
        ("GRANTED", 100, 100, 0, 100),
        ("RESERVED", 10, 100, 10, 90),
        ("RESERVED", 10, 100, 20, 80),
        ("RESERVED", 10, 100, 30, 70),
        ("REFUSED", 1_000, 100, 30, 70),
        ("CHARGED", -4, 96, 20, 76),
        ("EXTENDED", 10, 96, 20, 76),
        ("RELEASED", 10, 96, 10, 86),
        ("DEBITED", -6, 90, 10, 80),
        ("CHARGED", 0, 90, 0, 90),
        ("CLOSED", 0, 90, 0, 90),
    ]
    assert {event.user_id for event in events} == {"ana"}
    assert [event.reservation_id for event in events if event.HasField("reservation_id")][:3] == [
        first,
        second,
        third,
    ]
    assert [event.transaction_id for event in events if event.HasField("transaction_id")] == [
        granted.transaction.transaction_id,
        charged.transaction.transaction_id,
        debited.transaction.transaction_id,
    ]
    assert [event.transaction_type for event in events if event.transaction_type] == [
        credit_pb2.TRANSACTION_TYPE_PURCHASE,
        credit_pb2.TRANSACTION_TYPE_INSIGHT_UNLOCK,
        credit_pb2.TRANSACTION_TYPE_CHARGEBACK,
    ]
    assert [(event.reference_type, event.reference_id) for event in events[:3]] == [
        ("", ""),
        ("job", "0"),
        ("job", "1"),
    ]
    assert events[0].event_time == granted.transaction.create_time
    assert events[5].event_time == charged.reservation.settle_time


def test_a_stream_without_from_begins_now(client: Client, database: Database) -> None:
    client.grant(1)
    read_so_far(client, database)
    with Stream(client) as stream:
        client.grant(2)
        assert [event.amount for event in stream.first(1)] == [2]


def test_a_stream_without_from_misses_nothing_that_was_under_way(client: Client, database: Database) -> None:
    client.grant(1)
    # Given a transaction that has begun before the stream
    with unfinished(client, database, "ana", ()) as finish, Stream(client) as stream:
        # When it commits after the stream has begun
        client.grant(5, "ben")
        finish()
        # Then it is told, before the later one
        assert [event.user_id for event in stream.first(3)][1:] == ["ana", "ben"]


def test_a_later_transaction_waits_for_one_that_has_an_earlier_number(
    client: Client, database: Database
) -> None:
    client.grant(1)
    read_so_far(client, database)
    with Stream(client) as everybody, Stream(client, user_id="ben") as bens:
        with unfinished(client, database, "ana", ()) as finish:
            # Given a Grant that committed while one that is numbered before it has not
            client.grant(5, "ben")
            [held] = database.run(f"{_IDS} WHERE user_id = 'ben'")
            # Then nobody reads it, whatever else is committed and however often they look
            for number in range(20):
                client.grant(1, f"other{number}")
            assert (everybody.events, bens.events) == ([], [])
            finish()
        # And when the earlier one is there, all come in the order of their ids
        ids = [event.event_id for event in everybody.first(23)]
        assert [event.event_id for event in bens.first(1)] == list(held)
    assert ids == sorted(ids, key=key)
    assert ids == all_ids(database)[1:]
    assert [event.user_id for event in everybody.events[1:3]] == ["ana", "ben"]


def test_the_events_of_an_account_keep_their_order_when_an_earlier_number_commits_later(
    client: Client, database: Database
) -> None:
    for user_id in ("ana", "zoe"):
        client.grant(1, user_id)
    # Given a batch for zoe that is numbered, and has not reached her account
    with unfinished(client, database, "ana", ["zoe"]) as finish:
        # When a later one overtakes it there
        client.grant(10, "zoe")
        finish()
    # Then its events have an id behind those that it found
    numbered = database.one("SELECT event_key FROM events WHERE user_id LIKE 'new%%'")
    zoes = [event for event in taken(client, 6, "0-0") if event.user_id == "zoe"]
    assert [(event.amount, event.balance) for event in zoes] == [(1, 1), (10, 11), (1, 12)]
    assert key(zoes[1].event_id).key == key(zoes[2].event_id).key > numbered
    for whose in (None, "zoe"):
        assert taken(client, 1, zoes[1].event_id, whose) == zoes[2:]


def test_a_stream_that_goes_on_after_any_event_gets_exactly_the_rest(
    client: Client, database: Database
) -> None:
    for number in range(4):
        for user_id in ("ana", "ben"):
            client.grant(10 + number, user_id)
            client.charge(client.reserved(5, user_id))
    ids = read_so_far(client, database)
    everything = taken(client, len(ids), "0-0")
    assert [event.event_id for event in everything] == ids
    bens = [event for event in everything if event.user_id == "ben"]
    for position, event_id in enumerate(ids[:-1], start=1):
        assert taken(client, len(ids) - position, event_id) == everything[position:]
        rest = [event for event in bens if key(event.event_id) > key(event_id)]
        assert taken(client, len(rest), event_id, "ben") == rest
    # And after the last one the next is the one that comes
    with Stream(client, ids[-1]) as stream, Stream(client, ids[-1], "ben") as bens_stream:
        client.grant(1, "ana")
        client.grant(2, "ben")
        assert [event.amount for event in stream.first(2)] == [1, 2]
        assert [event.amount for event in bens_stream.first(1)] == [2]


def test_many_writers_and_every_stream_gets_everything_in_order(
    start: Callable[..., Client], database: Database
) -> None:
    first, second = (start(credit_watch_poll_s=_POLL_S, credit_sweep_interval_s=0.05) for _ in range(2))
    users = [f"user{number}" for number in range(6)]
    for user_id in users:
        first.grant(1_000, user_id)
    begun = read_so_far(first, database)[-1]

    def spend(client: Client, user_id: str) -> None:
        for number in range(4):
            reservation_id = client.reserved(3, user_id, ttl_s=1 if number == 0 else None)
            if number == 1:
                client.charge(reservation_id, amount=2)
            if number == 2:
                client.release(reservation_id)

    def move_many(client: Client) -> None:
        for _ in range(4):
            client.call("Execute", operations=[move for user_id in users for move in moves(user_id)])

    streams = [Stream(client, begun) for client in (first, second)]
    streams += [Stream(first, begun, user_id) for user_id in users]
    at_once(
        [partial(spend, client, user_id) for user_id in users for client in (first, second) for _ in range(2)]
        + [partial(move_many, client) for client in (first, second)]
    )
    eventually(lambda: database.one("SELECT count(*) FROM events WHERE kind = 'expired'") == 24)
    expected = all_ids(database)[len(users) :]
    whole = [stream.first(len(expected)) for stream in streams[:2]]
    assert [event.event_id for event in whole[0]] == expected
    assert whole[0] == whole[1]
    for user_id, stream in zip(users, streams[2:], strict=True):
        own = [event for event in whole[0] if event.user_id == user_id]
        assert stream.first(len(own)) == own
    for stream in streams:
        stream.__exit__()
    _check_accounts(whole[0])


def _check_accounts(events: Sequence[Event]) -> None:
    """Each event of an account follows from the one before it."""
    balances: dict[str, int] = defaultdict(lambda: 1_000)
    reserved: dict[str, int] = defaultdict(int)
    held: dict[str, int] = {}
    for event in events:
        kind = typed(event)
        if kind == "RESERVED":
            reserved[event.user_id] += event.amount
            held[event.reservation_id] = event.amount
        elif kind in ("CHARGED", "RELEASED", "EXPIRED"):
            reserved[event.user_id] -= held.pop(event.reservation_id)
        if event.HasField("transaction_id"):
            balances[event.user_id] += event.amount
        assert (event.balance, event.reserved) == (balances[event.user_id], reserved[event.user_id])


def test_an_event_keeps_its_reference_when_its_reservation_is_archived(
    client: Client, database: Database
) -> None:
    client.grant(10)
    client.release(client.reserve(1, reference_type="job", reference_id="7").reservation.reservation_id)
    before = taken(client, 3, "0-0")
    database.corrupt("INSERT INTO archived_reservations SELECT * FROM reservations; DELETE FROM reservations")
    assert taken(client, 3, "0-0") == before
    assert [event.reference_id for event in before] == ["", "7", "7"]


def test_an_expiry_that_a_sweeper_writes_down_is_told(
    start: Callable[..., Client], client: Client, database: Database
) -> None:
    client.grant(10)
    reservation_id = client.reserved(4)
    with Stream(client) as stream:
        database.let_expire([reservation_id])
        sweeping = start(credit_sweep_interval_s=0.05)
        event = next(event for event in stream.first(1) if typed(event) == "EXPIRED")
        expired = sweeping.reservation(reservation_id)
    assert (event.amount, event.balance, event.reserved, event.available) == (4, 10, 0, 10)
    assert (event.reservation_id, event.event_time) == (reservation_id, expired.expire_time)


def test_an_expiry_that_the_next_operation_writes_down_is_told_before_it(
    client: Client, database: Database
) -> None:
    client.grant(10)
    reservation_id = client.reserved(4)
    ids = read_so_far(client, database)
    database.let_expire([reservation_id])
    with Stream(client, ids[-1]) as stream:
        client.reserve(10)
        events = stream.first(2)
    assert [(typed(event), event.amount, event.reserved) for event in events] == [
        ("EXPIRED", 4, 0),
        ("RESERVED", 10, 10),
    ]


def test_a_stream_of_one_user_has_nobody_elses_events(client: Client) -> None:
    with Stream(client, user_id="ana") as stream, Stream(client, "0-0", "ana") as from_the_start:
        for user_id in ("ben", "ana", "ben", "zoe", "ana"):
            client.grant(1, user_id)
        assert [event.user_id for event in stream.first(2)] == ["ana", "ana"]
        assert from_the_start.first(2) == stream.events
    assert len(stream.events) == 2


def test_a_stream_of_one_user_reads_no_other_events(database: Database) -> None:
    """Whatever the cursor is: the planner must not walk everybody's events in the order of their ids."""
    database.corrupt(
        """
        INSERT INTO events (event_key, user_id, kind, event_time, amount, balance, reserved)
        SELECT n / 100, 'user' || mod(n, 1000), 'granted', now(), 1, 1, 0 FROM generate_series(1, 50000) AS n
        """
    )
    database.run("ANALYZE events")
    for plan_cache_mode in ("force_custom_plan", "force_generic_plan"):
        database.run(f"SET plan_cache_mode = {plan_cache_mode}")
        for after in ("0, 0", "250, 0", "490, 0"):
            of_user = _plan(database, OF_USER, "bigint, bigint, text", f"{after}, 'user7'")
            assert "events_history" in of_user, of_user
            assert "events_pkey" not in of_user, of_user
            assert "Seq Scan on events" not in of_user
            everybodys = _plan(database, EVERYBODYS, "bigint, bigint", after)
            assert "events_pkey" in everybodys
            assert "Sort" not in everybodys.partition("->  Limit")[2], everybodys
    database.run("RESET plan_cache_mode")


def _plan(database: Database, statement: str, types: str, values: str) -> str:
    database.run(f"PREPARE page ({types}) AS {statement}")
    try:
        return "\n".join(
            row[0] for row in database.run(f"EXPLAIN (ANALYZE, BUFFERS) EXECUTE page ({values})")
        )
    finally:
        database.run("DEALLOCATE page")


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "1",
        "-",
        "1-",
        "-1",
        "1-2-3",
        "a-1",
        "1-b",
        "-1-2",
        "1--2",
        "+1-2",
        " 1-2",
        "1-2\n",
        "01-2",
        "1-02",
        "1.0-2",
        "١-٢",
        "9223372036854775808-1",
        "1-9223372036854775808",
        "9" * 5_000 + "-1",
    ],
)
def test_a_from_that_is_no_event_id_is_refused(client: Client, malformed: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        next(watch(client, malformed))
    error = from_rpc_error(caught.value)
    assert (error.reason, error.metadata["field"]) == ("INVALID_FIELD", "from")
    assert [violation.field for violation in error.violations] == ["from"]


@pytest.mark.parametrize("user_id", ["", "x" * 129, "a\x00b"])
def test_a_user_id_that_is_none_is_refused(client: Client, user_id: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        next(watch(client, "0-0", user_id))
    assert from_rpc_error(caught.value).metadata["field"] == "user_id"


def test_the_greatest_id_is_one(client: Client) -> None:
    with Stream(client, f"{2**63 - 1}-{2**63 - 1}") as stream:
        client.grant(1)
        assert stream.error is None
    assert stream.events == []


def test_a_client_that_does_not_read_gets_everything_in_order_when_it_does(
    client: Client, database: Database
) -> None:
    # Given a client that has stopped reading, and more events than anything on the way holds
    call = watch(client, "0-0")
    client.grant(1)
    next(call)
    for _ in range(6):
        client.call("Execute", operations=[move for n in range(1_000) for move in moves(f"user{n % 50}")])
    # When it goes on reading
    ids = all_ids(database)
    assert len(ids) == 6_001
    # Then nothing is missing
    assert [next(call).event.event_id for _ in ids[1:]] == ids[1:]
    call.cancel()


def test_what_is_told_while_a_stream_catches_up_is_not_lost(
    server: Server, client: Client, database: Database
) -> None:
    """Here its client stops reading in the middle of the last page that the stream reads by itself."""
    # Given fewer events than a page has, and larger ones than anything on the way holds
    user_id = "u" * 128
    client.grant(1_000, user_id)
    reserve = credit_pb2.ReserveRequest(
        user_id=user_id, amount=1, reference_type="t" * 64, reference_id="r" * 128
    )
    operations = [credit_pb2.Operation(reserve=reserve) for _ in range(490)]
    for operation in operations:
        operation.reserve.request_id = new_id()
    client.call("Execute", operations=operations)
    ids = read_so_far(client, database)
    with grpc.insecure_channel(server.target, [("grpc.http2.bdp_probe", 0)]) as slow:
        call: Any = credit_pb2_grpc.CreditServiceStub(slow).WatchEvents(asked("0-0"), timeout=_TIMEOUT_S)
        seen = [next(call).event.event_id]
        # When something happens, and has been read for all streams
        with Stream(client, ids[-1]) as other:
            client.grant(1)
            other.first(1)
        # Then it comes after the rest
        seen += [next(call).event.event_id for _ in range(491)]
        assert seen == all_ids(database)
        call.cancel()


async def test_hundreds_of_streams_wait_without_a_connection_and_all_are_told(
    server: Server, client: Client, database: Database
) -> None:
    client.grant(1)
    begun = read_so_far(client, database)[-1]
    users = [f"user{number}" for number in range(150)]
    async with grpc.aio.insecure_channel(server.target) as channel:
        stub: Any = credit_pb2_grpc.CreditServiceStub(channel)
        calls = {user_id: stub.WatchEvents(asked(begun, user_id), timeout=_TIMEOUT_S) for user_id in users}
        calls |= {f"all{n}": stub.WatchEvents(asked(begun), timeout=_TIMEOUT_S) for n in range(150)}
        await asyncio.gather(*(call.initial_metadata() for call in calls.values()))
        await asyncio.to_thread(eventually, lambda: _connections_in_use(server) == 0)
        operations = [move for user_id in users for move in moves(user_id, 5)]
        await asyncio.to_thread(client.call, "Execute", operations=operations)
        for name, call in calls.items():
            told = [(await call.read()).event.user_id for _ in (users if name.startswith("all") else [name])]
            assert told == (users if name.startswith("all") else [name])
        for call in calls.values():
            call.cancel()


def _connections_in_use(server: Server) -> int:
    with grpc.insecure_channel(server.target) as channel:
        status = ops_pb2_grpc.OpsServiceStub(channel).GetPoolStatus(ops_pb2.GetPoolStatusRequest())
    return int(status.in_use)


def test_a_stream_ends_at_the_servers_maximum_and_goes_on_where_it_was(
    start: Callable[..., Client],
) -> None:
    client = start(rpc_max_stream_s=0.5)
    with Stream(client) as stream:
        client.grant(1)
        [event] = stream.first(1)
        assert stream.ended() == "DEADLINE_EXCEEDED"
    client.grant(2)
    assert [event.amount for event in taken(client, 1, event.event_id)] == [2]


def test_streams_end_at_once_when_the_server_stops(migrated: str, database: Database) -> None:
    with ExitStack() as clients:
        # Given a server that would wait for its streams for longer than the test does
        with Server(migrated, drain_s=300.0) as server:
            client = clients.enter_context(Client(server.target))
            client.grant(1)
            busy = clients.enter_context(Stream(client, "0-0"))
            idle = clients.enter_context(Stream(client, user_id="ben"))
            busy.first(1)
            # When it stops, which is the end of this block
        # Then they are told to go elsewhere
        assert (busy.ended(), idle.ended()) == ("UNAVAILABLE", "UNAVAILABLE")
        assert idle.error.code() is grpc.StatusCode.UNAVAILABLE


def test_a_consumer_that_goes_on_where_it_was_misses_nothing_while_the_database_restarts(
    open_dir: Path,
) -> None:
    with EmbeddedPostgres(open_dir / "postgres", temporary=True) as postgres:
        postgres.create_database("credit")
        upgrade(postgres.url("credit"), MIGRATIONS)
        settings = {"credit_sweep_interval_s": 0, "credit_watch_poll_s": _POLL_S}
        with Server(postgres.url("credit"), **settings) as server, Client(server.target) as client:
            seen: list[Event] = []
            consumer = threading.Thread(target=partial(_consume, client, seen, 20), daemon=True)
            consumer.start()
            for coins in range(1, 21):
                if coins % 5 == 0:
                    postgres.restart()
                eventually(partial(_granted, client, coins))
            consumer.join(_TIMEOUT_S)
            assert [event.amount for event in seen] == list(range(1, 21))
            # And without a database a stream that has to read ends with a reason
            postgres.stop()
            with Stream(client, "0-0") as stream:
                assert stream.ended() == "DATABASE_UNAVAILABLE"


def _consume(client: Client, seen: list[Event], count: int) -> None:
    """Follow the events over as many streams as it takes."""
    while len(seen) < count:
        with Stream(client, seen[-1].event_id if seen else "0-0") as stream:
            missing = count - len(seen)
            eventually(partial(_broken_or_long, stream, missing), timeout_s=_TIMEOUT_S)
        seen += stream.events


def _broken_or_long(stream: Stream, count: int) -> bool:
    return stream.error is not None or len(stream.events) >= count


def _granted(client: Client, coins: int) -> bool:
    try:
        client.grant(coins, request_id=str(UUID(int=coins)))
    except DatabaseUnavailable:
        return False
    return True


def test_events_from_before_there_were_any_come_first(client: Client, database: Database) -> None:
    """Those that the migration made have the key 0."""
    client.grant(1)
    database.corrupt(
        "INSERT INTO events (event_key, user_id, kind, event_time, amount, balance, reserved)"
        " SELECT 0, 'old', 'granted', now(), n, n, 0 FROM generate_series(1, 3) AS n"
    )
    events = taken(client, 4, "0-0")
    assert [(event.user_id, event.amount) for event in events] == [
        ("old", 1),
        ("old", 2),
        ("old", 3),
        ("ana", 1),
    ]
    assert {key(event.event_id).key for event in events[:3]} == {0}
