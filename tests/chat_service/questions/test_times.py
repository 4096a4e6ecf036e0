"""Times in questions: what span of local time each one names."""

from datetime import datetime

import pytest

from chat_service.search.times import understand

#: A Friday.
NOW = datetime(2026, 11, 27, 12, 30)  # noqa: DTZ001  # local

SPANS = {
    "What did Anna say last summer?": ("2026-06-01", "2026-09-01"),
    "¿Qué dijo Ana el verano pasado?": ("2026-06-01", "2026-09-01"),
    "Qu'a dit Anne l'été dernier ?": ("2026-06-01", "2026-09-01"),
    "Was war letzten Sommer?": ("2026-06-01", "2026-09-01"),
    "What happened in winter 2024?": ("2024-12-01", "2025-03-01"),
    "plans for this autumn": ("2026-09-01", "2026-12-01"),
    "Was sagte Ben im August 2024?": ("2024-08-01", "2024-09-01"),
    "¿Qué olvidó Ben en noviembre de 2024?": ("2024-11-01", "2024-12-01"),
    "what happened in May?": ("2026-05-01", "2026-06-01"),
    "in December?": ("2025-12-01", "2026-01-01"),
    "who came last week": ("2026-11-16", "2026-11-23"),
    "la semaine dernière": ("2026-11-16", "2026-11-23"),
    "two weeks ago": ("2026-11-09", "2026-11-16"),
    "vor drei Monaten": ("2026-08-01", "2026-09-01"),
    "hace dos años": ("2024-01-01", "2025-01-01"),
    "il y a deux ans": ("2024-01-01", "2025-01-01"),
    "this month": ("2026-11-01", "2026-12-01"),
    "last year": ("2025-01-01", "2026-01-01"),
    "yesterday evening": ("2026-11-26", "2026-11-27"),
    "what about today": ("2026-11-27", "2026-11-28"),
    "on 5 March 2024": ("2024-03-05", "2024-03-06"),
    "March 5": ("2026-03-05", "2026-03-06"),
    "December 24": ("2025-12-24", "2025-12-25"),
    "2019-05-04": ("2019-05-04", "2019-05-05"),
    "everything of 2023": ("2023-01-01", "2024-01-01"),
    "since 2023": ("2023-01-01", None),
    "seit letztem Jahr 2025": ("2025-01-01", None),
    "before January 2025": (None, "2025-01-01"),
}


@pytest.mark.parametrize("question", SPANS)
def test_a_time_is_understood(question: str) -> None:
    span = understand(question, NOW)
    assert span is not None
    begin, end = (moment.date().isoformat() if moment else None for moment in span)
    assert (begin, end) == SPANS[question]


@pytest.mark.parametrize(
    "question",
    [
        "may I ask you something?",
        "When did I fall down the stairs?",
        "how do they march?",
        "What is new?",
        "how many people came",
        "31 Decembrius",
        "",
    ],
)
def test_words_that_only_look_like_times_are_none(question: str) -> None:
    assert understand(question, NOW) is None


def test_what_came_before_another_thing_opens_no_side() -> None:
    span = understand("what did he do after dinner on 5 March 2024?", NOW)
    assert span is not None
    assert span.end is not None
