"""Jobs whose insights a language model makes, against both real services and a fake of the vendor's API.

The counts of calls by insight type say who pays for what: a model's answer is paid for once, whatever dies.
"""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
from google.protobuf.json_format import MessageToDict

from insight_worker.clients import Clients
from insight_worker.registry import load_pipelines
from insight_worker.runner import JobRunner
from insight_worker.settings import WorkerSettings
from protos.insight.v1 import insight_pb2
from servicekit.embedded import EmbeddedPostgres
from servicekit.errors import InvalidField
from tests.eventually import eventually
from tests.fakes.openai_server import Behaviour, FakeOpenAI
from tests.insight_worker.house import PRICE, Customer, House, Service
from tests.insight_worker.running import die, end, expired

StartWorker = Callable[..., Service]

#: What the types of the tests' catalogue cost.
STREAKS, WARMTH, STORY = 10, 15, 5
SECRET = "sk-nobody-may-see-this"


@pytest.fixture(scope="module")
def running_fake() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        yield server


@pytest.fixture
def fake(running_fake: FakeOpenAI) -> FakeOpenAI:
    """The model, behaving well and asked nothing yet."""
    running_fake.forget()
    return running_fake


def model_settings(fake: FakeOpenAI) -> dict[str, Any]:
    """What a worker is told of the model: a dollar for a thousand tokens read, two for those written."""
    return {
        "model_base_url": fake.base_url,
        "model_name": "fake-model",
        "model_api_key": SECRET,
        "model_timeout_s": 0.5,
        "model_input_usd_per_million": 1_000,
        "model_output_usd_per_million": 2_000,
        "worker_patience_s": 1.0,
    }


@pytest.fixture
def asking(worker_settings: WorkerSettings, fake: FakeOpenAI) -> WorkerSettings:
    """Settings of a runner in this process that may ask the fake."""
    return WorkerSettings.model_validate({**worker_settings.model_dump(), **model_settings(fake)})


@pytest.fixture
def asking_clients(asking: WorkerSettings) -> Iterator[Clients]:
    clients = Clients.connect(asking)
    yield clients
    clients.close()


@pytest.fixture
def asking_runner(asking: WorkerSettings, asking_clients: Clients) -> JobRunner:
    """A runner in this process that may ask the fake."""
    return JobRunner(asking_clients, load_pipelines(asking.worker_pipelines), asking)


@pytest.fixture
def start_asking(start_worker: StartWorker, fake: FakeOpenAI) -> StartWorker:
    """Start worker processes that may ask the fake."""
    own = {name: str(value) for name, value in model_settings(fake).items()}
    return lambda name: start_worker(name, **{**own, "model_timeout_s": "30", "worker_patience_s": "15"})


def rows(postgres: EmbeddedPostgres, statement: str, job_id: str) -> list[tuple[Any, ...]]:
    """Read chat_service's database."""
    connection = psycopg2.connect(postgres.url("worker_chat"))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, [job_id])
            return cursor.fetchall()
    finally:
        connection.close()


def test_a_model_makes_insights_once_each_and_what_it_took_is_recorded(
    asking_runner: JobRunner, customer: Customer, fake: FakeOpenAI, postgres: EmbeddedPostgres
) -> None:
    # Given an order of one computed insight and two by a model
    job_id = customer.unlock("told")
    # When a worker runs it
    asking_runner.run(job_id)
    # Then each was asked for once, with the key, and all are shown for one charge
    assert customer.state(job_id) == "COMPLETED"
    assert fake.counts() == {"warmth": 1, "story": 1}
    assert {one.authorization for one in fake.requests} == {f"Bearer {SECRET}"}
    assert set(customer.insights()) == {"streaks", "warmth", "story"}
    assert customer.coins() == (100 - PRICE, 0)
    assert customer.job(job_id).charge_amount == PRICE
    # And a quote names its message
    data = MessageToDict(customer.insights()["warmth"].data)
    [quote] = data["signs"][0]["quotes"]
    assert quote["text"] == f"message {int(quote['positions'][0]) - 1}"
    # And the tokens and their cost stand with the step and with the job
    steps = rows(
        postgres,
        "SELECT name, model, input_tokens, output_tokens, cost_micro_usd FROM job_steps"
        " WHERE job_id = %s AND model <> '' ORDER BY save_order",
        job_id,
    )
    assert [(name, model) for name, model, *_ in steps] == [
        ("model.warmth.answer_1", "fake-model"),
        ("model.story.answer_1", "fake-model"),
    ]
    assert all(cost == 1_000 * read + 2_000 * written for *_, read, written, cost in steps)
    [total] = rows(
        postgres, "SELECT input_tokens, output_tokens, cost_micro_usd FROM jobs WHERE job_id = %s", job_id
    )
    assert total == tuple(sum(step[place] for step in steps) for place in (2, 3, 4))


