"""When people write: heatmap, timeline, streaks, owls, office hours, milestones."""

from insight_worker.pipelines.chat_insights import (
    activity_heatmap,
    milestones,
    night_owls,
    streaks,
    timeline,
    working_hours,
)

from .talk import made, row


def test_the_heatmap_puts_messages_by_weekday_and_hour() -> None:
    # Given a Monday morning and a Sunday night
    data, said = made(
        activity_heatmap.INSIGHT,
        """
        2024-01-01 09:59 Ann: a
        2024-01-01 09:00 Bob: b
        2024-01-08 10:00 Ann: c
        2024-01-07 23:59 Ann: d
        """,
    )
    # Then each is in its cell
    values = data["chart"]["values"]
    assert values[0][9] == 2
    assert values[0][10] == 1
    assert values[6][23] == 1
    assert sum(map(sum, values)) == 4
    assert data["peak_weekday"] == {"label": "Monday", "messages": 3, "share": 0.75}
    assert data["peak_hour"] == {"label": "09", "messages": 2, "share": 0.5}
    assert data["busiest_date"] == {"date": "2024-01-01", "messages": 2}
    assert "Monday is the liveliest day: 75%" in said


def test_the_timeline_counts_days_weeks_and_months_and_averages_seven_days() -> None:
    # Given seven messages on 31 January, a Wednesday, and one on the Monday after
    lines = "\n".join(f"2024-01-31 10:0{minute} Ann: hi" for minute in range(7))
    data, said = made(timeline.INSIGHT, lines + "\n2024-02-05 10:00 Ann: hi")
    # Then
    assert data["days"]["labels"][0] == "2024-01-31"
    assert data["days"]["messages"] == [7, 0, 0, 0, 0, 1]
    assert data["days"]["mean_7_days"] == [1.0, 1.0, 1.0, 1.0, 1.0, 1.14]
    assert data["weeks"] == {"labels": ["2024-01-29", "2024-02-05"], "messages": [7, 1]}
    assert data["months"] == {"labels": ["2024-01", "2024-02"], "messages": [7, 1]}
    assert data["busiest_month"] == {"month": "2024-01", "messages": 7}
    assert data["growth_percent"] is None
    assert "too short to say" in said


def test_growth_compares_the_last_quarter_of_the_time_with_the_first() -> None:
    # Given eight days: two messages in the first two days, three in the last two
    data, said = made(
        timeline.INSIGHT,
        """
        2024-01-01 10:00 Ann: a
        2024-01-02 10:00 Ann: a
        2024-01-04 10:00 Ann: a
        2024-01-07 10:00 Ann: a
        2024-01-08 10:00 Ann: a
        2024-01-08 11:00 Ann: a
        """,
    )
    assert data["quarters"] == [2, 1, 0, 3]
    assert data["growth_percent"] == 50.0
    assert "50% more than in the first" in said


def test_a_long_timeline_is_drawn_by_month_and_lists_only_the_latest_days() -> None:
    data, _ = made(timeline.INSIGHT, "0001-01-01 10:00 Ann: a\n9999-12-31 10:00 Ann: b")
    assert len(data["days"]["labels"]) == 730
    assert len(data["weeks"]["labels"]) == 520
    assert len(data["months"]["labels"]) == 240
    assert data["chart"]["labels"][-1] == "9999-12"


def test_a_streak_is_a_run_of_days_and_a_mutual_one_needs_two_people() -> None:
    data, said = made(
        streaks.INSIGHT,
        """
        2024-02-28 10:00 Ann: a
        2024-02-28 11:00 Bob: a
        2024-02-29 10:00 Ann: a
        2024-02-29 11:00 Bob: a
        2024-03-01 10:00 Ann: a
        2024-03-05 10:00 Bob: a
        2024-03-06 10:00 Bob: a
        """,
    )
    assert data["longest"] == {"days": 3, "from": "2024-02-28", "to": "2024-03-01"}
    assert data["longest_mutual"] == {"days": 2, "from": "2024-02-28", "to": "2024-02-29"}
    assert data["current"] == {"days": 2, "from": "2024-03-05", "to": "2024-03-06"}
    assert data["longest_gap_days"] == 3
    assert (data["active_days"], data["span_days"]) == (5, 8)
    assert data["chart"]["series"][0]["values"] == [3, 2, 2, 3]
    assert "both wrote was 2 days" in said


def test_a_monologue_has_no_mutual_streak() -> None:
    data, said = made(streaks.INSIGHT, "2024-01-01 10:00 Ann: a")
    assert data["longest_mutual"] is None
    assert "no day on which more than one person wrote" in said


