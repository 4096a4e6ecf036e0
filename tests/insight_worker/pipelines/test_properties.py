"""What holds for every chat, whatever is in it."""

import json
import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insight_worker.pipelines.chat_insights import INSIGHT_TYPES
from insight_worker.pipelines.chat_insights.digest import KINDS
from insight_worker.pipelines.interface import ChatMessage, InsightResult
from insight_worker.structs import to_struct

from .test_pipeline import run

MAX_BYTES = 256 * 1024
_START = datetime(2024, 1, 1)  # noqa: DTZ001  (local time)

_bodies = st.one_of(
    st.sampled_from(
        [
            "",
            "haha",
            "i love you ❤️",
            "not good",
            "why?",
            "https://a.org/x",
            "good morning my love",
            "ok 👍🏽",
            "555",
        ]
    ),
    st.text(max_size=40),
)
_authors = st.sampled_from(["Ann", "Bob", "Cem", "Dö 🙂", "名前"])
_gaps = st.one_of(
    st.integers(-600, 600), st.sampled_from([3_600, 21_600, 43_200, 86_400, 200_000, 40_000_000])
)


@st.composite
def chats(draw: st.DrawFn) -> list[ChatMessage]:
    """Twenty messages or more of two people or more, not always in the order of time."""
    count = draw(st.integers(20, 60))
    moment = _START
    lines = []
    for position in range(1, count + 1):
        moment += timedelta(seconds=draw(_gaps))
        author = ("Ann", "Bob")[position] if position < 2 else draw(_authors)
        kind = draw(st.sampled_from(["text", "text", "text", *KINDS]))
        lines.append(ChatMessage(position, author, moment, draw(_bodies), kind, draw(st.booleans())))
    lines[0] = replace(lines[0], author="Ann")
    return lines


def everything(source: list[ChatMessage]) -> dict[str, InsightResult]:
    """All insights, none of which may fail."""
    results = run(source)
    assert set(results) == set(INSIGHT_TYPES)
    return {kind: result for kind, result in results.items() if isinstance(result, InsightResult)}


def as_json(result: InsightResult) -> dict[str, Any]:
    """The data as its reader gets it. Fails for what is not finite or no JSON."""
    data: dict[str, Any] = json.loads(json.dumps(result.data, allow_nan=False, ensure_ascii=False))
    return data


def numbers(value: object) -> list[float]:
    """All numbers in a JSON value."""
    if isinstance(value, dict):
        return [number for inner in value.values() for number in numbers(inner)]
    if isinstance(value, list):
        return [number for inner in value for number in numbers(inner)]
    return [value] if isinstance(value, int | float) else []


@settings(max_examples=25)
@given(chats())
def test_every_insight_is_finite_json_with_two_to_six_sentences_and_a_chart(
    source: list[ChatMessage],
) -> None:
    results = everything(source)
    if len(results) < len(INSIGHT_TYPES):
        assert len({message.author for message in source}) < 2
    for kind, result in results.items():
        data = as_json(result)
        assert all(math.isfinite(number) for number in numbers(data)), kind
        assert 2 <= len(result.sentences) <= 6, kind
        assert all(0 < len(sentence) <= 1_024 for sentence in result.sentences), kind
        assert data["chart"]["type"] in {"heatmap", "bars", "line", "table"}
        check_chart(data["chart"])


def check_chart(chart: dict[str, Any]) -> None:
    """A chart's values have the shape that its labels promise."""
    if chart["type"] == "heatmap":
        assert len(chart["values"]) == len(chart["rows"])
        assert all(len(row) == len(chart["columns"]) for row in chart["values"])
    elif chart["type"] == "table":
        assert all(len(row) == len(chart["columns"]) for row in chart["rows"])
    else:
        assert all(len(series["values"]) == len(chart["labels"]) for series in chart["series"])


