"""Statistics and the words for them."""

import pytest

from insight_worker.pipelines.chat_insights import calendar, numbers, wording


def test_the_percentile_is_the_nearest_rank() -> None:
    assert numbers.percentile([15, 20, 35, 40, 50], 30) == 20
    assert numbers.percentile([15, 20, 35, 40, 50], 100) == 50
    assert numbers.percentile([7], 90) == 7
    assert numbers.percentile([], 90) is None


def test_gini_and_evenness_know_the_extremes() -> None:
    assert numbers.gini([5, 5, 5, 5]) == 0
    assert numbers.gini([0, 0, 0, 20]) == 0.75
    assert numbers.gini([]) == 0
    assert numbers.evenness([5, 5, 5]) == 1
    assert numbers.evenness([20]) == 0
    assert numbers.evenness([]) == 0


def test_there_is_no_mean_and_no_share_of_nothing() -> None:
    assert numbers.mean([]) is None
    assert numbers.median([]) is None
    assert numbers.share(0, 0) == 0
    assert numbers.per_hundred(0, 0) == 0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (45, "45 s"),
        (60, "1 min"),
        (3_599, "1 h"),
        (7_500, "2 h 5 min"),
        (172_800, "2 days"),
        (86_400, "24 h"),
    ],
)
def test_durations_are_said_in_two_units_at_most(seconds: int, said: str) -> None:
    assert wording.duration(seconds) == said


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0%"), (0.004, "under 1%"), (0.996, "over 99%"), (1, "100%")]
)
def test_a_small_share_is_not_said_to_be_nothing(value: float, said: str) -> None:
    assert wording.percent(value) == said


def test_lists_and_counts_read_like_sentences() -> None:
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
    assert wording.listed([]) == ""
    assert wording.counted(1, "reply", "replies") == "1 reply"
    assert wording.counted(1_204, "reply", "replies") == "1,204 replies"


def test_day_numbers_are_local_dates() -> None:
    assert calendar.iso_day(0) == "1970-01-01"
    assert calendar.weekday(0) == 3
    assert calendar.spoken_day(19_767) == "14 February 2024"
    assert calendar.iso_month(calendar.month_number(19_767)) == "2024-02"
