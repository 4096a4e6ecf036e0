"""topics, style, badges, circles and mentions, computed by hand on small conversations."""

from collections import Counter

import pytest

from insight_worker.pipelines.chat_insights.badges import INSIGHT as BADGES
from insight_worker.pipelines.chat_insights.circles import find_circles
from insight_worker.pipelines.chat_insights.message_balance import INSIGHT as BALANCE
from insight_worker.pipelines.chat_insights.reply_graph import INSIGHT as GRAPH
from insight_worker.pipelines.chat_insights.reply_graph import mentions_by_author
from insight_worker.pipelines.chat_insights.style import INSIGHT as STYLE
from insight_worker.pipelines.chat_insights.tokens import find_mentions
from insight_worker.pipelines.chat_insights.topics import INSIGHT as TOPICS

from .talk import digest_of, made, row


def days(*texts: str, repeat: int) -> str:
    """Every text stands alone on a day of its own, the whole as often as told; Ann and Bob in turn."""
    lines = []
    for n in range(repeat * len(texts)):
        month, day = 1 + n // 28, 1 + n % 28
        lines.append(f"2024-{month:02d}-{day:02d} 10:00 {'Ann' if n % 2 else 'Bob'}: {texts[n % len(texts)]}")
    return "\n".join(lines)


def test_words_that_keep_company_are_a_topic() -> None:
    # Given two subjects that never meet, and one word that is everywhere
    lines = days(
        "today the tent the stove and the lake",
        "today the invoice and the taxes and the office",
        "today nothing much",
        repeat=4,
    )
    data, said = made(TOPICS, lines)
    # Then each is a topic of a third of the passages, and the word of every day is in none
    found = {frozenset(topic["words"]): topic for topic in data["topics"]}
    assert set(found) == {frozenset(("tent", "stove", "lake")), frozenset(("invoice", "taxes", "office"))}
    assert {topic["share"] for topic in data["topics"]} == {0.333333}
    assert data["passage_count"] == 12
    assert data["chart"]["series"][0]["values"] == [33.33, 33.33]
    assert "together" in said


def test_a_topic_says_when_and_by_whom() -> None:
    # Given a subject of January of which Bob speaks alone
    lines = days("tent stove lake", "fine by me", repeat=5)
    [topic] = made(TOPICS, lines)[0]["topics"]
    assert topic["mostly_by"] == "Bob"
    assert (topic["first_month"], topic["last_month"], topic["busiest_month"]) == ("2024-01",) * 3


def test_a_chat_without_topics_says_so() -> None:
    data, said = made(TOPICS, days("hm", "ok", repeat=10))
    assert (data["topics"], data["chart"]["labels"]) == ([], [])
    assert "No words come up together" in said


def test_length_richness_and_drift_are_by_person() -> None:
    # Given Ann, who wrote one word a message and later three, and Bob, who always writes two
    lines = "\n".join(
        f"2024-01-{day:02d} {hour:02d}:00 "
        + (f"Ann: {'word ' * (1 if day < 8 else 3)}" if hour % 2 else "Bob: two words")
        for day in range(1, 17)
        for hour in range(10, 16)
    )
    data, said = made(STYLE, lines)
    ann, bob = row(data, "Ann"), row(data, "Bob")
    assert (ann["first_quarter_words_per_message"], ann["last_quarter_words_per_message"]) == (1.0, 3.0)
    assert bob["words_per_message"] == 2.0
    assert (bob["first_quarter_words_per_message"], bob["last_quarter_words_per_message"]) == (2.0, 2.0)
    assert "Ann's messages became longer: from 1.0 words to 3.0." in said
    assert "Bob's messages became" not in said
    # And one word of a hundred is different where it is always the same
    assert ann["different_per_100_words"] is None or ann["different_per_100_words"] == 1.0
    assert data["chart"]["labels"] == ["Ann", "Bob"]


def test_who_takes_up_the_words_of_the_other_is_measured() -> None:
    # Given Bob, who says "and" exactly when Ann has, and Ann, who says it every second time
    lines = []
    for n in range(80):
        ann, bob = ("cats and dogs", "tea and cake") if n % 2 else ("cats dogs", "tea cake")
        lines += [f"2024-01-01 {8 + n // 20:02d}:{n % 20 * 2:02d} Ann: {ann}"]
        lines += [f"2024-01-01 {8 + n // 20:02d}:{n % 20 * 2 + 1:02d} Bob: {bob}"]
    data, _ = made(STYLE, "\n".join(lines))
    assert data["compared_words"] == ["and"]
    assert row(data, "Bob")["taken_up_points"] == 50.0
    # Ann's replies to it come one message later, and there she never says it
    assert row(data, "Ann")["taken_up_points"] < 0


