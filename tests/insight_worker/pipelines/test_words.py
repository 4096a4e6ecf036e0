"""Words, catchphrases and emoji."""

from collections import Counter

import pytest

from insight_worker.pipelines.chat_insights import emoji_use, phrases, words_and_catchphrases
from insight_worker.pipelines.chat_insights.languages import shares, spoken_languages
from insight_worker.pipelines.chat_insights.phrases import BoundedCounter, TermCounts
from insight_worker.pipelines.chat_insights.tokens import Vocabulary, split_words

from .talk import digest_of, made, row

SAMPLES = {
    "en": "hey are you coming over tonight? i think we should get some "
    "pizza and then watch the movie you told me about",
    "de": "hey kommst du heute abend vorbei? ich glaube wir sollten "
    "pizza holen und dann den film schauen von dem du sprachst",
    "es": "hola vienes esta noche? creo que deberíamos pedir una pizza "
    "y luego ver la película de la que me hablaste",
    "fr": "salut tu viens ce soir? je pense qu'on devrait prendre une "
    "pizza et puis regarder le film dont tu m'as parlé",
    "pt": "oi você vem hoje à noite? acho que a gente devia pedir uma "
    "pizza e depois ver o filme que você me falou",
    "it": "ciao vieni stasera? penso che dovremmo prendere una pizza e "
    "poi guardare il film di cui mi hai parlato",
    "nl": "hoi kom je vanavond langs? ik denk dat we pizza moeten "
    "halen en dan de film kijken waar je me over vertelde",
}


def _languages(text: str) -> list[tuple[str, float]]:
    vocabulary = Vocabulary()
    counts = Counter(vocabulary[word] for word in split_words(text))
    return shares(counts, ["", *vocabulary])


def test_the_variation_selector_of_an_emoji_is_no_word() -> None:
    assert split_words("Ich ❤\ufe0f dich, हिन्दी") == ["ich", "dich", "हिन्दी"]


@pytest.mark.parametrize("language", SAMPLES)
def test_the_language_is_guessed_from_stop_words(language: str) -> None:
    assert _languages(f"{SAMPLES[language]} " * 3)[0][0] == language


def test_two_languages_in_one_chat_are_both_found() -> None:
    found = _languages(f"{SAMPLES['en']} {SAMPLES['de']} " * 3)
    assert {language for language, _ in found} == {"en", "de"}


def test_too_few_stop_words_have_no_language() -> None:
    assert spoken_languages(digest_of("2024-01-01 10:00 Ann: the and of")) == []


def test_top_words_leave_out_stop_words_laughter_and_numbers() -> None:
    lines = "\n".join(f"2024-01-01 10:{n:02d} Ann: the pizza was haha 42 and hot" for n in range(5))
    data, _ = made(words_and_catchphrases.INSIGHT, lines)
    assert [word["text"] for word in data["top_words"]] == ["hot", "pizza"]
    assert data["top_words"][0]["count"] == 5


def test_phrases_are_counted_within_messages_only() -> None:
    # Given "pizza oven" five times, and "oven pizza" only across messages
    lines = "\n".join(f"2024-01-01 10:{n:02d} Ann: pizza oven" for n in range(5))
    data, _ = made(words_and_catchphrases.INSIGHT, lines)
    assert data["top_bigrams"] == [{"text": "pizza oven", "count": 5}]
    assert data["top_trigrams"] == []


def test_a_catchphrase_is_what_one_says_and_the_others_do_not() -> None:
    # Given Bob who says "holy guacamole" in every message, and words that both use alike
    lines = []
    for n in range(40):
        lines.append(
            f"2024-01-01 10:{n:02d}:00 Ann: dinner at the harbour tonight number {'abcdefgh'[n % 8]}"
        )
        lines.append(f"2024-01-01 10:{n:02d}:30 Bob: holy guacamole dinner at the harbour tonight")
    data, said = made(words_and_catchphrases.INSIGHT, "\n".join(lines))
    bob = [phrase["text"] for phrase in row(data, "Bob")["catchphrases"]]
    assert any("holy guacamole" in phrase for phrase in bob)
    # And single words inside the phrase are not repeated
    assert "holy" not in bob
    assert "harbour" not in bob
    assert "Typical of Bob" in said
    assert "guacamole" not in {word["text"] for word in row(data, "Ann")["top_words"]}