def test_the_day_of_people_begins_at_five() -> None:
    # Given Ann who writes last after midnight, on a Friday night, and Bob who begins the next day
    data, _ = made(
        night_owls.INSIGHT,
        """
        2024-01-05 08:00 Ann: morning
        2024-01-05 23:00 Bob: night
        2024-01-06 04:59 Ann: still awake
        2024-01-06 05:00 Bob: awake already
        """,
    )
    assert data["day_count"] == 2
    assert row(data, "Ann") == {
        "author": "Ann",
        "messages": 2,
        "late_share": 0.5,
        "early_share": 0.0,
        "weekend_share": 0.5,
        "first_of_day": 1,
        "last_of_day": 1,
    }
    assert row(data, "Bob")["early_share"] == 0.5
    assert row(data, "Bob")["last_of_day"] == 1


def test_nobody_is_named_an_owl_for_a_lead_of_chance() -> None:
    # Given two who write equally late
    lines = "\n".join(f"2024-01-01 0{n % 5}:{n:02d} {'Ann' if n % 2 else 'Bob'}: x" for n in range(60))
    _, said = made(night_owls.INSIGHT, lines)
    assert "is the night owl" not in said


def test_office_hours_are_monday_to_friday_from_nine_to_six() -> None:
    data, said = made(
        working_hours.INSIGHT,
        """
        2024-01-05 09:00 Ann: Friday nine
        2024-01-05 17:59 Ann: Friday almost six
        2024-01-05 18:00 Ann: Friday six
        2024-01-06 12:00 Bob: Saturday noon
        """,
    )
    assert row(data, "Ann")["inside_share"] == 0.666667
    assert row(data, "Bob")["outside_share"] == 1.0
    assert data["inside_share"] == 0.5
    assert data["weekend_share"] == 0.25
    assert "too few replies" in said


def test_reply_times_in_and_outside_office_hours_go_by_the_message_that_is_answered() -> None:
    lines = "\n".join(
        f"2024-01-0{day} {hour}:00:00 Ann: ?\n2024-01-0{day} {hour}:{minutes}:00 Bob: !"
        for day in (2, 3, 4)
        for hour, minutes in (("10", "05"), ("20", "30"))
    )
    data, said = made(working_hours.INSIGHT, lines)
    assert data["inside_median_reply_s"] == 300.0
    assert data["outside_median_reply_s"] == 1800.0
    assert "5 min in office hours and 30 min outside" in said


def test_milestones_name_the_first_message_the_records_and_the_round_numbers() -> None:
    # Given 1,000 messages of two words, all by Ann but the first, on a day and the next
    lines = ["2024-01-01 10:00:00 Bob: hello there you"]
    lines += [f"2024-01-01 11:{n // 60:02d}:{n % 60:02d} Ann: hi there" for n in range(600)]
    lines += [f"2024-01-02 11:{n // 60:02d}:{n % 60:02d} Ann: hi there" for n in range(399)]
    data, said = made(milestones.INSIGHT, "\n".join(lines))
    records = {record["what"]: record for record in data["records"]}
    # Then
    assert records["first message"]["excerpt"] == "hello there you"
    assert records["longest message"]["author"] == "Bob"
    assert records["longest message"]["value"] == 15
    assert (records["most messages in a day"]["when"], records["most messages in a day"]["value"]) == (
        "2024-01-01",
        601,
    )
    assert records["most words in a day"]["value"] == 1203
    assert records["most messages in a row"]["value"] == 600
    assert data["round_numbers"][0]["what"] == "message 1,000"
    assert "It began on 1 January 2024 with a message by Bob." in said


def test_round_numbers_grow_so_that_the_list_stays_short() -> None:
    for count in (999, 12_999, 13_000, 40_000, 400_000, 10**9):
        numbers = milestones._round_numbers(count)
        assert len(numbers) <= 12
        assert all(number <= count for number in numbers)
    assert milestones._round_numbers(40_000) == [5_000 * n for n in range(1, 9)]


def test_a_clear_owl_and_a_clear_lark_are_named() -> None:
    # Given Ann who writes at two and Bob who writes at six, 20 times each, on working days
    lines = [f"2024-01-02 02:{n:02d} Ann: x\n2024-01-02 06:{n:02d} Bob: x" for n in range(20)]
    _, said = made(night_owls.INSIGHT, "\n".join(lines))
    assert "Ann is the night owl: 100% of Ann's messages come that late." in said
    assert "Bob is the early bird: 100% are from between five and eight." in said
    _, hours = made(working_hours.INSIGHT, "\n".join(lines).replace("06:", "10:"))
    assert "The largest part outside office hours is Ann's: 100%" in hours
