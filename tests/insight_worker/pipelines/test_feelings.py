"""Tone, laughter and affection."""

from math import sqrt

import pytest

from insight_worker import lexicons
from insight_worker.pipelines.chat_insights import affection, laughter, sentiment
from insight_worker.pipelines.chat_insights.lexicon import (
    emoji_group,
    emoji_valence,
    feelings,
    laughter_pattern,
)

from .talk import made, row


def _score(total: float) -> float:
    return round(total / sqrt(total * total + 15), 4)


def test_a_message_scores_the_sum_of_its_words_and_emoji() -> None:
    data, _ = made(
        sentiment.INSIGHT,
        """
        2024-01-01 10:00 Ann: i love it 😀
        2024-01-01 10:01 Bob: this is sad
        2024-01-01 10:02 Bob: table and chair
        """,
    )
    assert row(data, "Ann")["mean"] == _score(3 + 2)
    assert row(data, "Bob")["mean"] == _score(-2)
    assert (row(data, "Bob")["scored_messages"], row(data, "Bob")["coverage"]) == (1, 0.5)
    assert (row(data, "Ann")["positive_share"], row(data, "Bob")["negative_share"]) == (1.0, 1.0)
    assert data["scored_messages"] == 2


@pytest.mark.parametrize(
    ("body", "total"),
    [
        ("not happy", -1.0),
        ("not really very happy", -1.0),
        ("not that it was very happy", 2.0),
        ("don't worry", 1.0),
        ("happy, not sad", 2.0 + 1.0),
    ],
)
def test_a_negation_turns_the_next_three_words_into_half_of_their_opposite(body: str, total: float) -> None:
    data, _ = made(sentiment.INSIGHT, f"2024-01-01 10:00 Ann: {body}")
    assert row(data, "Ann")["mean"] == _score(total)


@pytest.mark.parametrize(
    ("language", "talk", "good", "bad"),
    [
        (
            "de",
            "ich bin heute mit dem und der in die von das ist nicht",
            "das ist wunderbar",
            "das ist schrecklich",
        ),
        (
            "es",
            "que de la el en y los se del las un por con no una su para",
            "eres maravillosa",
            "es horrible",
        ),
        (
            "fr",
            "que de la le et les des en un du une est pour qui dans ce il",
            "c'est magnifique",
            "c'est affreux",
        ),
        (
            "pt",
            "que não uma com para você isso mas como mais eu ele ela também",
            "foi perfeito",
            "foi horrível",
        ),
        (
            "it",
            "che non una per sono della con nel anche come più gli alla questo",
            "è stupendo",
            "è orribile",
        ),
        (
            "nl",
            "het een ik je van dat niet zijn op te met voor maar ook nog wel",
            "dat is prachtig",
            "dat is vreselijk",
        ),
    ],
)
def test_each_language_has_its_own_words(language: str, talk: str, good: str, bad: str) -> None:
    lines = [f"2024-01-01 10:{n:02d} Cem: {talk}" for n in range(5)]
    lines += [f"2024-01-01 11:00 Ann: {good}", f"2024-01-01 11:01 Bob: {bad}"]
    data, _ = made(sentiment.INSIGHT, "\n".join(lines))
    assert data["languages"][0] == language
    assert row(data, "Ann")["mean"] > 0
    assert row(data, "Bob")["mean"] < 0


def test_months_with_few_messages_have_no_mean() -> None:
    lines = [f"2024-01-01 10:{n:02d} Ann: happy" for n in range(5)] + ["2024-03-01 10:00 Ann: sad"]
    data, _ = made(sentiment.INSIGHT, "\n".join(lines))
    assert data["chart"]["labels"] == ["2024-01", "2024-02", "2024-03"]
    assert data["chart"]["series"][0]["values"] == [_score(2), None, None]


def test_a_chat_without_words_of_feeling_says_that_the_tone_stays_open() -> None:
    data, said = made(sentiment.INSIGHT, "2024-01-01 10:00 Ann: table")
    assert data["overall_mean"] is None
    assert "the tone stays open" in said


def test_a_laugh_belongs_to_the_last_message_of_somebody_else_within_ten_minutes() -> None:
    data, said = made(
        laughter.INSIGHT,
        """
        2024-01-01 10:00:00 Ann: a joke
        2024-01-01 10:10:00 Bob: hahaha
        2024-01-01 10:11:00 Bob: 😂 still
        2024-01-01 10:30:00 Bob: lol
        2024-01-01 10:31:00 Ann: jajaja
        2024-01-01 10:32:00 Ann: glad you like it
        """,
    )
    assert row(data, "Bob")["laughs"] == 3
    assert row(data, "Bob")["made_others_laugh"] == 1
    assert row(data, "Ann")["made_others_laugh"] == 1
    assert row(data, "Ann")["favourite"] == "jajaja"
    # The order of the labels is Ann, Bob: three messages each, then by name
    assert data["who_laughs_at_whom"] == {"labels": ["Ann", "Bob"], "values": [[0, 1], [1, 0]]}
    assert "4 messages laugh" in said


