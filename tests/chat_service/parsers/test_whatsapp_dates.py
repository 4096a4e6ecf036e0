"""Which of two small numbers is the day: decided from the whole file."""

from datetime import date

import pytest

from chat_service.parsers import DateEvidence, DateOrder, ParseOptions, UnreadableExport
from tests.chat_service.parsers.reading import messages_of, read

DAY, MONTH = DateOrder.DAY_FIRST, DateOrder.MONTH_FIRST


def export_of(*dates: str) -> str:
    return "".join(f"{text}, 10:00 - Anna: Hello\n" for text in dates)


@pytest.mark.parametrize(
    ("dates", "order", "evidence"),
    [
        (["01/02/24", "13/02/24"], DAY, DateEvidence.LARGE_NUMBER),
        (["02/01/24", "02/13/24"], MONTH, DateEvidence.LARGE_NUMBER),
        # The large number may come last of all.
        (["01/02/24"] * 500 + ["02/14/24"], MONTH, DateEvidence.LARGE_NUMBER),
        # Read the other way round, the second date would be before the first.
        (["12/02/24", "01/03/24"], DAY, DateEvidence.ORDER),
        (["02/12/24", "03/01/24"], MONTH, DateEvidence.ORDER),
        # Three days in a row are likelier than three months.
        (["01/02/24", "02/02/24", "03/02/24"], DAY, DateEvidence.CHANGES),
        (["02/01/24", "02/02/24", "02/03/24"], MONTH, DateEvidence.CHANGES),
        (["05/06/24"], DAY, DateEvidence.DEFAULT),
        # A quoted head is outvoted.
        (["13/02/24", "14/02/24", "02/20/24", "15/02/24"], DAY, DateEvidence.LARGE_NUMBER),
        # The first line may be later than the second.
        (["23/03/2022", "18/03/2022", "19/03/2022"], DAY, DateEvidence.LARGE_NUMBER),
    ],
)
def test_the_order_is_decided_by_the_strongest_evidence(
    dates: list[str], order: DateOrder, evidence: DateEvidence
) -> None:
    _, report = read(export_of(*dates))

    assert (report.date_order, report.date_evidence) == (order, evidence)


def test_a_year_first_is_followed_by_the_month() -> None:
    messages, report = read("2024/12/10, 14:30 - Anna: Hello")

    assert messages[0].sent_local_time.date() == date(2024, 12, 10)
    assert report.date_evidence is DateEvidence.YEAR_FIRST


@pytest.mark.parametrize(("order", "expected"), [(DAY, date(2024, 6, 5)), (MONTH, date(2024, 5, 6))])
def test_the_caller_may_say_which_is_the_day(order: DateOrder, expected: date) -> None:
    messages, report = read(export_of("05/06/24"), ParseOptions(date_order=order))

    assert messages[0].sent_local_time.date() == expected
    assert (report.date_order, report.date_evidence) == (order, DateEvidence.GIVEN)


def test_the_caller_is_told_when_the_dates_contradict() -> None:
    with pytest.raises(UnreadableExport, match="25/12/24 cannot be read with the month first"):
        messages_of(export_of("05/06/24", "25/12/24"), ParseOptions(date_order=MONTH))


def test_a_leap_day_is_a_day() -> None:
    messages = messages_of(export_of("29/02/24", "01/03/24"))

    assert [message.sent_local_time.date() for message in messages] == [date(2024, 2, 29), date(2024, 3, 1)]


def test_a_file_without_one_valid_date_is_refused() -> None:
    with pytest.raises(UnreadableExport, match="no message with a valid date"):
        messages_of(export_of("31/02/24"))