@settings(max_examples=20)
@given(chats())
def test_sums_and_shares_account_for_every_message(source: list[ChatMessage]) -> None:
    results = {kind: as_json(result) for kind, result in everything(source).items()}
    count = len(source)
    assert sum(map(sum, results["activity_heatmap"]["chart"]["values"])) == count
    assert sum(map(sum, results["media_and_links"]["chart"]["values"])) == count
    assert sum(results["timeline"]["months"]["messages"]) == count
    owls = results["night_owls"]
    assert sum(row["first_of_day"] for row in owls["rows"]) == owls["day_count"]
    assert sum(row["last_of_day"] for row in owls["rows"]) == owls["day_count"]
    if "message_balance" in results:
        balance = results["message_balance"]
        assert sum(row["messages"] for row in balance["rows"]) == count
        assert sum(row["share"] for row in balance["rows"]) == pytest.approx(1, abs=1e-4)
        begun = results["initiations_and_silences"]
        assert sum(row["starts"] for row in begun["rows"]) == begun["session_count"]
        assert sum(row["end_share"] for row in begun["rows"]) == pytest.approx(1, abs=1e-4)
        graph = results["reply_graph"]
        assert sum(map(sum, graph["chart"]["values"])) == graph["reply_count"]
        asked = results["attention"]
        assert asked["answered_count"] + asked["unanswered_count"] <= asked["question_count"]


@settings(max_examples=15)
@given(chats())
def test_the_same_chat_makes_the_same_insights(source: list[ChatMessage]) -> None:
    assert everything(source) == everything(list(source))


@settings(max_examples=15)
@given(chats())
def test_the_numbers_do_not_depend_on_what_people_are_called(source: list[ChatMessage]) -> None:
    # Given the same chat under names that sort the other way round
    names = {"Ann": "Zoe", "Bob": "Yan", "Cem": "Xia", "Dö 🙂": "Wes", "名前": "Vic"}
    renamed = [replace(message, author=names[str(message.author)]) for message in source]
    original, other = everything(source), everything(renamed)
    # Then what each person gets is the same
    for kind in ("message_balance", "response_times", "night_owls", "laughter", "affection", "attention"):
        if kind in original:
            rows = {names[row["author"]]: row for row in as_json(original[kind])["rows"]}
            others = {row["author"]: row for row in as_json(other[kind])["rows"]}
            assert {name: row | {"author": name} for name, row in rows.items()} == others


@pytest.fixture(scope="module")
def huge_group() -> dict[str, InsightResult]:
    """A group of 300 people with long names in four-byte letters, with different words, emoji and sites."""
    authors = [chr(0x20000 + n) * 200 for n in range(300)]
    emoji = "😂❤🦄🎉🙏👍🔥😍🥰😭😊🤔🙌💪😅✨"
    source = []
    for n in range(6_000):
        word = "".join(chr(0x20000 + (n * 7 + k) % 900) for k in range(40))
        body = (
            f"{word} {word} {'?' * (n % 3)} {emoji[n % 16]} https://{n % 400:0200d}.org haha thanks my love"
        )
        moment = _START + timedelta(hours=11 * n, seconds=n % 60)
        kind = KINDS[n % len(KINDS)] if n % 5 == 0 else "text"
        source.append(
            ChatMessage(
                n + 1, authors[n % 300 if n % 5 else n // 5 % 300], moment, body * 3, kind, n % 7 == 0
            )
        )
    return everything(source)


def test_data_stays_under_256_kib_whatever_people_write(huge_group: dict[str, InsightResult]) -> None:
    assert len(huge_group) == len(INSIGHT_TYPES)
    for kind, result in huge_group.items():
        as_text = json.dumps(result.data, ensure_ascii=False).encode()
        assert len(as_text) < MAX_BYTES, kind
        assert to_struct(result.data).ByteSize() < MAX_BYTES, kind


def test_sentences_stay_short_whatever_people_are_called(huge_group: dict[str, InsightResult]) -> None:
    for result in huge_group.values():
        assert all(len(sentence) <= 1_024 for sentence in result.sentences)


def test_authors_without_a_row_are_added_up_under_others(huge_group: dict[str, InsightResult]) -> None:
    balance = as_json(huge_group["message_balance"])
    assert len(balance["rows"]) == 50
    assert balance["others"]["authors"] == 250
    assert sum(row["messages"] for row in balance["rows"]) + balance["others"]["messages"] == 6_000
    assert sum(row["share"] for row in balance["rows"]) + balance["others"]["share"] == pytest.approx(
        1, abs=1e-3
    )
    media = as_json(huge_group["media_and_links"])
    assert sum(map(sum, media["chart"]["values"])) + media["others"]["messages"] == 6_000
