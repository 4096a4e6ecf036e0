"""Steps, insights and progress that workers save."""

import math
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct, Value

from chat_service.jobs import limits
from protos.insight.v1 import insight_pb2 as pb
from tests.chat_service.clients import refused
from tests.chat_service.jobs.racing import together
from tests.chat_service.jobs.shop import Order, Shop, error, struct, types_of


def test_the_first_result_of_a_step_stays(shop: Shop, order: Order) -> None:
    # Given a saved step
    job = shop.claimed(order)
    shop.save_step(job, "rhythm", {"made": 1})
    # When it is saved again by the next attempt, with another result
    shop.run_out(job)
    again = shop.claim(job).job
    saved = shop.save_step(again, "rhythm", {"made": 2})
    # Then the first one is answered and kept
    assert (saved.step.result["made"], saved.step.attempt, saved.step.duration_ms) == (1, 1, 1.5)
    assert [(step.name, step.result["made"]) for step in shop.steps(again)] == [("rhythm", 1)]


def test_one_step_saved_twenty_times_at_once_is_one_step(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    saved = together(20, lambda index: shop.save_step(job, "rhythm", {"made": index}))
    assert len({answer.step.result["made"] for answer in saved}) == 1
    assert len(shop.steps(job)) == 1
    assert shop.column(job, "step_count") == 1


def test_steps_are_listed_in_the_order_they_were_saved(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    names = ["zebra", "ape", "Möwe", "ape 2"]
    for name in names:
        shop.save_step(job, name)
    assert [step.name for step in shop.steps(job)] == names


def test_a_result_comes_back_as_it_was_saved(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    result = {
        "null": None,
        "deep": [[{"x": 1.5}], [], {}],
        "text": '❤ \\u0000 "',
        "big": 1e300,
        "whole": 3,
        "no": False,
    }
    shop.save_step(job, "rhythm", result)
    assert shop.steps(job)[0].result == struct(result)


def test_an_insight_is_saved_once_a_type_and_hidden(shop: Shop, order: Order) -> None:
    # Given a running job
    job = shop.claimed(order)
    name = types_of(job)[0]
    # When an insight is saved twice
    first = shop.save_insight(job, name)
    second = shop.save_insight(job, name, data=struct({"count": 2}))
    # Then it is one row with the last data, counted once, and nobody sees it
    assert first.insight_id == second.insight_id
    assert shop.sql("SELECT data FROM insights WHERE job_id = %s", job.job_id) == [({"count": 2},)]
    assert shop.job(job).completed_count == 1
    assert shop.shown(order) == []


def test_only_what_was_ordered_can_be_saved(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    with refused("INVALID_FIELD", field="insight_type_id"):
        shop.save_insight(job, "something_else")
    assert shop.job(job).completed_count == 0


def test_saving_anew_never_hides_what_was_paid(shop: Shop, order: Order) -> None:
    # Given an unlocked insight that another category has too
    first = shop.complete(shop.claimed(order))
    shared = types_of(first)[0]
    seen = shop.shown(order)
    # When a job that makes it as well saves it: one that was ordered while the first one ran
    other = shop.claimed(order, "romantic")
    shop.sql(
        "UPDATE jobs SET params = jsonb_set(params, '{insight_type_ids}', %s::jsonb) WHERE job_id = %s",
        f'["{shared}"]',
        other.job_id,
    )
    shop.save_insight(other, shared, data=struct({"count": 9}))
    # Then it stays visible
    assert shop.shown(order) == seen
    # And also when that job is cancelled
    shop.beat(other, settling=True)
    shop.release(other)
    shop.finish(other, "FAILED", error=error("NO"))
    assert shop.shown(order) == seen


def test_progress_is_reported_with_every_call(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    progress = pb.JobProgress(stage_index=2, stage_count=6, stage_name="Finding the rhythm", percent=33)
    shop.save_step(job, "rhythm", progress=progress)
    assert shop.job(job).progress == progress
    # A call without progress leaves it
    shop.beat(job)
    assert shop.job(job).progress == progress


def test_a_renewed_lease_is_no_change_of_the_job(shop: Shop, order: Order) -> None:
    job = shop.job(shop.claimed(order))
    shop.beat(job)
    assert shop.job(job).update_time == job.update_time
    shop.beat(job, progress=pb.JobProgress(percent=5))
    assert shop.job(job).update_time.ToNanoseconds() > job.update_time.ToNanoseconds()


@pytest.mark.parametrize(
    ("field", "progress"),
    [
        ("progress.stage_index", {"stage_index": 3, "stage_count": 2}),
        ("progress.stage_index", {"stage_index": -1}),
        ("progress.stage_count", {"stage_count": -1}),
        ("progress.stage_count", {"stage_count": limits.MAX_STAGES + 1}),
        ("progress.percent", {"percent": 101}),
        ("progress.percent", {"percent": -1}),
        ("progress.stage_name", {"stage_name": "x" * 129}),
        ("progress.stage_name", {"stage_name": "a\x00"}),
    ],
)
def test_malformed_progress_is_refused(
    shop: Shop, order: Order, field: str, progress: dict[str, Any]
) -> None:
    job = shop.claimed(order)
    with refused("INVALID_FIELD", field=field):
        shop.beat(job, progress=pb.JobProgress(**progress))


@pytest.mark.parametrize(
    ("field", "step"),
    [
        ("step.name", {"name": ""}),
        ("step.name", {"name": "x" * 129}),
        ("step.name", {"name": "a\x00"}),
        ("step.duration_ms", {"name": "a", "duration_ms": -1.0}),
        ("step.duration_ms", {"name": "a", "duration_ms": math.nan}),
        ("step.duration_ms", {"name": "a", "duration_ms": math.inf}),
        ("step.result", {"name": "a", "result": Struct(fields={"x": Value(number_value=math.nan)})}),
        ("step.result", {"name": "a", "result": Struct(fields={"x": Value(number_value=-math.inf)})}),
        ("step.result", {"name": "a", "result": struct({"x": ["a\x00"]})}),
        ("step.result", {"name": "a", "result": struct({"a\x00": 1})}),
        ("step.result", {"name": "a", "result": struct({"x": "y" * limits.MAX_STRUCT_BYTES})}),
    ],
)
def test_a_malformed_step_is_refused(shop: Shop, order: Order, field: str, step: dict[str, Any]) -> None:
    job = shop.claimed(order)
    with refused("INVALID_FIELD", field=field):
        shop.save_step(job, "", step=pb.Step(**step))
    assert shop.steps(job) == []


@pytest.mark.parametrize(
    ("field", "insight"),
    [
        ("data", {"data": struct({"x": "y" * limits.MAX_STRUCT_BYTES})}),
        ("data", {"data": struct({"x": "a\x00"})}),
        ("sentences", {"sentences": ["x"] * 33}),
        ("sentences[1]", {"sentences": ["x", "y" * 1025]}),
        ("sentences[0]", {"sentences": ["a\x00"]}),
        ("insight_type_id", {"insight_type_id": ""}),
    ],
)
def test_a_malformed_insight_is_refused(
    shop: Shop, order: Order, field: str, insight: dict[str, Any]
) -> None:
    job = shop.claimed(order)
    with refused("INVALID_FIELD", field=field):
        shop.save_insight(job, **{"insight_type_id": types_of(job)[0], **insight})


def test_the_largest_insight_fits(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    sentences = ["z" * 1024] * 32
    data = _struct_of(limits.MAX_STRUCT_BYTES - 32 * 1024)
    shop.save_insight(job, types_of(job)[0], data=data, sentences=sentences)
    # One sentence more is one too many
    with refused("INVALID_FIELD", field="data"):
        shop.save_insight(job, types_of(job)[0], data=_struct_of(limits.MAX_STRUCT_BYTES), sentences=["z"])


def _struct_of(size_bytes: int) -> Struct:
    """Make a Struct of exactly so many bytes on the wire."""
    text = "y" * (size_bytes - 64)
    made = struct({"x": text})
    made = struct({"x": text + "y" * (size_bytes - made.ByteSize())})
    assert made.ByteSize() == size_bytes
    return made


def test_what_is_small_as_json_and_large_on_the_wire_is_refused(shop: Shop, order: Order) -> None:
    # Given numbers of one digit, which have two bytes as JSON and eleven on the wire
    job = shop.claimed(order)
    data = struct({"x": [1] * (limits.MAX_STRUCT_BYTES // 4)})
    # When they are saved, then what counts is what their readers will get
    with refused("INVALID_FIELD", field="data"):
        shop.save_insight(job, types_of(job)[0], data=data)
    with refused("INVALID_FIELD", field="step.result"):
        shop.save_step(job, "one", step=pb.Step(name="one", result=data))


def test_the_largest_of_all_insights_can_be_listed_together(shop: Shop) -> None:
    # Given a chat with everything that is sold, each as large as it may be
    order = shop.customer(coins=10_000)
    largest, shown = _struct_of(limits.MAX_STRUCT_BYTES), set()
    for category_id in _categories(shop):
        job = shop.claimed(order, category_id)
        for insight_type_id in types_of(job):
            shop.save_insight(job, insight_type_id, data=largest, sentences=[])
            shown.add(insight_type_id)
        shop.beat(job, settling=True)
        shop.finish(job, "COMPLETED", transaction_id=shop.charge(job))
    # When they are listed, then they all come in one answer
    assert set(shop.shown(order)) == shown
    # And the largest catalogue that still does is known
    assert len(shown) <= 60


def _categories(shop: Shop) -> list[str]:
    """Answer those that add something to the ones before."""
    categories: list[pb.Category] = shop.call(
        shop.insights.ListCategories, pb.ListCategoriesRequest()
    ).categories
    found, covered = [], set[str]()
    for category in categories:
        request = pb.ListInsightTypesRequest(category_id=category.category_id)
        listed = shop.call(shop.insights.ListInsightTypes, request).insight_types
        types = {insight_type.insight_type_id for insight_type in listed}
        if types - covered:
            found.append(category.category_id)
            covered |= types
    return found


def test_the_steps_of_a_job_are_bounded_together(shop: Shop, order: Order) -> None:
    # Given a job with as much in its steps as it may have
    job = shop.claimed(order)
    largest = _struct_of(limits.MAX_STRUCT_BYTES)
    most = limits.MAX_STEPS_BYTES // limits.MAX_STRUCT_BYTES
    for index in range(most):
        shop.save_step(job, "", step=pb.Step(name=f"step {index}", result=largest))
    # When one more comes, then it is refused and not kept
    with refused("INVALID_FIELD", field="step.result"):
        shop.save_step(job, "one more", {"x": 1})
    assert len(shop.steps(job)) == most


def test_the_number_of_steps_is_bounded(shop: Shop, order: Order) -> None:
    job = shop.claimed(order)
    shop.sql("UPDATE jobs SET step_count = %s WHERE job_id = %s", limits.MAX_STEPS, job.job_id)
    with refused("INVALID_FIELD", field="step"):
        shop.save_step(job, "one more")
