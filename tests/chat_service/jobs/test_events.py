"""The business records of jobs: one for each thing that happened, none for a repetition."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.chat_service.clients import refused
from tests.chat_service.jobs.shop import Order, Shop, error

Records = list[MutableMapping[str, Any]]


@pytest.fixture
def records(shop: Shop) -> Iterator[Records]:
    """What the service logs meanwhile; it runs in this process."""
    with capture_logs() as logs:
        yield logs


def _names(records: Records, job_id: str) -> list[str]:
    return [
        entry["business_event"]
        for entry in records
        if "business_event" in entry and entry.get("job_id") == job_id
    ]


def test_an_order_and_its_completion_are_recorded_once(shop: Shop, order: Order, records: Records) -> None:
    # Given a job from order to end, and its last call repeated
    request_id = "01234567-89ab-7def-8123-456789abcdef"
    job = shop.unlock(order, request_id=request_id)
    shop.unlock(order, request_id=request_id)
    claimed = shop.claim(job).job
    done = shop.complete(claimed)
    shop.finish(claimed, "COMPLETED", transaction_id=done.transaction_id)
    # Then there are two records, with the coins in them
    assert _names(records, job.job_id) == ["job_ordered", "job_completed"]
    completed = next(entry for entry in records if entry.get("business_event") == "job_completed")
    assert (completed["price"], completed["transaction_id"]) == (200, done.transaction_id)
    assert completed["user_id"] == order.user_id


def test_a_cancelled_job_is_recorded_once(shop: Shop, order: Order, records: Records) -> None:
    job = shop.unlock(order)
    shop.cancel(job)
    shop.cancel(job)
    assert _names(records, job.job_id) == ["job_ordered", "job_cancelled"]


def test_jobs_that_end_with_their_chat_are_recorded_once(shop: Shop, order: Order, records: Records) -> None:
    # Given a queued job and one whose payment waits
    queued, unpaid = shop.unlock(order), shop.fail_payment(shop.claimed(order, "romantic"))
    shop.chats.delete(order.user_id, order.chat_id)
    assert _names(records, queued.job_id) == ["job_ordered", "job_cancelled"]
    assert _names(records, unpaid.job_id) == ["job_ordered", "payment_failed", "job_cancelled"]


def test_a_failed_and_a_rejected_job_are_recorded_with_the_reason(shop: Shop, records: Records) -> None:
    order = shop.customer()
    job = shop.claimed(order)
    shop.release(job)
    shop.finish(job, "FAILED", error=error("NOT_ENOUGH_MESSAGES"))
    with refused("INSUFFICIENT_CREDITS"):
        shop.unlock(shop.customer(coins=1))
    reasons = {entry["business_event"]: entry.get("reason") for entry in records if "business_event" in entry}
    assert reasons["job_failed"] == "NOT_ENOUGH_MESSAGES"
    assert reasons["job_rejected"] == "INSUFFICIENT_CREDITS"