def test_badges_go_to_who_is_clearly_first_and_to_nobody_alone() -> None:
    # Given Ann with long messages at night, and Bob with short ones and pictures by day
    lines = "\n".join(
        [f"2024-01-{n + 1:02d} 02:00 Ann: this is quite a long message by me" for n in range(22)]
        + [f"2024-01-{n + 1:02d} 12:00 Bob: ok" for n in range(22)]
        + [f"2024-01-{n + 1:02d} 12:01 Bob (image):" for n in range(6)]
    )
    data, said = made(BADGES, lines)
    won = {badge["badge"]: badge["author"] for badge in data["badges"]}
    assert won == {"night_owl": "Ann", "novelist": "Ann", "shutterbug": "Bob"}
    assert ["Shutterbug", "Bob", "6 pictures"] in data["chart"]["rows"]
    assert "Ann: Night owl and Novelist." in said
    # And alone nobody gets one
    alone, said = made(BADGES, "\n".join(f"2024-01-01 02:{n:02d} Ann: hm" for n in range(30)))
    assert alone["badges"] == []
    assert "two people" in said


def test_a_lead_of_less_than_a_tenth_is_none() -> None:
    lines = "\n".join(
        f"2024-01-{n % 28 + 1:02d} 12:{n // 28:02d} {'Ann' if n % 2 else 'Bob'} (image):" for n in range(60)
    )
    assert made(BADGES, lines)[0]["badges"] == []


def test_who_all_follow_each_other_more_than_chance_are_a_circle() -> None:
    # Given two threes that talk among themselves, and a bridge that is chance
    edges = Counter[tuple[int, int]]()
    for circle in ((0, 1, 2), (3, 4, 5)):
        edges.update({(one, two): 10 for one in circle for two in circle if one != two})
    edges[0, 3] = 5
    assert find_circles(edges, range(6)) == [((0, 1, 2), 60), ((3, 4, 5), 60)]
    # And where everybody follows everybody alike there is none, nor among three
    even = Counter({(one, two): 10 for one in range(5) for two in range(5) if one != two})
    assert find_circles(even, range(5)) == []
    assert find_circles(edges, range(3)) == []
    assert find_circles(Counter(), range(6)) == []


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("hey @Bob and @\u2068Ann Lee\u2069!", ["bob", "ann lee"]),
        ("write to ann@example.com", []),
        ("@\u2068~\u202fCarl\u2069", ["carl"]),
        ("no at all", []),
    ],
)
def test_a_mention_is_a_name_behind_an_at_but_no_address(text: str, mentioned: list[str]) -> None:
    assert find_mentions(text) == mentioned


def test_mentions_are_counted_for_those_who_can_be_told() -> None:
    # Given mentions of Bob, of Ann, and of somebody who never wrote
    lines = "\n".join(
        [f"2024-01-01 10:{n:02d} Ann: @Bob look @Zoe" for n in range(3)] + ["2024-01-01 11:00 Bob: yes @ann"]
    )
    digest = digest_of(lines)
    known, unknown = mentions_by_author(digest)
    names = {(digest.names[by], digest.names[to]): count for (by, to), count in known.items()}
    assert (names, unknown) == ({("Ann", "Bob"): 3, ("Bob", "Ann"): 1}, 3)
    data, _ = made(GRAPH, lines)
    assert (row(data, "Bob")["mentioned"], row(data, "Ann")["mentions"]) == (3, 3)
    assert (data["mention_count"], data["unknown_mention_count"]) == (7, 3)


def test_dominance_is_one_where_all_write_alike() -> None:
    even = "\n".join(f"2024-01-01 10:{n:02d} {'Ann' if n % 2 else 'Bob'}: hi" for n in range(20))
    alone = even.replace("Bob", "Ann").replace("10:00 Ann", "10:00 Bob")
    assert made(BALANCE, even)[0]["dominance"] == 1.0
    assert made(BALANCE, alone)[0]["dominance"] == 1.9
