"""Lists of jobs, insights, and what is on sale."""

import uuid

import pytest

from protos.insight.v1 import insight_pb2 as pb
from tests.chat_service.clients import refused
from tests.chat_service.jobs.shop import CATEGORY, Order, Shop, state_name, types_of


def test_jobs_are_listed_newest_first_in_pages(shop: Shop) -> None:
    # Given a user with five jobs
    user_id = shop.chats.new_user()
    shop.grant(user_id, 10_000)
    orders = [shop.customer(0, user_id) for _ in range(5)]
    jobs = [shop.unlock(order) for order in orders]
    # When they are listed by twos, while new ones come in
    seen, token = [], ""
    while True:
        page = _list(shop, user_id, page_size=2, page_token=token)
        seen += [job.job_id for job in page.jobs]
        token = page.next_page_token
        if not token:
            break
        shop.unlock(shop.customer(0, user_id))
    # Then each is there once, newest first
    assert seen == [job.job_id for job in reversed(jobs)]


def test_jobs_can_be_listed_by_subject(shop: Shop, order: Order) -> None:
    job = shop.unlock(order)
    shop.unlock(shop.customer(0, order.user_id))
    assert [found.job_id for found in _list(shop, order.user_id, subject_id=order.chat_id).jobs] == [
        job.job_id
    ]


def test_another_users_jobs_are_not_listed(shop: Shop, order: Order) -> None:
    shop.unlock(order)
    assert not _list(shop, "somebody-else").jobs


def test_a_page_token_belongs_to_its_query(shop: Shop, order: Order) -> None:
    shop.unlock(order)
    shop.unlock(order, "romantic")
    token = _list(shop, order.user_id, page_size=1).next_page_token
    with refused("INVALID_FIELD", field="page_token"):
        _list(shop, order.user_id, subject_id=order.chat_id, page_token=token)
    with refused("INVALID_FIELD", field="page_token"):
        _list(shop, order.user_id, page_token=token[:-2] + "AA")
    with refused("INVALID_FIELD", field="page_size"):
        _list(shop, order.user_id, page_size=-1)


def test_the_categories_on_sale_are_listed(shop: Shop) -> None:
    categories = shop.call(shop.insights.ListCategories, pb.ListCategoriesRequest()).categories
    prices = {category.category_id: category.price for category in categories}
    assert prices == {"romantic": 400, "friendship": 200, "family": 200, "workplace": 200, "any_chat": 150}
    assert all(category.insight_type_count > 0 for category in categories)


def test_the_types_of_a_category_are_listed(shop: Shop, order: Order) -> None:
    answer = shop.call(shop.insights.ListInsightTypes, pb.ListInsightTypesRequest(category_id=CATEGORY))
    assert answer.category.insight_type_count == len(answer.insight_types)
    assert [row.insight_type_id for row in answer.insight_types] == types_of(shop.unlock(order))
    with refused("CATEGORY_NOT_FOUND", category_id="nonsense"):
        shop.call(shop.insights.ListInsightTypes, pb.ListInsightTypesRequest(category_id="nonsense"))


def test_insights_come_with_their_type_and_job(shop: Shop, order: Order) -> None:
    job = shop.complete(shop.claimed(order))
    request = pb.ListInsightsRequest(user_id=order.user_id, chat_id=order.chat_id)
    insights = shop.call(shop.insights.ListInsights, request).insights
    assert len(insights) == job.requested_count
    for insight in insights:
        assert (insight.chat_id, insight.job_id) == (order.chat_id, job.job_id)
        assert insight.data["count"] == 1
        assert list(insight.sentences) == ["There is one."]
        assert insight.insight_type.title
        assert insight.HasField("create_time")


@pytest.mark.parametrize("chat", ["unknown", "another user's"])
def test_insights_of_no_chat_of_the_user_are_not_found(shop: Shop, order: Order, chat: str) -> None:
    chat_id = str(uuid.uuid4()) if chat == "unknown" else shop.customer(0).chat_id
    with refused("CHAT_NOT_FOUND", chat_id=chat_id):
        shop.shown(Order(order.user_id, chat_id))


def test_a_chat_without_insights_has_an_empty_list(shop: Shop, order: Order) -> None:
    assert shop.shown(order) == []


def test_a_job_stays_readable_after_its_chat_was_deleted(shop: Shop, order: Order) -> None:
    # The job is the receipt of what was paid.
    job = shop.unlock(order)
    shop.chats.delete(order.user_id, order.chat_id)
    assert state_name(shop.job(job)) == "CANCELLED"


def _list(shop: Shop, user_id: str, **fields: object) -> pb.ListJobsResponse:
    request = pb.ListJobsRequest(user_id=user_id, **fields)  # type: ignore[arg-type]  # given by the tests above
    page: pb.ListJobsResponse = shop.call(shop.insights.ListJobs, request)
    return page
