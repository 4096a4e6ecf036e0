"""The pipeline as the runner sees it."""

import json
import tomllib
from pathlib import Path

import pytest

from insight_worker.pipelines.chat_insights import INSIGHT_TYPES, PIPELINE
from insight_worker.pipelines.interface import ChatMessage, InsightFailed, InsightResult, InvalidParams

from .talk import Context, messages

CATALOGUE = Path(__file__).parents[3] / "chat_service" / "catalogue" / "catalogue.toml"


def run(source: list[ChatMessage], *types: str) -> dict[str, InsightResult | InsightFailed]:
    """Runs all stages for some types, by default for all."""
    context = Context(source)
    results: dict[str, InsightResult | InsightFailed] = {}
    for stage in PIPELINE.stages({"insight_type_ids": list(types or INSIGHT_TYPES)}):
        made = stage.run(context)
        assert set(made) == set(stage.produces)
        results |= made
    return results


def lines_of(count: int, *authors: str) -> list[ChatMessage]:
    """A message a minute, by the authors in turn."""
    return messages(
        "\n".join(
            f"2024-01-01 {10 + n // 60}:{n % 60:02d} {authors[n % len(authors)]}: hello" for n in range(count)
        )
    )


def test_the_messages_are_read_once_for_all_types() -> None:
    context = Context(lines_of(30, "Ann", "Bob"))
    for stage in PIPELINE.stages({"insight_type_ids": list(INSIGHT_TYPES)}):
        stage.run(context)
    assert context.reads == 1
    assert context.checks > len(INSIGHT_TYPES)


def test_only_what_was_ordered_is_made() -> None:
    stages = PIPELINE.stages({"insight_type_ids": ["emoji", "streaks"]})
    assert [(stage.name, stage.produces) for stage in stages] == [
        ("read", ()),
        ("rhythm", ("streaks",)),
        ("words", ("emoji",)),
    ]
    assert [stage.needs_messages for stage in stages] == [True, False, False]


def test_stages_have_names_of_their_own_and_titles() -> None:
    stages = PIPELINE.stages({"insight_type_ids": list(INSIGHT_TYPES)})
    assert len({stage.name for stage in stages}) == len(stages)
    assert all(stage.title for stage in stages)


def test_nineteen_messages_are_too_few_and_the_numbers_are_told() -> None:
    results = run(lines_of(19, "Ann", "Bob"))
    assert set(results) == set(INSIGHT_TYPES)
    for kind, result in results.items():
        assert isinstance(result, InsightFailed)
        assert result.reason == "NOT_ENOUGH_MESSAGES"
        assert result.metadata == {"insight_type_id": kind, "required": "20", "found": "19"}
        assert "19" in result.message


def test_twenty_messages_of_two_people_are_enough_for_everything() -> None:
    results = run(lines_of(20, "Ann", "Bob"))
    assert all(isinstance(result, InsightResult) for result in results.values())


def test_system_lines_do_not_count_as_messages() -> None:
    source = lines_of(19, "Ann", "Bob")
    source.append(ChatMessage(20, None, source[-1].sent_local_time, "Ann left", "system", False))
    result = run(source, "streaks")["streaks"]
    assert isinstance(result, InsightFailed)


def test_what_compares_people_needs_two() -> None:
    results = run(lines_of(20, "Ann"))
    failed = {kind for kind, result in results.items() if isinstance(result, InsightFailed)}
    assert failed == {
        "message_balance",
        "response_times",
        "initiations_and_silences",
        "attention",
        "reply_graph",
    }
    result = results["reply_graph"]
    assert isinstance(result, InsightFailed)
    assert (result.reason, result.metadata["required"], result.metadata["found"]) == (
        "NEEDS_TWO_AUTHORS",
        "2",
        "1",
    )


def test_an_empty_chat_fails_and_breaks_nothing() -> None:
    assert all(isinstance(result, InsightFailed) for result in run([]).values())


def test_an_unknown_type_fails_without_reading_the_chat() -> None:
    context = Context([])
    stages = PIPELINE.stages({"insight_type_ids": ["horoscope"]})
    result = stages[0].run(context)["horoscope"]
    assert isinstance(result, InsightFailed)
    assert result.reason == "UNKNOWN_INSIGHT_TYPE"
    assert (len(stages), context.reads) == (1, 0)


@pytest.mark.parametrize("ids", [None, [], "emoji", 7, [7], [""], {"emoji": True}])
def test_params_without_a_list_of_ids_are_refused(ids: object) -> None:
    with pytest.raises(InvalidParams):
        PIPELINE.stages({"insight_type_ids": ids})  # type: ignore[dict-item]  # what a broken job may hold


def test_the_catalogue_sells_every_type_and_none_that_cannot_be_made() -> None:
    catalogue = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    listed = [entry["id"] for entry in catalogue["insight_type"]]
    computed = {entry["id"] for entry in catalogue["insight_type"] if "prompt" not in entry}
    sold = {kind for category in catalogue["category"] for kind in category["insight_types"]}
    assert len(listed) == len(set(listed))
    assert set(listed) == sold
    assert computed == set(INSIGHT_TYPES)
    assert {category["kind"] for category in catalogue["category"]} == {PIPELINE.kind}


def test_the_catalogue_asks_for_no_less_than_the_computed_types_need() -> None:
    catalogue = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    for entry in catalogue["insight_type"]:
        if "prompt" not in entry:
            needs = INSIGHT_TYPES[entry["id"]].needs
            assert (entry.get("min_people", 1), entry["min_messages"]) == (
                needs.min_people,
                needs.min_messages,
            )


def test_the_catalogue_names_the_chart_that_each_type_draws() -> None:
    catalogue = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    charts = {e["id"]: e["chart"] for e in catalogue["insight_type"] if "prompt" not in e}
    drawn = {}
    for kind, result in run(lines_of(20, "Ann", "Bob")).items():
        assert isinstance(result, InsightResult)
        drawn[kind] = json.loads(json.dumps(result.data))["chart"]["type"]
    assert drawn == charts
