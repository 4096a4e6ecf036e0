"""Events in Redis: every one, once in the stream, in order, whoever is killed or away meanwhile."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from credit_service import publisher
from protos.credit.v1 import credit_pb2
from servicekit.embedded import EmbeddedRedis
from tests.credit_service.client import Client, at_once, new_id
from tests.credit_service.database import Database
from tests.eventually import eventually

_TIMEOUT_S = 60.0
_STREAM = "test:events"

Event = credit_pb2.Event


class Queue:
    """The Redis stream as its consumers see it."""

    def __init__(self, server: EmbeddedRedis, stream: str = _STREAM) -> None:
        self.server = server
        self.stream = stream

    @property
    def settings(self) -> dict[str, object]:
        """What a service needs to publish to it."""
        return {
            "redis_url": self.server.url,
            "credit_event_stream": self.stream,
            "credit_watch_poll_s": 0.05,
        }

    def ask(self, *command: str | bytes | int) -> Any:
        """Send one command."""
        with redis.Redis.from_url(self.server.url) as client:
            return client.execute_command(*command)

    def entries(self) -> list[tuple[str, Event]]:
        """Answer everything in the stream: ids and events."""
        with redis.Redis.from_url(self.server.url) as client:
            rows: Any = client.xrange(self.stream)
        return [(entry.decode(), Event.FromString(fields[b"event"])) for entry, fields in rows]

    def ids(self) -> list[str]:
        """Answer the ids in the stream."""
        return [entry for entry, _ in self.entries()]

    def holds(self, ids: list[str]) -> bool:
        """Wait until the stream's ids are these."""
        return eventually(lambda: self.ids() == ids, timeout_s=30.0)


@pytest.fixture
def queue(redis_server: EmbeddedRedis) -> Queue:
    """An empty stream of the shared Redis."""
    queue = Queue(redis_server)
    queue.ask("DEL", _STREAM)
    return queue


@pytest.fixture
def own_queue(open_dir: Path) -> Iterator[Queue]:
    """A stream in a Redis that the test may stop."""
    with EmbeddedRedis(open_dir / "redis", temporary=True) as server:
        yield Queue(server)


def all_ids(database: Database) -> list[str]:
    rows = database.run("SELECT event_key || '-' || event_seq FROM events ORDER BY event_key, event_seq")
    return [row[0] for row in rows]


def cursor(database: Database) -> list[str]:
    return [row[0] for row in database.run("SELECT event_key || '-' || event_seq FROM event_cursors")]


def grants(users: int, count: int) -> list[credit_pb2.Operation]:
    return [
        credit_pb2.Operation(
            grant=credit_pb2.GrantRequest(
                user_id=f"user{number % users}",
                amount=1,
                type=credit_pb2.TRANSACTION_TYPE_BONUS,
                request_id=new_id(),
            )
        )
        for number in range(count)
    ]


def test_what_is_published_is_what_a_stream_tells_under_the_same_ids(
    start: Callable[..., Client], database: Database, queue: Queue
) -> None:
    client = start(**queue.settings)
    client.grant(100)
    client.charge(client.reserve(10, reference_type="job", reference_id="7").reservation.reservation_id)
    ids = all_ids(database)
    queue.holds(ids)
    call: Any = client.stub.WatchEvents(credit_pb2.WatchEventsRequest(**{"from": "0-0"}), timeout=_TIMEOUT_S)
    told = [next(call).event for _ in ids]
    call.cancel()
    assert queue.entries() == [(event.event_id, event) for event in told]
    eventually(lambda: cursor(database) == ids[-1:])


def test_without_a_redis_nothing_is_published(
    start: Callable[..., Client], database: Database, queue: Queue
) -> None:
    start(redis_url="", credit_watch_poll_s=0.05).grant(1)
    # Given that another copy, which has one, has published everything
    start(**queue.settings).grant(2)
    queue.holds(all_ids(database))
    # Then the first one is not needed for that, and was not in its way
    assert [event.amount for _, event in queue.entries()] == [1, 2]


def test_many_copies_publish_each_event_once_and_in_order(
    start: Callable[..., Client], database: Database, queue: Queue
) -> None:
    copies = [start(**queue.settings, credit_sweep_interval_s=0) for _ in range(3)]
    at_once(partial(client.call, "Execute", operations=grants(7, 60)) for client in copies for _ in range(10))
    ids = all_ids(database)
    assert len(ids) == 1_800
    queue.holds(ids)
    eventually(lambda: cursor(database) == ids[-1:])


def test_history_from_before_there_were_events_is_published_first(
    start: Callable[..., Client], database: Database, queue: Queue
) -> None:
    """The migration gave it the key 0, and there may be more of it than fits on a page."""
    database.corrupt(
        "INSERT INTO events (event_key, user_id, kind, event_time, amount, balance, reserved)"
        " SELECT 0, 'old', 'granted', now(), 1, n, 0 FROM generate_series(1, 1200) AS n"
    )
    start(**queue.settings).grant(1)
    ids = all_ids(database)
    assert ids[0].startswith("0-")
    queue.holds(ids)


