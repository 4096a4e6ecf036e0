"""EraseAccount: an account goes on under a pseudonym, without its user's words, and the books are right."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import psycopg2
import pytest
import redis

from credit_service.erasure import FORGOTTEN, RENAMED, pseudonym_of, rename_rows
from credit_service.publisher import LOCK_KEY
from protos.credit.v1 import credit_pb2
from servicekit.embedded import EmbeddedRedis
from tests.credit_service.client import Client, at_once, new_id, refused
from tests.credit_service.database import Database
from tests.eventually import eventually, eventually_async

Start = Callable[..., Client]

#: Words that somebody may have written, each in another field.
_WORDS = ("zoe-the-user", "refund for Zoe", "zoe@example.org", "order of Zoe", "because of Zoe")


def erase(client: Client, user_id: str = "zoe-the-user", **fields: Any) -> credit_pb2.Account:
    """Erase an account; without a request_id it is a new erasure."""
    answer = client.call("EraseAccount", user_id=user_id, **{"request_id": new_id(), **fields})
    account: credit_pb2.Account = answer.account
    return account


def busy_account(client: Client, user_id: str = "zoe-the-user") -> dict[str, str]:
    """An account of 500 coins with history of every kind; answers its reservations by their state."""
    client.grant(500, user_id, description="refund for Zoe", metadata={"mail": "zoe@example.org"})
    made = {}
    for name in ("charged", "released", "held"):
        words: dict[str, Any] = {
            "reference_type": "job",
            "reference_id": "order of Zoe",
            "description": "refund for Zoe",
        }
        made[name] = client.reserve(100, user_id, **words).reservation.reservation_id
    client.charge(made["charged"], amount=40, metadata={"mail": "zoe@example.org"})
    client.release(made["released"], reason="because of Zoe")
    refused("INSUFFICIENT_CREDITS", lambda: client.reserve(9_999, user_id, description="zoe@example.org"))
    return made


def dump(database: Database) -> str:
    """Answer every row of every table as text."""
    tables = database.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = {name: database.run(f'SELECT to_jsonb(t) FROM "{name}" AS t') for (name,) in tables}
    return json.dumps(rows)


def verified(client: Client, user_id: str | None = None) -> int:
    """Verify the books, which must be right, and answer how many accounts were checked."""
    answer = client.call("VerifyLedger", user_id=user_id)
    assert list(answer.findings) == []
    return int(answer.accounts_checked)


def test_the_account_goes_on_closed_under_the_pseudonym_with_every_amount(
    client: Client, database: Database
) -> None:
    busy_account(client)
    listed = client.call("ListTransactions", user_id="zoe-the-user").transactions
    request_id = new_id()

    account = erase(client, request_id=request_id)

    assert account.user_id == f"erased-{request_id}"
    assert (account.balance, account.reserved) == (460, 0)
    assert account.HasField("close_time")
    kept = client.call("ListTransactions", user_id=account.user_id).transactions
    amounts = [(row.transaction_id, row.amount, row.balance_after, row.create_time) for row in listed]
    assert [(row.transaction_id, row.amount, row.balance_after, row.create_time) for row in kept] == amounts
    assert verified(client) == 1
    assert verified(client, account.user_id) == 1


def test_no_word_and_no_id_of_the_user_is_left_in_any_table(client: Client, database: Database) -> None:
    busy_account(client)
    client.grant(1, "yan", description="not about her")
    # given some of it in the archive
    database.run(
        "INSERT INTO archived_reservations SELECT * FROM reservations WHERE state = 'RELEASED';"
        "DELETE FROM reservations WHERE state = 'RELEASED';"
        "INSERT INTO archived_requests SELECT * FROM requests WHERE operation = 'RESERVE';"
        "DELETE FROM requests WHERE operation = 'RESERVE'"
    )
    assert all(words in dump(database) for words in _WORDS)

    erase(client)

    left = dump(database)
    assert [words for words in _WORDS if words in left] == []
    assert "not about her" in left
    assert verified(client) == 2


def test_every_table_that_names_a_user_is_erased(database: Database) -> None:
    """A table that is added later has to say what becomes of its rows."""
    named = database.run(
        "SELECT table_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'user_id'"
    )
    assert {name for (name,) in named} == {*RENAMED, *FORGOTTEN}


def test_references_that_are_ids_stay_for_the_accounts(client: Client) -> None:
    client.grant(10, "zoe-the-user")
    job_id = new_id()
    made = client.reserve(5, "zoe-the-user", reference_type="job", reference_id=job_id).reservation

    erase(client)

    reservation = client.reservation(made.reservation_id)
    assert (reservation.reference_type, reservation.reference_id) == ("job", job_id)
    assert reservation.release_reason == "account_closed"


def test_the_coins_left_are_recorded_as_forfeited_and_stay_in_the_books(
    client: Client, database: Database
) -> None:
    busy_account(client)

    account = erase(client)

    assert database.run("SELECT pseudonym, forfeited FROM erased_accounts") == [(account.user_id, 460)]
    assert client.account(account.user_id).balance == 460


def test_a_repeated_erasure_answers_the_same_and_leaves_the_new_account_alone(client: Client) -> None:
    busy_account(client)
    request_id = new_id()
    first = erase(client, request_id=request_id)
    client.grant(7, "zoe-the-user")

    again = erase(client, request_id=request_id)

    assert again == first
    # and it is open still
    client.reserve(7, "zoe-the-user")
    assert client.coins("zoe-the-user") == (7, 7, 0)
    assert verified(client) == 2


def test_the_user_id_stands_for_a_new_account_whose_request_ids_are_fresh(client: Client) -> None:
    request_id = new_id()
    client.grant(50, "zoe-the-user", request_id=request_id)
    erase(client)
    refused("ACCOUNT_NOT_FOUND", lambda: client.account("zoe-the-user"))

    client.grant(20, "zoe-the-user", request_id=request_id)

    assert client.coins("zoe-the-user") == (20, 0, 20)
    assert len(client.call("ListTransactions", user_id="zoe-the-user").transactions) == 1


def test_late_calls_about_a_reservation_find_it_under_its_new_owner(client: Client, start: Start) -> None:
    # given two copies of the service that both know whose the reservations are
    other = start(credit_sweep_interval_s=0)
    made = busy_account(client)
    for one in (client, other):
        refused("RESERVATION_ALREADY_RELEASED", partial(one.charge, made["released"]))
        one.extend(made["held"], 60.0)

    account = erase(client)
    client.grant(1_000, "zoe-the-user")

    for one in (client, other):
        assert one.release(made["held"]).account.user_id == account.user_id
        refused("RESERVATION_ALREADY_RELEASED", partial(one.charge, made["held"]))
        assert one.charge(made["charged"], amount=40).account.user_id == account.user_id
    assert client.coins("zoe-the-user") == (1_000, 0, 1_000)


def test_a_batch_finds_them_too(client: Client) -> None:
    made = busy_account(client)
    erase(client)

    release = credit_pb2.ReleaseRequest(reservation_id=made["held"])
    [result] = client.execute(credit_pb2.Operation(release=release))

    assert result.WhichOneof("result") == "release"


def test_after_a_crash_between_closing_and_renaming_the_same_call_goes_on(
    client: Client, database: Database
) -> None:
    busy_account(client)
    request_id = new_id()
    # given what the first of the two commits leaves
    client.close("zoe-the-user", request_id=request_id)

    account = erase(client, request_id=request_id)

    assert account.user_id == pseudonym_of(UUID(request_id))
    assert "zoe-the-user" not in dump(database)


def test_an_account_that_an_operator_has_closed_can_be_erased(client: Client, database: Database) -> None:
    client.grant(5, "zoe-the-user")
    client.close("zoe-the-user")

    assert erase(client).balance == 5

    assert "zoe-the-user" not in dump(database)


def test_the_erasure_of_a_user_without_an_account_is_remembered_too(client: Client) -> None:
    request_id = new_id()
    first = erase(client, request_id=request_id)
    # given a new account, and a call that was held up
    client.grant(7, "zoe-the-user")

    again = erase(client, request_id=request_id)

    assert first == again
    assert (first.user_id, first.balance) == (f"erased-{request_id}", 0)
    client.reserve(7, "zoe-the-user")
    refused("ACCOUNT_NOT_FOUND", lambda: client.account(first.user_id))
    refused("ACCOUNT_CLOSED", lambda: client.grant(1, first.user_id))
    verified(client)


def test_ten_erasures_of_a_user_without_an_account_at_once_are_one(
    client: Client, database: Database
) -> None:
    request_id = new_id()

    accounts = at_once([lambda: erase(client, request_id=request_id)] * 10)

    assert {getattr(account, "user_id", account) for account in accounts} == {f"erased-{request_id}"}
    assert database.one("SELECT count(*) FROM accounts") == 1


def test_what_a_first_grant_that_failed_has_left_is_erased(client: Client, database: Database) -> None:
    database.run("INSERT INTO accounts (user_id) VALUES ('zoe-the-user')")

    assert erase(client).balance == 0

    assert "zoe-the-user" not in dump(database)


def test_ten_erasures_at_once_under_one_id_do_it_once(client: Client, database: Database) -> None:
    busy_account(client)
    request_id = new_id()

    accounts = at_once([lambda: erase(client, request_id=request_id)] * 10)

    assert {getattr(account, "user_id", account) for account in accounts} == {f"erased-{request_id}"}
    assert database.one("SELECT count(*) FROM erased_accounts") == 1


def test_who_comes_second_waits_and_finds_the_pseudonym(
    client: Client, database: Database, migrated: str
) -> None:
    busy_account(client)
    client.close("zoe-the-user")

    async def two_at_once() -> tuple[Any, Any]:
        one, two = [await asyncpg.connect(migrated) for _ in range(2)]
        try:
            await one.execute("BEGIN")
            await two.execute("BEGIN")
            first = await rename_rows(one, "zoe-the-user", "erased-x")
            waiting = asyncio.ensure_future(rename_rows(two, "zoe-the-user", "erased-x"))
            await eventually_async(lambda: locks_waited_for(database))
            await one.execute("COMMIT")
            second = await waiting
            await two.execute("COMMIT")
            return first, second
        finally:
            await one.close()
            await two.close()

    first, second = asyncio.run(two_at_once())

    assert first == (second[0], True)
    assert second[1] is False


async def locks_waited_for(database: Database) -> int:
    return int(database.one("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))


def test_grants_and_reserves_during_an_erasure_are_in_one_account_or_the_other(
    client: Client, database: Database
) -> None:
    busy_account(client)

    answers = at_once(
        [lambda: client.grant(10, "zoe-the-user"), lambda: client.reserve(1, "zoe-the-user")] * 5
        + [lambda: erase(client)]
    )

    granted = sum(isinstance(answer, credit_pb2.GrantResponse) for answer in answers)
    total = database.one("SELECT sum(balance) FROM accounts")
    assert total == 460 + 10 * granted
    verified(client)


@pytest.fixture
def stream(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    redis_server.flush()
    with closing(redis.Redis.from_url(redis_server.url)) as client:
        yield client


def test_the_published_stream_forgets_the_user_when_it_is_told_to(
    start: Start, stream: redis.Redis, redis_server: EmbeddedRedis
) -> None:
    client = start(redis_url=redis_server.url, credit_event_stream="s")
    busy_account(client)
    client.grant(3, "yan")
    eventually(lambda: b"yan" in str(stream.xrange("s")).encode())
    request_id = new_id()

    erase(client, request_id=request_id)
    assert "zoe-the-user" in str(stream.xrange("s"))
    erase(client, request_id=request_id, forget_events=True)

    assert "zoe-the-user" not in str(stream.xrange("s"))
    assert "yan" in str(stream.xrange("s"))


def test_forgetting_events_while_the_publisher_waits_for_redis_is_to_be_repeated(
    start: Start, database: Database, redis_server: EmbeddedRedis, stream: redis.Redis
) -> None:
    client = start(
        redis_url=redis_server.url,
        credit_event_stream="other",
        database_lock_timeout_s=0.05,
        credit_watch_poll_s=60,
    )
    with database.held() as held:
        held.run("SELECT pg_advisory_xact_lock(%s)", LOCK_KEY)
        refused("LOCK_TIMEOUT", lambda: erase(client, forget_events=True))


def test_nobody_can_give_an_account_a_name_by_hand(client: Client, database: Database) -> None:
    busy_account(client)
    account = erase(client)
    client.grant(1, "yan")
    client.close("yan")

    with pytest.raises(psycopg2.errors.RestrictViolation):
        database.run("UPDATE accounts SET user_id = %s WHERE user_id = 'yan'", account.user_id)