@pytest.mark.parametrize(
    ("behaviour", "calls"),
    [
        (Behaviour("rate_limited", times=2, only="warmth", retry_after_s=0.01), 3),
        (Behaviour("error", times=1, only="warmth"), 2),
        (Behaviour("cut", times=1, only="warmth"), 2),
        (Behaviour("lying", times=1, only="warmth"), 2),
        (Behaviour("truncated", times=1, only="warmth"), 2),
        (Behaviour("invalid_json", times=1, only="warmth"), 2),
    ],
)
def test_what_goes_wrong_once_is_made_good(
    asking_runner: JobRunner, customer: Customer, fake: FakeOpenAI, behaviour: Behaviour, calls: int
) -> None:
    fake.behave(behaviour)
    job_id = customer.unlock("told")
    asking_runner.run(job_id)
    assert customer.state(job_id) == "COMPLETED"
    assert fake.counts() == {"warmth": calls, "story": 1}
    assert len(customer.charges()) == 1


@pytest.mark.parametrize(
    ("behaviour", "reason", "calls"),
    [
        (Behaviour("lying"), "QUOTES_NOT_FOUND", 2),
        (Behaviour("truncated"), "MODEL_ANSWER_INVALID", 2),
        (Behaviour("invalid_json"), "MODEL_ANSWER_INVALID", 2),
        (Behaviour("refusal"), "MODEL_REFUSED", 1),
        (Behaviour("error", status=401), "MODEL_UNAVAILABLE", 1),
        (Behaviour("error", status=503), "MODEL_UNAVAILABLE", None),
        (Behaviour("rate_limited", retry_after_s=0.1), "MODEL_UNAVAILABLE", None),
        (Behaviour("slow", delay_s=1.0), "MODEL_UNAVAILABLE", None),
    ],
)
def test_what_stays_wrong_fails_the_job_with_its_reason_and_costs_nothing(
    asking_runner: JobRunner,
    customer: Customer,
    fake: FakeOpenAI,
    logs: list[Any],
    behaviour: Behaviour,
    reason: str,
    calls: int | None,
) -> None:
    # Given a model that never does what it should
    fake.behave(behaviour)
    job_id = customer.unlock("told")
    # When a worker runs the job
    asking_runner.run(job_id)
    # Then it ends in this attempt with the reason, and the coins are back
    job = customer.job(job_id)
    assert customer.state(job_id) == "FAILED"
    assert job.error.reason == reason
    assert job.error.metadata["insight_type_id"] == "warmth"
    assert (customer.coins(), customer.charges(), customer.insights()) == ((100, 0), [], {})
    # And the other one was never asked for
    assert fake.counts()["story"] == 0
    assert calls is None or fake.counts()["warmth"] == calls
    # And neither key nor chat stands in a log
    assert SECRET not in str(logs)
    assert "message 3" not in str(logs)


def test_a_worker_without_a_model_fails_what_needs_one(runner: JobRunner, customer: Customer) -> None:
    # Given a worker that was not told of the model which chat_service sells the insights of
    job_id = customer.unlock("told")
    runner.run(job_id)
    assert customer.job(job_id).error.reason == "MODEL_UNAVAILABLE"
    assert customer.coins() == (100, 0)


def test_what_succeeded_is_charged_and_the_rest_can_be_ordered_at_its_price(
    asking_runner: JobRunner, customer: Customer, fake: FakeOpenAI
) -> None:
    # Given a category that is charged for what succeeds, and a model that lies about one insight
    fake.behave(Behaviour("lying", only="warmth"))
    job_id = customer.unlock("told_in_part")
    # When a worker runs it
    asking_runner.run(job_id)
    # Then the others are shown and charged, and the totals say what failed
    job = customer.job(job_id)
    assert customer.state(job_id) == "COMPLETED"
    assert (job.requested_count, job.completed_count, job.failed_count) == (3, 2, 1)
    assert (job.price, job.charge_amount) == (PRICE, STREAKS + STORY)
    assert [(one.insight_type_id, one.error.reason) for one in job.failures] == [
        ("warmth", "QUOTES_NOT_FOUND")
    ]
    assert set(customer.insights()) == {"streaks", "story"}
    assert customer.coins() == (100 - STREAKS - STORY, 0)
    # And when the rest is ordered of a model that is honest now, it costs no more than itself
    fake.forget()
    again = customer.unlock("told_in_part")
    asking_runner.run(again)
    assert (customer.job(again).price, customer.job(again).charge_amount) == (WARMTH, WARMTH)
    assert fake.counts() == {"warmth": 1}
    assert set(customer.insights()) == {"streaks", "warmth", "story"}
    assert customer.coins() == (100 - PRICE, 0)


