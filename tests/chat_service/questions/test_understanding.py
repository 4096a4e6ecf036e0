"""What a question limits the search to, and how words and ranks count."""

from datetime import datetime

from chat_service.search.fusion import fuse, rank_chunks
from chat_service.search.understanding import filters_of
from chat_service.search.words import as_tsquery, wanted

FIRST = datetime(2022, 1, 1)  # noqa: DTZ001  # local
LAST = datetime(2023, 12, 31)  # noqa: DTZ001  # local
NOW = datetime(2026, 11, 27)  # noqa: DTZ001  # local
PEOPLE = ["Anna Maria", "Ben", "~ José", "+49 170 1234567"]


def authors(question: str) -> tuple[str, ...]:
    """The authors that a question names."""
    return filters_of(question, PEOPLE, FIRST, LAST, NOW).authors


def test_an_author_counts_beside_a_word_of_saying() -> None:
    assert authors("What did Anna say about cats?") == ("Anna Maria",)
    assert authors("¿Qué dijo Jose?") == ("~ José",)
    assert authors("Was schrieben... was hat Ben geschrieben?") == ("Ben",)
    assert authors("What did Ben and Anna Maria promise?") == ("Anna Maria", "Ben")


def test_a_name_alone_is_what_the_question_is_about() -> None:
    assert authors("What is the name of Anna's cat?") == ()
    assert authors("What did they say about benches?") == ()


def test_a_time_that_the_chat_does_not_reach_is_counted_from_its_last_message() -> None:
    found = filters_of("what did we do last summer", PEOPLE, FIRST, LAST, NOW)
    assert found.from_local_time == datetime(2023, 6, 1)  # noqa: DTZ001  # local
    # and one that it does not have then either is no limit
    assert not filters_of("what did we do in 2031", PEOPLE, FIRST, LAST, NOW).any
    # but a time that it has is taken as it is
    assert filters_of("in 2022", PEOPLE, FIRST, LAST, NOW).to_local_time == LAST.replace(month=1, day=1)


def test_names_and_words_of_asking_are_not_looked_for() -> None:
    assert wanted(["what", "did", "anna", "eat", "wo", "brot"], ["anna", "maria"]) == ["eat", "brot"]
    assert len(wanted((f"word{number}" for number in range(99)), [])) == 16


def test_a_word_finds_its_other_forms_and_cannot_leave_its_quotes() -> None:
    assert as_tsquery("exploded") == "'explod':*"
    assert as_tsquery("cat") == "'cat'"
    assert as_tsquery("o'b\\") == "'o''b\\\\'"


def test_a_chunk_ranks_by_its_best_message_and_others_beside_it_help() -> None:
    assert rank_chunks([(1, 0.5), (2, 0.55), (1, 0.4), (3, 0.5)]) == [1, 2, 3]


def test_what_two_rankings_find_comes_before_what_one_finds() -> None:
    fused = fuse([[7, 8], [9, 8]], 2)
    assert [chunk for chunk, _ in fused] == [8, 7]
    assert fused[0][1] == 1 / 62 + 1 / 62
