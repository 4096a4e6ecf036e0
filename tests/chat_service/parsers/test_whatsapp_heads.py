"""The heads of messages as the phones of the world write them."""

from datetime import datetime

import pytest

from chat_service.parsers import MessageKind, ParsedMessage
from tests.chat_service.parsers.reading import messages_of, read

NNBSP = "\u202f"
NBSP = "\u00a0"
LRM = "\u200e"
BOM = "\ufeff"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# What stands before "Anna: Hello", and the moment that it means. The second head of each file, on
# the 25th, leaves no doubt which number is the day.
HEADS = [
    # Android
    ("1/29/18, 12:24 - ", "1/25/18, 12:25 - ", "2018-01-29T12:24"),
    (f"1/4/23, 7:02{NNBSP}PM - ", f"1/25/23, 7:03{NNBSP}PM - ", "2023-01-04T19:02"),
    (f"7/19/22, 11:26{NNBSP}pm - ", f"7/25/22, 11:27{NNBSP}am - ", "2022-07-19T23:26"),
    (f"7/19/22, 12:26{NNBSP}am - ", f"7/25/22, 11:27{NNBSP}am - ", "2022-07-19T00:26"),
    (f"7/19/22, 12:26{NNBSP}pm - ", f"7/25/22, 11:27{NNBSP}am - ", "2022-07-19T12:26"),
    ("7/19/22, 11:26PM - ", "7/25/22, 11:27AM - ", "2022-07-19T23:26"),
    ("23/03/2022, 13:31 - ", "25/03/2022, 13:32 - ", "2022-03-23T13:31"),
    ("03/11/2022, 13:31 - ", "25/11/2022, 13:32 - ", "2022-11-03T13:31"),
    ("29.01.18, 12:24 - ", "25.01.18, 12:25 - ", "2018-01-29T12:24"),
    ("23.03.2022, 13:31 - ", "25.03.2022, 13:32 - ", "2022-03-23T13:31"),
    ("29.01.18, 12:24 PM - ", "25.01.18, 12:25 PM - ", "2018-01-29T12:24"),
    ("29.01.18, 17:24 PM - ", "25.01.18, 12:25 PM - ", "2018-01-29T17:24"),
    ("23-03-2022 13:31 - ", "25-03-2022 13:32 - ", "2022-03-23T13:31"),
    ("23.03.22 13:31 - ", "25.03.22 13:32 - ", "2022-03-23T13:31"),
    ("28/3/2025, 9:29 p. m. - ", "25/3/2025, 9:30 a. m. - ", "2025-03-28T21:29"),
    (f"20/6/2017 8:28 p.{NBSP}m. - ", f"25/6/2017 8:29 a.{NBSP}m. - ", "2017-06-20T20:28"),
    ("2024/12/01, 10:04 pm - ", "2024/12/25, 10:05 pm - ", "2024-12-01T22:04"),
    ("2024/12/10, 14:30 - ", "2024/12/11, 14:31 - ", "2024-12-10T14:30"),
    ("2019-10-20, 10:16 - ", "2019-10-25, 10:17 - ", "2019-10-20T10:16"),
    # iOS
    ("[1/29/18, 12:24:03] ", "[1/25/18, 12:24:03] ", "2018-01-29T12:24:03"),
    ("[3/18/22, 14:56:01] ", "[3/25/22, 14:56:01] ", "2022-03-18T14:56:01"),
    (f"[13/11/2025, 12:25:55{NNBSP}PM] ", f"[25/11/2025, 1:25:55{NNBSP}AM] ", "2025-11-13T12:25:55"),
    ("[31/12/2019, 2:14:40 a.m.] ", "[25/12/2019, 2:14:40 p.m.] ", "2019-12-31T02:14:40"),
    ("[3/18/22 14:56:00] ", "[3/25/22 14:56:00] ", "2022-03-18T14:56:00"),
    ("[3/18/22 14.56.01] ", "[3/25/22 14.56.01] ", "2022-03-18T14:56:01"),
    ("[2018/06/13, 21:25:15] ", "[2018/06/25, 21:25:15] ", "2018-06-13T21:25:15"),
    ("[2026/7/9 23:39:03] ", "[2026/7/25 23:39:03] ", "2026-07-09T23:39:03"),
    ("[01/01/19 11:25] ", "[25/01/19 11:25] ", "2019-01-01T11:25"),
    (f"{LRM}[13.06.2023, 18:08:08] ", "[25.06.2023, 18:08:08] ", "2023-06-13T18:08:08"),
    (f"{BOM}[{BOM}13.06.23, 18:08:08] ", f"[{BOM}25.06.23, 18:08:08] ", "2023-06-13T18:08:08"),
]


@pytest.mark.parametrize(("head", "next_head", "moment"), HEADS, ids=[head for head, _, _ in HEADS])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_each_head_gives_author_body_and_moment(
    head: str, next_head: str, moment: str, line_end: str
) -> None:
    lines = [f"{head}Anna: Hello", f"{next_head}Ben: two", "lines"]

    messages, report = read(line_end.join(lines) + line_end)

    assert messages[0] == ParsedMessage("Anna", at(moment), "Hello")
    assert (messages[1].author, messages[1].body) == ("Ben", "two\nlines")
    assert report.message_count == len(messages) == 2
    assert report.skipped_line_count == 0


