"""Who writes what, after whom."""

from insight_worker.pipelines.chat_insights import media_and_links, message_balance, reply_graph

from .talk import made, row


def test_the_balance_counts_messages_words_media_links_and_questions() -> None:
    data, said = made(
        message_balance.INSIGHT,
        """
        2024-01-01 10:00 Ann: are you there?
        2024-01-01 10:01 Ann: see https://example.com/?q=1
        2024-01-01 10:02 Ann (image): look
        2024-01-01 10:03 Bob: yes
        """,
    )
    ann = row(data, "Ann")
    assert (ann["messages"], ann["share"], ann["words"], ann["word_share"]) == (3, 0.75, 5, 0.833333)
    assert (ann["media"], ann["links"], ann["questions"]) == (1, 1, 1)
    assert (ann["turns"], ann["messages_per_turn"], ann["longest_turn"]) == (1, 3.0, 3)
    assert ann["characters"] == len("are you there?") + len("see https://example.com/?q=1") + len("look")
    assert data["gini"] == 0.25
    assert data["chart"]["series"][0]["values"] == [3, 1]
    assert "Ann 3 (75%) and Bob 1 (25%)" in said


def test_edited_and_deleted_messages_are_counted() -> None:
    data, _ = made(
        message_balance.INSIGHT,
        """
        2024-01-01 10:00 Ann (deleted): This message was deleted
        2024-01-01 10:01 Bob: ok
        """,
    )
    assert row(data, "Ann")["deleted"] == 1
    assert row(data, "Ann")["words"] == 0


def test_in_a_group_the_evenness_is_said() -> None:
    lines = "\n".join(f"2024-01-01 10:0{n} {author}: hi" for n, author in enumerate(("Ann", "Bob", "Cem")))
    data, said = made(message_balance.INSIGHT, lines)
    assert data["evenness"] == 1.0
    assert data["gini"] == 0.0
    assert "spread very evenly" in said


def test_the_graph_counts_who_follows_whom_within_a_session() -> None:
    data, said = made(
        reply_graph.INSIGHT,
        """
        2024-01-01 10:00 Ann: a
        2024-01-01 10:01 Bob: b
        2024-01-01 10:02 Ann: c
        2024-01-01 10:03 Ann: d
        2024-01-01 10:04 Cem: e
        2024-01-02 10:00 Ann: another day, so no reply to Cem
        """,
    )
    # Rows follow columns; the order is Ann (4 messages), Bob, Cem
    assert data["chart"]["rows"] == ["Ann", "Bob", "Cem"]
    assert data["chart"]["values"] == [[0, 1, 0], [1, 0, 0], [1, 0, 0]]
    assert data["pairs"][0] == {"authors": ["Ann", "Bob"], "replies": 2}
    assert row(data, "Ann")["received"] == 2
    assert "Ann and Bob follow each other most often: 2 times" in said


def test_a_lurker_writes_less_than_a_fifth_of_an_equal_share() -> None:
    # Given 32 messages of three people: an equal share is 10.67, a fifth of it 2.13
    lines = [f"2024-01-01 10:{n:02d} {'Ann' if n % 2 else 'Bob'}: hi" for n in range(30)]
    lines += ["2024-01-01 10:40 Cem: hi", "2024-01-01 10:41 Cem: hi"]
    data, said = made(reply_graph.INSIGHT, "\n".join(lines))
    assert data["lurkers"] == ["Cem"]
    assert "Mostly reading along: Cem." in said


def test_between_two_people_nobody_is_a_lurker() -> None:
    lines = [f"2024-01-01 10:{n:02d} Ann: hi" for n in range(30)] + ["2024-01-01 10:40 Bob: hi"]
    data, _ = made(reply_graph.INSIGHT, "\n".join(lines))
    assert data["lurkers"] == []


def test_media_are_counted_by_kind_and_links_by_site() -> None:
    data, said = made(
        media_and_links.INSIGHT,
        """
        2024-01-01 10:00 Ann (image):
        2024-01-01 10:01 Ann (image):
        2024-01-01 10:02 Bob (audio):
        2024-01-01 10:03 Bob: https://www.youtube.com/a and https://youtube.com/b
        2024-01-01 10:04 Ann: www.example.org
        """,
    )
    assert data["kinds"] == {"text": 2, "image": 2, "audio": 1}
    assert data["chart"]["columns"] == ["text", "image", "audio"]
    assert data["chart"]["values"] == [[1, 2, 0], [1, 0, 1]]
    assert data["media_count"] == 3
    assert data["domains"] == [
        {"domain": "youtube.com", "links": 2, "mostly_by": "Bob"},
        {"domain": "example.org", "links": 1, "mostly_by": "Ann"},
    ]
    assert "2 pictures and 1 voice message" in said
