"""Reading ahead: bounded, off the event loop, and done with the file before it is closed."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import datetime

import pytest

from chat_service.imports.rows import ReadAhead
from chat_service.imports.tally import MAX_NAME_CHARS, Tally
from chat_service.parsers import MessageBatch, ParsedMessage

NOON = datetime(2024, 3, 1, 12)  # noqa: DTZ001  # exports have no zone


async def test_batches_come_in_order_and_empty_ones_are_passed_over() -> None:
    batches = [b"one", b"", b"two", b""]

    async with ReadAhead(iter(batches)) as rows:
        assert [batch async for batch in rows] == [b"one", b"two"]


async def test_at_most_one_batch_is_made_ahead() -> None:
    made: list[int] = []

    def batches() -> Iterator[bytes]:
        for number in range(20):
            made.append(number)
            yield b"rows"

    async with ReadAhead(batches()) as rows:
        taken = 0
        async for _ in rows:
            taken += 1
            assert len(made) <= taken + 1
    assert taken == 20


async def test_batches_are_made_in_another_thread() -> None:
    threads = set()

    def batches() -> Iterator[bytes]:
        threads.add(threading.current_thread())
        yield b"one"

    async with ReadAhead(batches()) as rows:
        async for _ in rows:
            pass
    assert threading.current_thread() not in threads


async def test_an_error_in_the_thread_reaches_who_takes_the_rows() -> None:
    def batches() -> Iterator[bytes]:
        yield b"one"
        raise ValueError("line 2")

    async with ReadAhead(batches()) as rows:
        taking = aiter(rows)
        assert await anext(taking) == b"one"
        with pytest.raises(ValueError, match="line 2"):
            await anext(taking)


async def test_leaving_early_waits_until_the_thread_is_done_with_the_file() -> None:
    entered, go_on, left = threading.Event(), threading.Event(), []

    def batches() -> Iterator[bytes]:
        yield b"one"
        entered.set()
        go_on.wait(10)
        left.append(True)
        yield b"two"

    async def leave_early() -> None:
        async with ReadAhead(batches()) as rows:
            async for _ in rows:
                await asyncio.to_thread(entered.wait, 10)
                asyncio.get_running_loop().call_later(0.01, go_on.set)
                raise LookupError

    with pytest.raises(LookupError):
        await leave_early()
    assert left == [True]


def test_names_are_cut_before_they_fill_an_answer() -> None:
    tally = Tally()
    tally.add(MessageBatch.of(ParsedMessage(letter * 30_000, NOON, "hi") for letter in "abc"))

    shown = tally.participants()

    assert tally.participant_count == 3
    assert [name[0] for name, _ in shown] == ["a", "b"]
    assert sum(len(name) for name, _ in shown) <= MAX_NAME_CHARS


def test_a_tally_of_system_lines_alone_has_no_participants() -> None:
    tally = Tally()
    tally.add(MessageBatch.of([]))
    tally.add(MessageBatch.of([ParsedMessage(None, NOON, "Anna left")]))

    assert (tally.participants(), tally.participant_count, tally.message_count) == ([], 0, 1)
    assert (tally.first, tally.last) == (NOON, NOON)