def test_where_nothing_succeeds_nothing_is_charged(
    asking_runner: JobRunner, house: House, fake: FakeOpenAI
) -> None:
    # Given a chat of too few messages for what is computed, and a model that is down
    customer = house.customer(messages=5)
    fake.behave(Behaviour("error"))
    job_id = customer.unlock("told_in_part")
    asking_runner.run(job_id)
    # Then the job fails with the first reason, and the coins are back
    job = customer.job(job_id)
    assert customer.state(job_id) == "FAILED"
    assert job.error.reason == "NOT_ENOUGH_MESSAGES"
    assert (job.charge_amount, job.failed_count, len(job.failures)) == (0, 3, 3)
    assert customer.coins() == (100, 0)


@pytest.mark.parametrize("before", ["_begin", "_charge_and_finish", "_finish_completed"])
def test_a_part_is_charged_once_and_alike_whenever_a_worker_dies(
    asking_runner: JobRunner, asking_clients: Clients, customer: Customer, fake: FakeOpenAI, before: str
) -> None:
    # Given a job of which a part has succeeded, whose worker dies before it settles, charges, or says so
    fake.behave(Behaviour("lying", only="warmth"))
    job_id = customer.unlock("told_in_part")
    die(asking_runner, asking_clients, job_id, before)
    # When another one ends it, with a model that would be honest now
    fake.behave()
    assert end(asking_runner, customer, job_id) == "COMPLETED"
    # Then the model was not asked again, and the same part was charged, once
    assert fake.counts() == {"warmth": 2, "story": 1}
    assert customer.coins() == (100 - STREAKS - STORY, 0)
    assert customer.charges() == [customer.job(job_id).transaction_id]
    assert [failure.insight_type_id for failure in customer.job(job_id).failures] == ["warmth"]
    assert set(customer.insights()) == {"streaks", "story"}


def test_a_part_that_could_not_be_paid_is_paid_later_at_the_same_price(
    asking_runner: JobRunner, house: House, customer: Customer, fake: FakeOpenAI
) -> None:
    # Given a job of which a part has succeeded, and whose reservation ran out before it was charged
    fake.behave(Behaviour("lying", only="warmth"))
    job_id = expired(house, customer, "told_in_part")
    asking_runner.run(job_id)
    assert customer.state(job_id) == "PAYMENT_FAILED"
    assert customer.insights() == {}
    # When its payment is tried again
    assert end(asking_runner, customer, job_id) == "COMPLETED"
    # Then the part is charged, and what failed is still known
    job = customer.job(job_id)
    assert customer.coins() == (100 - STREAKS - STORY, 0)
    assert (job.charge_amount, job.failed_count) == (STREAKS + STORY, 1)
    assert [failure.insight_type_id for failure in job.failures] == ["warmth"]


def test_nothing_of_a_part_is_saved_once_it_is_decided_what_is_charged(
    asking_clients: Clients, customer: Customer
) -> None:
    # Given an attempt that has begun to settle with one insight
    job_id = customer.unlock("told_in_part")
    attempt = asking_clients.jobs.claim(job_id).job.attempt
    save = insight_pb2.SaveInsightRequest(job_id=job_id, attempt=attempt, insight_type_id="streaks")
    asking_clients.jobs.save_insight(save)
    settle = insight_pb2.HeartbeatRequest(job_id=job_id, attempt=attempt, settling=True)
    assert asking_clients.jobs.heartbeat(settle).charge_amount == STREAKS
    # When it saves another, then that is refused: it would be shown for nothing
    save.insight_type_id = "story"
    with pytest.raises(InvalidField, match="before it is decided what is charged"):
        asking_clients.jobs.save_insight(save)
    assert asking_clients.jobs.heartbeat(settle).charge_amount == STREAKS
    customer.delete_chat()


def test_a_worker_killed_while_the_model_answers_pays_no_answer_twice(
    start_asking: StartWorker, house: House, fake: FakeOpenAI
) -> None:
    # Given a worker process with two jobs, of a category that is charged as a whole and of one that is
    # charged in part: each has an answer, one after a lie, and waits for the next
    fake.behave(Behaviour("lying", times=1, only="warmth"), Behaviour("hold", times=2, only="story"))
    first = start_asking("first")
    customers = {category_id: house.customer() for category_id in ("told", "told_in_part")}
    jobs = {category_id: customer.unlock(category_id) for category_id, customer in customers.items()}
    eventually(lambda: fake.counts()["story"] == 2, timeout_s=20)
    assert fake.counts()["warmth"] == 3
    # When it is killed, and another one is started
    first.child.kill()
    fake.release()
    second = start_asking("second")
    # Then only the calls that nobody heard the answer of are made again
    for category_id, customer in customers.items():
        job = customer.wait_for(jobs[category_id], "COMPLETED")
        assert job.attempt == 2
        # And each user pays once, and sees all of it
        assert customer.charges() == [job.transaction_id]
        assert customer.coins() == (100 - PRICE, 0)
        assert set(customer.insights()) == {"streaks", "warmth", "story"}
    assert fake.counts() == {"warmth": 3, "story": 4}
    assert SECRET not in second.log()