def test_one_author_alone_has_no_catchphrases() -> None:
    lines = "\n".join(f"2024-01-01 10:{n:02d} Ann: holy guacamole" for n in range(20))
    data, _ = made(words_and_catchphrases.INSIGHT, lines)
    assert row(data, "Ann")["catchphrases"] == []


def test_phrases_across_the_pieces_of_a_long_stream_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given the same words counted in one piece and in pieces of three
    lines = "\n".join(f"2024-01-01 10:{n:02d} Ann: one two three four" for n in range(9))
    digest = digest_of(lines)
    whole = TermCounts.of(digest).total
    monkeypatch.setattr(phrases, "CHUNK_WORDS", 3)
    pieces = TermCounts.of(digest).total
    assert pieces == whole
    assert sorted(whole.values()) == [9] * (4 + 3 + 2)


def test_a_bounded_counter_forgets_the_rarest_first() -> None:
    counter = BoundedCounter(bound=2)
    counter.add([1, 1, 1, 2, 2, 3])
    assert counter.counts == {1: 3, 2: 2}


def test_terms_and_words_are_two_forms_of_the_same() -> None:
    counts = TermCounts(1_000, Counter(), [], [], 0)
    for words in ((7,), (1, 999), (3, 2, 1)):
        assert counts.words(counts.term(words)) == words


def test_emoji_are_counted_by_author_with_their_exclusive_ones() -> None:
    data, said = made(
        emoji_use.INSIGHT,
        """
        2024-01-01 10:00 Ann: 😂😂 ❤️
        2024-01-01 10:01 Ann: 🦄
        2024-01-01 10:02 Ann: 🦄🦄
        2024-01-01 10:03 Bob: 😂
        2024-01-01 10:04 Bob: none
        """,
    )
    ann, bob = row(data, "Ann"), row(data, "Bob")
    assert (ann["count"], ann["per_100_messages"], ann["distinct"]) == (6, 200.0, 3)
    assert (bob["count"], bob["per_100_messages"], bob["diversity"]) == (1, 50.0, 0.0)
    assert ann["exclusive"] == [{"emoji": "🦄", "count": 3}]
    assert bob["exclusive"] == []
    assert data["emoji_count"] == 7
    assert sorted(data["chart"]["series"][0]["values"]) == [1, 3, 3]
    assert "🦄 is Ann's" in said


def test_a_chat_without_emoji_says_so() -> None:
    data, said = made(emoji_use.INSIGHT, "2024-01-01 10:00 Ann: none")
    assert data["emoji_count"] == 0
    assert "not one emoji" in said


def test_who_uses_emoji_most_is_named_when_the_lead_is_clear() -> None:
    lines = [f"2024-01-02 10:{n:02d} Ann: x 😂\n2024-01-02 10:{n:02d} Bob: x" for n in range(20)]
    _, said = made(emoji_use.INSIGHT, "\n".join(lines))
    assert "Ann uses them most: 100 in every hundred messages." in said


def test_catchphrases_do_not_repeat_each_other() -> None:
    said = ("Ann: walking home slowly", "Bob: the trumpet man plays")
    lines = [f"2024-01-02 {n // 60:02d}:{n % 60:02d} {said[n % 2]}" for n in range(600)]
    lines += [f"2024-01-02 12:{n:02d} Bob: what a lovely morning" for n in range(60)]
    data, _ = made(words_and_catchphrases.INSIGHT, "\n".join(lines))
    phrases_of_bob = [set(phrase["text"].split()) for phrase in row(data, "Bob")["catchphrases"]]
    assert len(phrases_of_bob) > 1
    for place, words in enumerate(phrases_of_bob):
        assert all(2 * len(words & other) < len(words) for other in phrases_of_bob[:place])