def test_a_file_may_mix_24_hours_with_am_and_pm() -> None:
    export = "25/03/2022, 13:31 - Anna: a\n25/03/2022, 1:32 PM - Ben: b\n25/03/2022, 1:33 - Anna: c\n"

    assert [message.sent_local_time.hour for message in messages_of(export)] == [13, 13, 1]


def test_a_byte_order_mark_at_the_start_is_no_part_of_the_text() -> None:
    messages = messages_of(f"{BOM}25.03.22, 13:31 - Anna: Hello")

    assert messages == [ParsedMessage("Anna", at("2022-03-25T13:31"), "Hello")]


def test_a_body_is_kept_byte_for_byte() -> None:
    body = f"  two  blanks\ttab {NBSP}ﬁ é e\u0301 👩\u200d👧 क्\u200dष\n\n- a list: yes\n \n* stars *  "

    messages = messages_of(f"25.03.22, 13:31 - Anna: {body}\n25.03.22, 13:32 - Ben: ok\n")

    assert [message.body for message in messages] == [body, "ok"]


def test_an_empty_body_is_a_message_too() -> None:
    messages = messages_of(
        "25.03.22, 13:31 - Carol:\n25.03.22, 13:31 - Amazon EG: \n25.03.22, 13:32 - Ben: ok"
    )

    assert [(message.author, message.body, message.kind) for message in messages] == [
        ("Carol", "", MessageKind.OTHER),
        ("Amazon EG", "", MessageKind.OTHER),
        ("Ben", "ok", MessageKind.TEXT),
    ]


def test_a_quoted_head_of_another_shape_starts_no_message() -> None:
    export = (
        "25.03.22, 13:31 - Anna: look what he wrote:\n"
        "[3/24/22, 9:00:01] Max: no\n"
        "2022-03-24, 09:00 - Max: never\n"
        "24/03/2022, 09:00 - Max: ever\n"
        " 25.03.22, 13:31 - Max: indented\n"
        "25.03.22, 13:33 - Ben: oh\n"
    )

    messages = messages_of(export)

    assert [message.author for message in messages] == ["Anna", "Ben"]
    assert messages[0].body.count("\n") == 4


def test_a_head_inside_a_line_starts_no_message() -> None:
    messages = messages_of("25.03.22, 13:31 - Anna: he said 25.03.22, 13:30 - Max: hello")

    assert [message.body for message in messages] == ["he said 25.03.22, 13:30 - Max: hello"]


def test_a_head_with_a_date_in_no_calendar_belongs_to_the_message_before() -> None:
    export = (
        "25.03.22, 13:31 - Anna: dates\n"
        "31.02.22, 10:00 - that is no day\n"
        "99.99.22, 10:00 - x\n"
        "25.03.22, 13:32 - Ben: no\n"
    )

    messages = messages_of(export)

    assert [message.body for message in messages] == [
        "dates\n31.02.22, 10:00 - that is no day\n99.99.22, 10:00 - x",
        "no",
    ]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Anna", "Anna"),
        ("Anna: The Great", "Anna"),
        ("a:b", "a:b"),
        ("🤓", "🤓"),
        ("John-John Doe 🤓", "John-John Doe 🤓"),
        ("~ YSL", "~ YSL"),
        (f"~{NNBSP}YSL", "~ YSL"),
        ("\u202a+44\u00a07700\u00a0900123\u202c", "+44 7700 900123"),
        ("\u202a+44 7700 900123", "+44 7700 900123"),
        (f"{LRM}Ben", "Ben"),
        ('Dwayne "The Rock" J', 'Dwayne "The Rock" J'),
        ("Ludwig „Lu“ B", "Ludwig „Lu“ B"),
        ("محمد", "محمد"),
    ],
)
def test_a_name_is_taken_without_marks(written: str, name: str) -> None:
    messages = messages_of(f"[25.03.22, 13:31:00] {written}: Hello")

    assert messages[0].author == name
    assert messages[0].body.endswith("Hello")


@pytest.mark.parametrize(
    "line",
    [
        "Messages and calls are end-to-end encrypted. Tap to learn more.",
        "Anna added Ben",
        "You created group “Trip: 2024”",
        'Anna changed the subject from "Trip" to "Trip: now"',
        "Anna hat den Betreff von „A: b“ zu „c“ geändert.",
        "Anna cambió el asunto a “Viaje: ya”",
        "Анна изменила тему на «Поездка: скоро»",
        "",
    ],
)
def test_a_line_without_an_author_is_the_platforms(line: str) -> None:
    messages = messages_of(f"25.03.22, 13:31 - {line}\n25.03.22, 13:32 - Ben: ok")

    assert messages[0] == ParsedMessage(None, at("2022-03-25T13:31"), line, MessageKind.SYSTEM)
    assert messages[1].author == "Ben"


def test_lines_before_the_first_message_are_counted_and_shown() -> None:
    before = [f"exported line {number}" for number in range(7)]

    messages, report = read("\n".join([*before, "", "25.03.22, 13:31 - Anna: Hello"]))

    assert len(messages) == 1
    assert report.skipped_line_count == 7
    assert report.skipped_lines == [f"line {number}: {text}" for number, text in enumerate(before[:5], 1)]
