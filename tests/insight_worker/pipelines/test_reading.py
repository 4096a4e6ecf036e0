"""From the stream of messages to the digest."""

from datetime import datetime

import pytest

from insight_worker.pipelines.chat_insights import reader
from insight_worker.pipelines.chat_insights.digest import KINDS
from insight_worker.pipelines.chat_insights.emojis import find_emoji, plain
from insight_worker.pipelines.chat_insights.tokens import Vocabulary, domain_of, split_links, split_words
from insight_worker.pipelines.interface import ChatMessage

from .talk import digest_of, messages


def test_messages_out_of_order_are_sorted_by_time_and_ties_keep_the_order_of_the_file() -> None:
    # Given a file whose clock was set back
    digest = digest_of(
        """
        2024-01-01 10:00 Ann: first
        2024-01-01 09:00 Bob: zero
        2024-01-01 10:00 Bob: second
        """
    )
    # Then the times are sorted, and the two of 10:00 stay as they were
    words = [digest.vocabulary[digest.message_words(index)[0]] for index in range(3)]
    assert words == ["zero", "first", "second"]
    assert list(digest.times) == sorted(digest.times)


def test_authors_are_numbered_by_their_messages_whoever_wrote_first() -> None:
    digest = digest_of(
        """
        2024-01-01 10:00 Zoe: a
        2024-01-01 10:01 Ann: b
        2024-01-01 10:02 Bob: c
        2024-01-01 10:03 Bob: d
        """
    )
    assert digest.names == ["Bob", "Ann", "Zoe"]
    assert digest.counts == [2, 1, 1]
    assert [digest.names[author] for author in digest.authors] == ["Zoe", "Ann", "Bob", "Bob"]


def test_system_lines_are_counted_and_nothing_else() -> None:
    moment = datetime(2024, 1, 1)  # noqa: DTZ001  (local time)
    lines = [
        ChatMessage(1, None, moment, "Ann created the group", "system", False),
        ChatMessage(2, "Family", moment, "Ann changed the icon", "system", False),
        ChatMessage(3, "Ann", moment, "hi", "text", False),
    ]
    digest = reader.read(lines, lambda: None)
    assert (len(digest), digest.system_lines, digest.names) == (1, 2, ["Ann"])


def test_a_caption_is_text_and_a_placeholder_is_not() -> None:
    digest = digest_of(
        """
        2024-01-01 10:00 Ann (image): our new house
        2024-01-01 10:01 Ann (image): <Media omitted>
        2024-01-01 10:02 Ann (video): \u200evideo omitted
        2024-01-01 10:03 Ann (deleted): This message was deleted
        2024-01-01 10:04 Ann (image):
        """
    )
    assert list(digest.word_counts) == [3, 0, 0, 0, 0]


def test_an_unknown_kind_is_other() -> None:
    digest = digest_of("2024-01-01 10:00 Ann (hologram): hi")
    assert digest.kinds[0] == KINDS.index("other")


def test_reading_checks_for_cancellation_while_it_streams() -> None:
    class CancelledError(Exception):
        pass

    def cancel() -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        reader.read(messages("2024-01-01 10:00 Ann: hi"), cancel)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't panic, it's 8 o'clock!", ["don't", "panic", "it's", "8", "o'clock"]),
        ("C’est l’été", ["c'est", "l'été"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("Привет, мир", ["привет", "мир"]),
        ("...!?", []),
        ("snake_case", ["snake", "case"]),
    ],
)
def test_words_are_runs_of_letters_marks_and_digits(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ok", []),
        ("👍🏽👍", ["👍🏽", "👍"]),
        ("family 👨‍👩‍👧 and flags 🇩🇪🇫🇷", ["👨‍👩‍👧", "🇩🇪", "🇫🇷"]),
        ("\u2764 and \u2764\ufe0f are one", ["❤️", "❤️"]),
        ("1️⃣ is an emoji, 1 is not", ["1️⃣"]),
        ("™ ひらがな 〇 ©", []),
        ("❤️🔥 are two, ❤️‍🔥 is one", ["❤️", "🔥", "❤️‍🔥"]),
    ],
)
def test_emoji_are_counted_as_people_see_them(text: str, found: list[str]) -> None:
    assert find_emoji(text) == found


def test_an_emoji_without_its_skin_tone_keeps_its_meaning() -> None:
    assert plain("👍🏽") == "👍"
    assert plain("❤️") == "❤"


def test_links_are_taken_out_of_the_text_and_known_by_their_host() -> None:
    text, links = split_links("look https://user@www.Example.com:8080/a?b#c and www.other.org.")
    assert text.split() == ["look", "and"]
    assert [domain_of(link) for link in links] == ["example.com", "other.org"]


def test_the_vocabulary_has_no_room_for_numbers_and_endless_words() -> None:
    vocabulary = Vocabulary()
    assert [vocabulary[word] for word in ("hi", "2024", "x" * 41, "555", "hi")] == [1, 0, 0, 2, 1]


def test_the_vocabulary_stops_growing_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insight_worker.pipelines.chat_insights.tokens.MAX_VOCABULARY", 2)
    vocabulary = Vocabulary()
    assert [vocabulary[word] for word in ("a", "b", "c", "a")] == [1, 2, 0, 1]


def test_excerpts_follow_their_messages_through_sorting() -> None:
    digest = digest_of(
        """
        2024-01-02 10:00 Ann: the longest of them all
        2024-01-01 10:00 Bob: first
        """
    )
    assert digest.first is not None
    assert digest.longest is not None
    assert (digest.first.index, digest.first.text) == (0, "first")
    assert (digest.longest.index, digest.longest.text) == (1, "the longest of them all")


def test_an_excerpt_is_one_line_of_at_most_two_hundred_characters() -> None:
    digest = digest_of(f"2024-01-01 10:00 Ann: {'word ' * 1_000}")
    assert digest.longest is not None
    assert len(digest.longest.text) == 200
    assert digest.longest.text.endswith("…")