def test_a_copy_that_is_killed_before_it_noted_what_it_published_publishes_nothing_twice(
    start: Callable[..., Client], client: Client, database: Database, queue: Queue, migrated: str
) -> None:
    client.grant(1)
    database.run("INSERT INTO event_cursors VALUES ('redis', 0, 0)")
    environment = {
        "HOLDFAST_CREDIT_DATABASE_URL": migrated,
        "HOLDFAST_CREDIT_PORT": "0",
        "HOLDFAST_REDIS_URL": queue.server.url,
        "HOLDFAST_CREDIT_EVENT_STREAM": queue.stream,
    }
    with database.held() as other:
        # Given a copy that has published, and cannot note it
        other.run("SELECT FROM event_cursors FOR UPDATE")
        with subprocess.Popen(
            [sys.executable, "-m", "credit_service", "serve"],
            env={**os.environ, **environment},
            stderr=subprocess.DEVNULL,
        ) as copy:
            queue.holds(all_ids(database))
            # When it is killed
            copy.kill()
    assert cursor(database) == ["0-0"]
    # Then the next one goes on, and the stream has everything once
    client.grant(2)
    start(**queue.settings)
    ids = all_ids(database)
    queue.holds(ids)
    eventually(lambda: cursor(database) == ids[-1:])


def test_what_happens_while_redis_is_away_is_published_when_it_is_back(
    start: Callable[..., Client], database: Database, own_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(publisher.log, "warning", lambda event, **_: warnings.append(event))
    client = start(**own_queue.settings)
    client.grant(1)
    eventually(lambda: cursor(database) == all_ids(database))
    # When Redis goes, with all that it holds
    own_queue.server.stop()
    for coins in (2, 3):
        client.grant(coins)
    eventually(lambda: warnings)
    client.grant(4)
    own_queue.server.start()
    # Then it gets what it has not had
    ids = all_ids(database)
    own_queue.holds(ids[1:])
    # And what it has lost can be read all the same
    call: Any = client.stub.WatchEvents(credit_pb2.WatchEventsRequest(**{"from": "0-0"}), timeout=_TIMEOUT_S)
    assert [next(call).event.amount for _ in ids] == [1, 2, 3, 4]
    call.cancel()
    assert warnings == ["events_not_published"], "once, however often it was tried"


def test_a_redis_that_was_flushed_gets_what_comes_afterwards(
    start: Callable[..., Client], database: Database, own_queue: Queue
) -> None:
    client = start(**own_queue.settings)
    client.grant(1)
    eventually(lambda: cursor(database) == all_ids(database))
    own_queue.server.flush()
    client.grant(2)
    own_queue.holds(all_ids(database)[1:])


def test_a_redis_that_hangs_keeps_nobody_from_the_events(
    start: Callable[..., Client], database: Database, own_queue: Queue
) -> None:
    client = start(**own_queue.settings)
    client.grant(1)
    eventually(lambda: cursor(database) == all_ids(database))
    call: Any = client.stub.WatchEvents(credit_pb2.WatchEventsRequest(), timeout=_TIMEOUT_S)
    call.initial_metadata()
    os.killpg(own_queue.server.pid, signal.SIGSTOP)
    try:
        # Given a publisher that waits for Redis, in the middle of its transaction
        client.grant(2)
        eventually(lambda: database.one(_IDLE_IN_TRANSACTION) == 1)
        # Then streams go on
        client.grant(3)
        amounts = [next(call).event.amount for _ in range(2)]
        assert amounts == [2, 3]
        assert database.one(_IDLE_IN_TRANSACTION) == 1, "it still waits"
    finally:
        os.killpg(own_queue.server.pid, signal.SIGCONT)
        call.cancel()
    own_queue.holds(all_ids(database))


_IDLE_IN_TRANSACTION = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'credit_service' AND state = 'idle in transaction'
        AND state_change < clock_timestamp() - interval '300 ms'
"""


def test_the_stream_keeps_about_as_many_events_as_it_is_told(
    start: Callable[..., Client], database: Database, queue: Queue
) -> None:
    client = start(**queue.settings, credit_event_stream_max_length=1_000)
    client.call("Execute", operations=grants(20, 3_000))
    ids = all_ids(database)
    eventually(lambda: cursor(database) == ids[-1:])
    kept = queue.ids()
    assert 1_000 <= len(kept) < 1_500
    assert kept == ids[-len(kept) :]


def test_a_stream_of_another_database_is_not_taken_for_ours(
    start: Callable[..., Client], database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis refuses every id that is not greater than its last one: nothing must count as published then."""
    warnings: list[str] = []
    monkeypatch.setattr(publisher.log, "warning", lambda _, **fields: warnings.append(fields["error"]))
    # Given a stream with ids that are far ahead of this database's
    queue.ask("XADD", queue.stream, f"{2**62}-1", "event", b"")
    client = start(**queue.settings)
    client.grant(1)
    [event_id] = all_ids(database)
    eventually(lambda: warnings)
    assert f"refuses {event_id} and does not have it" in warnings[0]
    assert cursor(database) == []
    # When it is removed, then everything is published
    queue.ask("DEL", queue.stream)
    queue.holds([event_id])


def test_a_name_that_is_no_stream_loses_nothing(
    start: Callable[..., Client], database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(publisher.log, "warning", lambda _, **fields: warnings.append(fields["error"]))
    queue.ask("SET", queue.stream, "text")
    start(**queue.settings).grant(1)
    eventually(lambda: warnings)
    assert "WRONGTYPE" in warnings[0]
    queue.ask("DEL", queue.stream)
    queue.holds(all_ids(database))


def test_a_redis_that_is_full_loses_nothing(
    start: Callable[..., Client], database: Database, own_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(publisher.log, "warning", lambda _, **fields: warnings.append(fields["error"]))
    own_queue.ask("CONFIG", "SET", "maxmemory", "1")
    client = start(**own_queue.settings)
    client.call("Execute", operations=grants(3, 700))
    eventually(lambda: warnings)
    assert "OutOfMemory" in warnings[0]
    assert cursor(database) == []
    own_queue.ask("CONFIG", "SET", "maxmemory", "0")
    own_queue.holds(all_ids(database))
