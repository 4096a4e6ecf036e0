"""Lists: newest first, never a row twice or missing while rows are added, tokens safe from tampering."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.credit.v1 import credit_pb2
from tests.credit_service.client import Client, refused
from tests.credit_service.database import Database

RESERVED = credit_pb2.RESERVATION_STATE_RESERVED
CHARGED = credit_pb2.RESERVATION_STATE_CHARGED
RELEASED = credit_pb2.RESERVATION_STATE_RELEASED
EXPIRED = credit_pb2.RESERVATION_STATE_EXPIRED
REFUSED = credit_pb2.RESERVATION_STATE_REFUSED
LISTS = {"ListTransactions": "transactions", "ListReservations": "reservations"}


def pages(
    client: Client, method: str, between: Callable[[], object] = lambda: None, **fields: Any
) -> Iterator[list[Any]]:
    """Go through all pages, doing something between two of them."""
    token = ""
    while True:
        answer = client.call(method, user_id="ana", page_token=token, **fields)
        yield list(getattr(answer, LISTS[method]))
        token = answer.next_page_token
        if not token:
            return
        between()


def rows(client: Client, method: str, **fields: Any) -> list[Any]:
    """Answer the rows of all pages."""
    return [row for page in pages(client, method, **fields) for row in page]


@pytest.fixture
def busy(client: Client) -> Client:
    """Twelve grants and twelve reservations."""
    for coins in range(1, 13):
        client.grant(coins)
        client.reserve(coins)
    return client


@pytest.mark.parametrize("method", LISTS)
def test_pages_are_newest_first_and_full(busy: Client, method: str) -> None:
    listed = list(pages(busy, method, page_size=5))
    assert [len(page) for page in listed] == [5, 5, 2]
    assert [row.amount for page in listed for row in page] == list(range(12, 0, -1))


@pytest.mark.parametrize("method", LISTS)
@pytest.mark.parametrize("size", [1, 4, 6, 12, 13, 1_000, 5_000])
def test_no_page_size_loses_or_repeats_a_row(busy: Client, method: str, size: int) -> None:
    assert [row.amount for row in rows(busy, method, page_size=size)] == list(range(12, 0, -1))


@pytest.mark.parametrize("method", LISTS)
def test_rows_added_between_two_pages_neither_skip_nor_repeat(busy: Client, method: str) -> None:
    def add() -> None:
        busy.grant(100)
        busy.reserve(50)

    listed = [row.amount for page in pages(busy, method, add, page_size=3) for row in page]
    assert listed == list(range(12, 0, -1))


def test_a_reservation_that_changes_between_two_pages_is_seen_once(busy: Client, database: Database) -> None:
    newest = rows(busy, "ListReservations")[0].reservation_id
    oldest = rows(busy, "ListReservations")[-1].reservation_id
    seen = [
        row.reservation_id
        for page in pages(
            busy, "ListReservations", lambda: (busy.release(newest), busy.release(oldest)), page_size=5
        )
        for row in page
    ]
    assert len(seen) == len(set(seen)) == 12


def test_fifty_rows_are_a_page_unless_told_and_a_thousand_at_most(client: Client, database: Database) -> None:
    client.grant(10**6)
    database.run(
        "INSERT INTO reservations SELECT gen_random_uuid(), 'ana', n, 1, 'REFUSED', now(), now(), 0, NULL,"
        " '', '', '', '', '{}', NULL FROM generate_series(1, 1100) AS n"
    )
    database.run("UPDATE accounts SET reservation_count = 1100")
    sizes = {0: 50, 1_000: 1_000, 1_001: 1_000}
    for asked, given in sizes.items():
        answer = client.call("ListReservations", user_id="ana", page_size=asked)
        assert len(answer.reservations) == given


def test_a_page_of_the_largest_rows_fits_into_a_message_and_none_is_lost(
    client: Client, database: Database
) -> None:
    # Given reservations and charges as large as they can be
    client.grant(100)
    metadata = {"😀" * 62 + f"{number:02}": "😀" * 512 for number in range(32)}
    for _ in range(2):
        made = client.reserve(1, metadata=metadata, description="😀" * 1_024).reservation
        client.charge(made.reservation_id)
    # When there are 40 of each
    database.run(
        """
        INSERT INTO reservations SELECT gen_random_uuid(), user_id, number + 2 * n, amount, 'RELEASED',
            expire_time, create_time, 0, create_time, repeat('😀', 1024), '', '', description, metadata, NULL
        FROM reservations, generate_series(1, 19) AS n
        """
    )
    database.run("UPDATE accounts SET reservation_count = 40")
    # Then their pages are short, none is empty, and together they have every row
    for method in LISTS:
        listed = list(pages(client, method, page_size=1_000))
        assert all(sum(row.ByteSize() for row in page) <= 1 << 20 for page in listed)
        amounts = [row.amount for page in listed for row in page]
        assert amounts == ([1] * 40 if method == "ListReservations" else [-1, -1, 100])
    reservations = list(pages(client, "ListReservations", page_size=1_000))
    assert len(reservations) > 1
    assert len({row.reservation_id for page in reservations for row in page}) == 40
    assert all(len(page) == len(reservations[0]) for page in reservations[:-1])


def test_the_state_filter_knows_the_state_of_now(client: Client, database: Database) -> None:
    client.grant(100)
    ids = {name: client.reserved(1) for name in ("held", "charged", "released", "swept", "due")}
    client.charge(ids["charged"])
    client.release(ids["released"])
    database.let_expire([ids["swept"]])
    refused("INSUFFICIENT_CREDITS", lambda: client.reserve(1_000))
    database.let_expire([ids["due"]])
    [refusal] = rows(client, "ListReservations", states=[REFUSED])
    names = {reservation_id: name for name, reservation_id in ids.items()} | {
        refusal.reservation_id: "refused"
    }

    def named(*states: int) -> list[str]:
        found = rows(client, "ListReservations", states=states, page_size=1)
        assert all(row.state in states for row in found) or not states
        return [names[row.reservation_id] for row in found]

    assert named(RESERVED) == ["held"]
    assert named(EXPIRED) == ["due", "swept"]
    assert named(CHARGED) == ["charged"]
    assert named(RELEASED) == ["released"]
    assert named(RESERVED, EXPIRED) == ["due", "swept", "held"]
    assert named(CHARGED, REFUSED, CHARGED) == ["refused", "charged"]
    assert named() == ["refused", "due", "swept", "released", "charged", "held"]


def test_transactions_are_filtered_by_type_and_time(client: Client) -> None:
    made = [
        client.grant(5, type=credit_pb2.TRANSACTION_TYPE_BONUS).transaction,
        client.grant(6).transaction,
        client.charge(client.reserved(2)).transaction,
        client.grant(7, type=credit_pb2.TRANSACTION_TYPE_BONUS).transaction,
    ]

    def amounts(**fields: Any) -> list[int]:
        return [row.amount for row in rows(client, "ListTransactions", page_size=1, **fields)]

    assert amounts(types=[credit_pb2.TRANSACTION_TYPE_BONUS]) == [7, 5]
    unlock = credit_pb2.TRANSACTION_TYPE_INSIGHT_UNLOCK
    assert amounts(types=[unlock, credit_pb2.TRANSACTION_TYPE_PURCHASE]) == [-2, 6]
    assert amounts(types=[credit_pb2.TRANSACTION_TYPE_CHARGEBACK]) == []
    second, third = made[1].create_time, made[2].create_time
    assert amounts(from_time=second) == [7, -2, 6], "from is included"
    assert amounts(to_time=third) == [6, 5], "to is not"
    assert amounts(from_time=second, to_time=third) == [6]
    assert amounts(from_time=Timestamp(seconds=4_000_000_000)) == []


@pytest.mark.parametrize("method", LISTS)
def test_another_user_sees_none_of_it(busy: Client, method: str) -> None:
    busy.grant(1, "ben")
    answer = busy.call(method, user_id="ben")
    assert all(row.user_id == "ben" for row in getattr(answer, LISTS[method]))


@pytest.mark.parametrize("method", LISTS)
def test_an_altered_token_is_refused(busy: Client, method: str) -> None:
    token = busy.call(method, user_id="ana", page_size=5).next_page_token
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    for index in range(len(raw)):
        altered = bytearray(raw)
        altered[index] ^= 1
        text = base64.urlsafe_b64encode(bytes(altered)).decode().rstrip("=")
        error = refused("INVALID_FIELD", lambda: busy.call(method, user_id="ana", page_token=text))  # noqa: B023
        assert error.metadata == {"field": "page_token"}


@pytest.mark.parametrize("method", LISTS)
def test_a_token_belongs_to_its_query(busy: Client, method: str) -> None:
    busy.grant(1, "ben")
    token = busy.call(method, user_id="ana", page_size=5).next_page_token
    other = "ListReservations" if method == "ListTransactions" else "ListTransactions"
    filtered = {"states": [RESERVED]} if method == "ListReservations" else {"types": [1]}
    for call in (
        lambda: busy.call(method, user_id="ben", page_token=token),
        lambda: busy.call(other, user_id="ana", page_token=token),
        lambda: busy.call(method, user_id="ana", page_token=token, **filtered),
    ):
        assert refused("INVALID_FIELD", call).metadata == {"field": "page_token"}
    assert busy.call(method, user_id="ana", page_size=2, page_token=token), "another size is the same query"
