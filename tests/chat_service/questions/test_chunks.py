"""A chat is cut into pieces of one conversation, the same ones wherever an indexer starts again."""

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from chat_service.search.chunks import MAX_CHARS, MAX_MESSAGES, Chunk, Line, cut
from chat_service.search.pieces import MESSAGES, piece_of

START = datetime(2024, 6, 1, 12, 0)  # noqa: DTZ001  # local


def lines(bodies: list[str], minutes: list[int] | None = None) -> list[Line]:
    """Messages of two people in turn, a minute apart unless said otherwise."""
    at = START
    made = []
    for index, body in enumerate(bodies):
        at += timedelta(minutes=minutes[index] if minutes else 1)
        made.append(Line(index + 1, "Anna" if index % 2 else "Ben", at, body))
    return made


def test_a_pause_ends_a_conversation() -> None:
    chunks = list(cut(lines(["one", "two", "three"], [0, 30, 31])))
    assert [(chunk.first_position, chunk.last_position) for chunk in chunks] == [(1, 2), (3, 3)]


def test_a_chunk_says_who_wrote_in_it_and_when() -> None:
    (chunk,) = cut(lines(["hello there", "ok", "how are you?"]))
    assert chunk.authors == ("Ben", "Anna")
    assert chunk.words == "hello there\nok\nhow are you?"
    assert (chunk.first_local_time, chunk.last_local_time) == (
        START + timedelta(minutes=1),
        START + timedelta(minutes=3),
    )
    # then what means nothing alone has no vector of its own
    assert chunk.texts == ("hello there", "how are you?")


def test_two_characters_of_a_script_without_an_alphabet_mean_something() -> None:
    (chunk,) = cut(lines(["好的", "ok"]))
    assert chunk.texts == ("好的",)


def test_a_long_message_becomes_several_chunks_and_loses_nothing() -> None:
    long = "".join(f"word{number} " for number in range(400))
    chunks = list(cut(lines(["before", long, "after"])))
    parts = [chunk for chunk in chunks if chunk.first_position == 2]
    assert "".join(chunk.words for chunk in parts) == long
    assert [chunk.part for chunk in parts] == list(range(len(parts)))
    assert len(chunks) == len(parts) + 2


_bodies = st.lists(st.sampled_from(["ok", "a sentence of some words", "x" * 250, "y" * 1_500]), max_size=60)


@settings(max_examples=60)
@given(_bodies, st.data())
def test_every_message_is_in_a_chunk_and_no_text_is_longer_than_a_chunk(
    bodies: list[str], data: st.DataObject
) -> None:
    minutes = data.draw(st.lists(st.sampled_from([0, 1, 45]), min_size=len(bodies), max_size=len(bodies)))
    chunks = list(cut(lines(bodies, minutes)))
    covered = [p for c in chunks if c.part == 0 for p in range(c.first_position, c.last_position + 1)]
    assert covered == list(range(1, len(bodies) + 1))
    assert all(len(text) <= MAX_CHARS for chunk in chunks for text in chunk.texts)
    assert all(chunk.last_position - chunk.first_position < MAX_MESSAGES for chunk in chunks)


@settings(max_examples=60)
@given(_bodies.filter(bool), st.integers(MAX_MESSAGES + 1, 20))
def test_pieces_make_the_same_chunks_as_the_whole_chat(bodies: list[str], size: int) -> None:
    # given pieces of a few messages, each of which begins where the last one said
    chat = lines(bodies)
    made: list[Chunk] = []
    position = 1
    while position <= len(chat):
        piece = piece_of(chat[position - 1 : position - 1 + size], len(chat))
        assert piece.next_position > position
        made += piece.chunks
        position = piece.next_position
    # then together they are what one pass makes
    assert made == list(cut(chat))
    assert MESSAGES > MAX_MESSAGES


def test_a_message_that_fills_a_piece_alone_moves_the_index_on() -> None:
    chat = lines(["z" * 2_000, "after"])
    piece = piece_of(chat[:1], len(chat))
    assert piece.next_position == 2
    assert len(piece.chunks) == 4
