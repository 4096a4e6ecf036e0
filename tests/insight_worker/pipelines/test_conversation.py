"""Sessions, replies, questions and silences."""

from insight_worker.pipelines.chat_insights import attention, initiations_and_silences, response_times

from .talk import digest_of, made, row


def test_a_silence_of_six_hours_ends_a_session() -> None:
    digest = digest_of(
        """
        2024-01-01 08:00:00 Ann: a
        2024-01-01 13:59:59 Ann: b
        2024-01-01 19:59:59 Ann: c
        """
    )
    assert [(session.start, session.end) for session in digest.conversation.sessions()] == [(0, 2), (2, 3)]
    assert [len(turn) for turn in digest.conversation.turns()] == [2, 1]
    assert [digest.conversation.session_of(index) for index in range(3)] == [0, 0, 1]


def test_reply_times_are_medians_and_nearest_rank_percentiles_by_author() -> None:
    # Given Bob who takes 10, 20, 30 and 400 s, and Ann who takes 60 s three times
    data, said = made(
        response_times.INSIGHT,
        """
        2024-01-01 10:00:00 Ann: 1
        2024-01-01 10:00:10 Bob: 1
        2024-01-01 10:01:10 Ann: 2
        2024-01-01 10:01:30 Bob: 2
        2024-01-01 10:02:30 Ann: 3
        2024-01-01 10:03:00 Bob: 3
        2024-01-01 10:04:00 Ann: 4
        2024-01-01 10:10:40 Bob: 4
        """,
    )
    bob = row(data, "Bob")
    assert (bob["replies"], bob["median_s"], bob["p90_s"]) == (4, 25.0, 400.0)
    assert row(data, "Ann")["median_s"] == 60.0
    assert data["by_hour"]["replies"][10] == 7
    assert data["reply_count"] == 7
    assert "Ann 1 min and Bob 25 s" in said
    assert "little to go by" in said


def test_replies_under_five_seconds_and_over_twelve_hours_do_not_count() -> None:
    data, said = made(
        response_times.INSIGHT,
        """
        2024-01-01 10:00:00 Ann: a
        2024-01-01 10:00:04 Bob: at the same time
        2024-01-01 22:00:05 Ann: twelve hours and a second later
        """,
    )
    assert (data["reply_count"], data["overnight_reply_count"]) == (0, 0)
    assert "Only 0 replies can be measured" in said


def test_a_reply_over_night_is_counted_apart() -> None:
    data, _ = made(
        response_times.INSIGHT,
        """
        2024-01-01 23:30:00 Ann: sleep well
        2024-01-02 07:30:00 Bob: thanks
        2024-01-02 12:00:00 Ann: this is within the session
        """,
    )
    assert row(data, "Bob")["overnight_replies"] == 1
    assert row(data, "Bob")["replies"] == 0
    assert row(data, "Ann")["replies"] == 1


def test_six_to_twelve_hours_by_day_are_no_reply() -> None:
    data, _ = made(response_times.INSIGHT, "2024-01-01 08:00:01 Ann: a\n2024-01-01 17:00:01 Bob: b")
    assert (data["reply_count"], data["overnight_reply_count"]) == (0, 0)


def test_where_the_export_tells_no_seconds_a_reply_in_the_same_minute_takes_half_of_it() -> None:
    lines = "\n".join(f"2024-01-01 10:{n:02d} Ann: a\n2024-01-01 10:{n:02d} Bob: b" for n in range(3))
    data, _ = made(response_times.INSIGHT, lines)
    assert data["time_resolution_s"] == 60
    assert row(data, "Bob")["median_s"] == 30.0


def test_first_and_last_words_of_sessions_are_counted_and_the_ice_breaker_named() -> None:
    # Given three sessions, the last after more than a day
    data, said = made(
        initiations_and_silences.INSIGHT,
        """
        2024-01-01 08:00 Ann: hi
        2024-01-01 08:10 Bob: hi
        2024-01-01 20:00 Bob: still there?
        2024-01-01 20:05 Ann: yes
        2024-01-03 20:05 Bob: long time
        2024-01-03 20:06 Bob: no see
        """,
    )
    bob, ann = row(data, "Bob"), row(data, "Ann")
    assert (bob["starts"], bob["ends"], bob["ice_breakers"]) == (2, 2, 1)
    assert (ann["starts"], ann["ends"], ann["ice_breakers"]) == (1, 1, 0)
    assert data["session_count"] == 3
    assert data["median_session_messages"] == 2.0
    assert data["median_session_minutes"] == 5.0
    assert data["silences"][0] == {
        "from": "2024-01-01T20:05:00",
        "to": "2024-01-03T20:05:00",
        "hours": 48.0,
        "last_author": "Ann",
        "broken_by": "Bob",
    }
    assert "it was most often Bob who wrote again" in said
    assert "The longest silence lasted 2 days, until Bob wrote on 3 January 2024." in said


def test_exactly_a_day_of_silence_breaks_no_ice() -> None:
    data, _ = made(initiations_and_silences.INSIGHT, "2024-01-01 08:00 Ann: hi\n2024-01-02 08:00 Bob: hi")
    assert data["ice_breaker_count"] == 0


def test_a_double_text_is_a_turn_with_five_minutes_between_two_of_its_messages() -> None:
    data, _ = made(
        attention.INSIGHT,
        """
        2024-01-01 10:00:00 Ann: hi
        2024-01-01 10:04:59 Ann: quick second
        2024-01-01 10:05:00 Bob: hi
        2024-01-01 10:06:00 Ann: so
        2024-01-01 10:11:00 Ann: hello
        2024-01-01 10:12:00 Bob: yes
        """,
    )
    ann = row(data, "Ann")
    assert (ann["turns"], ann["double_texts"], ann["double_text_share"]) == (2, 1, 0.5)
    assert row(data, "Bob")["double_texts"] == 0


def test_a_question_is_answered_when_somebody_else_writes_within_a_day() -> None:
    data, said = made(
        attention.INSIGHT,
        """
        2024-01-01 10:00 Ann: are you there?
        2024-01-02 10:00 Bob: yes
        2024-01-02 10:01 Bob: and you?
        2024-01-03 10:02 Ann: a day and a minute later
        2024-01-03 10:03 Ann: coming?
        """,
    )
    # Then Ann's last question is still open when the chat ends
    ann, bob = row(data, "Ann"), row(data, "Bob")
    assert (ann["questions"], ann["answered"], ann["unanswered"]) == (2, 1, 0)
    assert (bob["questions"], bob["answered"], bob["unanswered"]) == (1, 0, 1)
    assert "Of 3 questions, Ann asked 2 and Bob asked 1; 33% were followed" in said


def test_a_question_mark_in_a_link_asks_nothing() -> None:
    data, said = made(attention.INSIGHT, "2024-01-01 10:00 Ann: https://a.org/?q=1\n2024-01-01 10:01 Bob: ok")
    assert data["question_count"] == 0
    assert "Nobody asked a question" in said


def test_last_words_that_stay_alone_for_a_day_or_two_are_counted_and_the_end_is_open() -> None:
    data, _ = made(
        attention.INSIGHT,
        """
        2024-01-01 10:00 Ann: hello
        2024-01-02 11:00 Bob: after 25 hours
        2024-01-05 11:00 Ann: after three days
        2024-01-05 11:01 Ann: the end, nobody knows what came then
        """,
    )
    ann, bob = row(data, "Ann"), row(data, "Bob")
    assert (ann["quiet_24_h"], ann["quiet_48_h"]) == (1, 0)
    assert (bob["quiet_24_h"], bob["quiet_48_h"]) == (1, 1)