def test_nobody_makes_anybody_laugh_across_sessions() -> None:
    data, _ = made(laughter.INSIGHT, "2024-01-01 10:00 Ann: a joke\n2024-01-01 16:00 Bob: haha")
    assert row(data, "Ann")["made_others_laugh"] == 0


@pytest.mark.parametrize(
    "word",
    [
        "haha",
        "hahaha",
        "ahahah",
        "hahha",
        "hehe",
        "hihi",
        "jaja",
        "jajajaj",
        "kkk",
        "kkkk",
        "rsrs",
        "www",
        "555",
        "lol",
        "lool",
        "rofl",
        "lmao",
        "mdr",
        "xd",
        "ㅋㅋㅋ",
        "хаха",
        "哈哈",
        "wkwk",
    ],
)
def test_people_laugh_in_many_languages(word: str) -> None:
    assert laughter_pattern().fullmatch(word)


@pytest.mark.parametrize(
    "word", ["ha", "ja", "hi", "he", "ok", "papa", "kk", "rs", "ww", "55", "aha", "lo", "хорошо", "ahh"]
)
def test_what_only_looks_like_laughter_is_none(word: str) -> None:
    assert not laughter_pattern().fullmatch(word)


def test_signs_of_affection_are_counted_by_class() -> None:
    data, said = made(
        affection.INSIGHT,
        """
        2024-01-01 08:00 Ann: Good morning my love ❤️❤️
        2024-01-01 08:01 Bob: Guten Morgen Schatz, danke
        2024-01-01 22:00 Bob: sorry, gute nacht, hab dich lieb
        2024-01-01 22:01 Ann: I LOVE YOU
        """,
    )
    ann, bob = row(data, "Ann"), row(data, "Bob")
    assert (ann["good_morning"], ann["endearments"], ann["hearts"], ann["love"]) == (1, 1, 2, 1)
    assert (bob["good_morning"], bob["endearments"], bob["thanks"]) == (1, 1, 1)
    assert (bob["sorry"], bob["good_night"], bob["love"]) == (1, 1, 1)
    assert ann["total"] == 5
    assert data["sign_count"] == 11
    assert data["top_endearments"] == [{"text": "my love", "count": 1}, {"text": "schatz", "count": 1}]
    assert "11 signs of affection" in said


def test_a_phrase_counts_once_and_the_longer_one_wins() -> None:
    data, _ = made(affection.INSIGHT, "2024-01-01 08:00 Ann: amore mio")
    assert row(data, "Ann")["endearments"] == 1
    assert data["top_endearments"] == [{"text": "amore mio", "count": 1}]


def test_no_affection_found_is_no_lack_of_affection() -> None:
    _, said = made(affection.INSIGHT, "2024-01-01 08:00 Ann: the meeting is at nine")
    assert "says nothing about affection" in said


@pytest.mark.parametrize("language", lexicons.LANGUAGES)
def test_a_list_of_feelings_has_both_sides_and_contradicts_itself_nowhere(language: str) -> None:
    source = lexicons.load(language)
    entries = [entry for text in source["words"].values() for entry in text.split()]
    weights = {int(weight) for weight in source["words"]}
    assert weights == {-3, -2, -1, 1, 2, 3}
    assert len(entries) == len(set(entries))
    assert all(entry == entry.lower() for entry in entries)
    assert not set(feelings(language).words) & feelings(language).negations


def test_the_emoji_lists_hold_each_emoji_once() -> None:
    listed = [emoji for text in lexicons.load("emoji")["valence"].values() for emoji in text.split()]
    assert len(listed) == len(emoji_valence())
    assert "❤" in emoji_group("hearts")


def test_who_makes_the_others_laugh_and_who_thanks_is_named_when_the_lead_is_clear() -> None:
    lines = [
        f"2024-01-02 10:{n:02d}:00 Ann: thank you\n2024-01-02 10:{n:02d}:30 Bob: haha" for n in range(20)
    ]
    _, laughing = made(laughter.INSIGHT, "\n".join(lines))
    assert "Ann makes the others laugh most: 100 laughs to every hundred messages (20 in all)." in laughing
    _, thanking = made(affection.INSIGHT, "\n".join(lines))
    assert "Ann says thank you most often: 20 times." in thanking
