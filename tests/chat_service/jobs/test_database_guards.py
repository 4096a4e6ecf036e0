"""The database holds the rules too, against any defect of the code: plain SQL tries what it does not."""

import itertools
import uuid

import psycopg2.errors
import pytest

from chat_service.jobs.constraints import ACTIVE, JOB_CHECKS
from chat_service.jobs.models import Job
from chat_service.jobs.states import OUTCOMES, TERMINAL, JobState, allowed
from tests.chat_service.jobs.shop import Order, Shop

_PAIRS = list(itertools.product(JobState, JobState))
_ERROR = "error_reason = 'R', error_message = '', error_metadata = '{}'"
_NO_ERROR = "error_reason = NULL, error_message = NULL, error_metadata = NULL"
_ENDED = "lease_expire_time = NULL, due_time = NULL, finish_time = now()"
_HELD = "reservation_id = coalesce(reservation_id, gen_random_uuid()), attempt = 1, lease_expire_time = now()"

#: The columns that go with each state.
_COLUMNS = {
    JobState.RESERVING: "",
    JobState.QUEUED: "reservation_id = gen_random_uuid()",
    JobState.REJECTED: f"{_ERROR}, {_ENDED}",
    JobState.RUNNING: _HELD,
    JobState.SETTLING: f"{_HELD}, settling_attempt = 1",
    JobState.COMPLETED: f"{_NO_ERROR}, {_ENDED}, transaction_id = gen_random_uuid()",
    JobState.FAILED: f"{_ERROR}, {_ENDED}",
    JobState.CANCELLED: _ENDED,
    JobState.PAYMENT_FAILED: f"{_ERROR}, payment_attempt = 1, lease_expire_time = NULL",
}
#: A way from the start to each state.
_WAYS: dict[JobState, list[JobState]] = {
    JobState.RESERVING: [],
    JobState.QUEUED: [JobState.QUEUED],
    JobState.REJECTED: [JobState.REJECTED],
    JobState.RUNNING: [JobState.QUEUED, JobState.RUNNING],
    JobState.SETTLING: [JobState.QUEUED, JobState.RUNNING, JobState.SETTLING],
    **{outcome: [JobState.QUEUED, JobState.RUNNING, JobState.SETTLING, outcome] for outcome in OUTCOMES},
}


@pytest.mark.parametrize(("before", "after"), _PAIRS, ids=str)
def test_the_database_knows_the_same_ways(
    shop: Shop, order: Order, before: JobState, after: JobState
) -> None:
    # Given a job in one state
    job_id = _insert(shop, order)
    for state in _WAYS[before]:
        _go(shop, job_id, state)
    # When plain SQL moves it to another, with the columns that go with it
    if allowed(before, after):
        _go(shop, job_id, after)
    elif before is not after:
        # Then that works exactly when the way exists
        with pytest.raises(psycopg2.errors.CheckViolation):
            _go(shop, job_id, after)


@pytest.mark.parametrize("state", sorted(TERMINAL))
@pytest.mark.parametrize(
    "change", ["failed_count = failed_count", "attempt = attempt + 1", "finish_time = now()"]
)
def test_a_terminal_row_never_changes(shop: Shop, order: Order, state: JobState, change: str) -> None:
    job_id = _insert(shop, order)
    for step in _WAYS[state]:
        _go(shop, job_id, step)
    if change == "failed_count = failed_count":
        # An update that changes nothing is none.
        shop.sql(f"UPDATE jobs SET {change} WHERE job_id = %s", job_id)
        return
    with pytest.raises(psycopg2.errors.CheckViolation):
        shop.sql(f"UPDATE jobs SET {change} WHERE job_id = %s", job_id)


@pytest.mark.parametrize(
    ("state", "change"),
    [
        (JobState.RESERVING, "reservation_id = gen_random_uuid()"),
        (JobState.QUEUED, "reservation_id = NULL"),
        (JobState.QUEUED, "payment_attempt = -1"),
        (JobState.QUEUED, "step_bytes = -1"),
        (JobState.QUEUED, "reservation_id = gen_random_uuid()"),
        (JobState.QUEUED, "price = price + 1"),
        (JobState.QUEUED, "user_id = user_id || 'x'"),
        (JobState.QUEUED, "lease_expire_time = now()"),
        (JobState.QUEUED, "attempt = 1"),
        (JobState.QUEUED, "due_time = NULL"),
        (JobState.QUEUED, "payment_retry_time = now()"),
        (JobState.QUEUED, "transaction_id = gen_random_uuid()"),
        (JobState.QUEUED, "finish_time = now()"),
        (JobState.QUEUED, "percent = 101"),
        (JobState.QUEUED, "stage_index = 1"),
        (JobState.QUEUED, "failed_count = requested_count + 1"),
        (JobState.QUEUED, "completed_ids = ARRAY['a', 'b', 'c']"),
        (JobState.QUEUED, "error_reason = 'R', error_message = '', error_metadata = '{}'"),
        (JobState.QUEUED, "state = 'NONSENSE'"),
        (JobState.RUNNING, "lease_expire_time = NULL"),
        (JobState.RUNNING, "attempt = 0"),
        (JobState.RUNNING, "forgiven_attempts = attempt + 1"),
        (JobState.RUNNING, "forgiven_attempts = -1"),
        (JobState.SETTLING, "settling_attempt = NULL"),
        (JobState.SETTLING, "state = 'CANCELLED', lease_expire_time = NULL, finish_time = now()"),
        (JobState.PAYMENT_FAILED, "payment_attempt = 0"),
        (JobState.PAYMENT_FAILED, "error_message = NULL"),
        (JobState.PAYMENT_FAILED, "finish_attempt = 1"),
    ],
)
def test_the_database_refuses_a_row_that_makes_no_sense(
    shop: Shop, order: Order, state: JobState, change: str
) -> None:
    job_id = _insert(shop, order)
    for step in _WAYS[state]:
        _go(shop, job_id, step)
    with pytest.raises(psycopg2.errors.IntegrityError):
        shop.sql(f"UPDATE jobs SET {change} WHERE job_id = %s", job_id)


def test_the_fencing_token_never_goes_back(shop: Shop, order: Order) -> None:
    job_id = _insert(shop, order)
    for step in _WAYS[JobState.RUNNING]:
        _go(shop, job_id, step)
    shop.sql("UPDATE jobs SET attempt = 2 WHERE job_id = %s", str(job_id))
    with pytest.raises(psycopg2.errors.CheckViolation):
        shop.sql("UPDATE jobs SET attempt = 1 WHERE job_id = %s", str(job_id))


@pytest.mark.parametrize(("column", "value"), [("state", "'NONSENSE'"), ("price", "0")])
def test_the_database_refuses_a_new_row_that_makes_no_sense(
    shop: Shop, order: Order, column: str, value: str
) -> None:
    # Given the columns of a job that is there, one of them changed
    _go(shop, _insert(shop, order), JobState.QUEUED)
    columns = [found.name for found in Job.__table__.columns]
    listed = ", ".join(name for name in columns if name not in (column, "job_id", "request_id"))
    # When it is inserted under new ids, then it is refused
    with pytest.raises(psycopg2.errors.CheckViolation):
        shop.sql(
            f"INSERT INTO jobs (job_id, request_id, {column}, {listed})"
            f" SELECT gen_random_uuid(), gen_random_uuid(), {value}, {listed} FROM jobs"
            " WHERE subject_id = %s",
            order.chat_id,
        )


def test_the_database_refuses_a_second_active_job(shop: Shop, order: Order) -> None:
    _insert(shop, order)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        _insert(shop, order)


def test_the_migration_has_the_checks_of_the_model(shop: Shop) -> None:
    # Given the two copies of the conditions, when both are asked of the database
    found = shop.sql(
        "SELECT conname FROM pg_constraint"
        " WHERE conrelid = 'jobs'::regclass AND contype = 'c' AND conname LIKE 'ck%%'"
    )
    assert {name for (name,) in found} == {f"ck_jobs_{name}" for name in JOB_CHECKS}
    shop.sql("DROP TABLE IF EXISTS jobs_of_the_model")
    shop.sql("CREATE TABLE jobs_of_the_model (LIKE jobs)")
    for name, condition in JOB_CHECKS.items():
        shop.sql(f"ALTER TABLE jobs_of_the_model ADD CONSTRAINT ck_jobs_{name} CHECK ({condition})")
    shop.sql(f"CREATE UNIQUE INDEX active_of_the_model ON jobs_of_the_model (job_id) WHERE {ACTIVE}")
    # Then they say the same
    definition = (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND contype = 'c' AND conname LIKE 'ck%%'"
    )
    assert dict(shop.sql(definition, "jobs")) == dict(shop.sql(definition, "jobs_of_the_model"))
    where = "SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indexrelid = %s::regclass"
    assert shop.sql(where, "uq_jobs_active") == shop.sql(where, "active_of_the_model")
    shop.sql("DROP TABLE jobs_of_the_model")


def test_the_migration_has_the_columns_of_the_model(shop: Shop) -> None:
    found = shop.sql(
        "SELECT column_name, is_nullable = 'YES' FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = 'jobs'"
    )
    assert dict(found) == {column.name: column.nullable for column in Job.__table__.columns}


def _insert(shop: Shop, order: Order) -> uuid.UUID:
    """Insert a RESERVING job that nobody looks at for a day."""
    job_id = str(uuid.uuid4())
    shop.sql(
        "INSERT INTO jobs (user_id, job_id, request_id, kind, subject_id, category_id, params, state, price,"
        " stage_index, stage_count, stage_name, percent, requested_count, completed_ids, failed_count,"
        " step_count, step_bytes, reservation_ttl_s, attempt, forgiven_attempts, worker_id,"
        " cancel_requested, abandoned, payment_attempt, due_time, create_time, update_time)"
        " VALUES (%s, %s, gen_random_uuid(), 'k', %s, 'c', '{}', 'RESERVING', 1, 0, 0, '', 0, 2, '{}', 0,"
        " 0, 0, 900, 0, 0, '', false, false, 0, now() + interval '1 day', now(), now())",
        order.user_id,
        job_id,
        order.chat_id,
    )
    return uuid.UUID(job_id)


def _go(shop: Shop, job_id: uuid.UUID, state: JobState) -> None:
    columns = _COLUMNS[state]
    comma = ", " if columns else ""
    shop.sql(f"UPDATE jobs SET state = '{state}'{comma}{columns} WHERE job_id = %s", str(job_id))


def test_what_a_job_is_charged_never_changes_once_it_is_fixed(shop: Shop, order: Order) -> None:
    # Given a job that settles with a part of its price
    job_id = _insert(shop, order)
    shop.sql("ALTER TABLE jobs DISABLE TRIGGER guard_job_charge")
    try:
        shop.sql("UPDATE jobs SET charge_mode = 'WHAT_SUCCEEDED' WHERE job_id = %s", job_id)
    finally:
        shop.sql("ALTER TABLE jobs ENABLE TRIGGER guard_job_charge")
    for state in (JobState.QUEUED, JobState.RUNNING):
        _go(shop, job_id, state)
    # When it settles without an amount, then that is refused, and so is more than the price
    with pytest.raises(psycopg2.errors.CheckViolation, match="charge_known_when_settled"):
        _go(shop, job_id, JobState.SETTLING)
    with pytest.raises(psycopg2.errors.CheckViolation, match="charge_fits"):
        shop.sql("UPDATE jobs SET charge_amount = price + 1 WHERE job_id = %s", job_id)
    shop.sql("UPDATE jobs SET charge_amount = 0 WHERE job_id = %s", job_id)
    _go(shop, job_id, JobState.SETTLING)
    # And then the amount stays, and nothing charged is never completed
    for change in ("charge_amount = 1", "charge_amount = NULL", "charge_mode = 'ALL_OR_NOTHING'"):
        with pytest.raises(psycopg2.errors.CheckViolation, match="never changes"):
            shop.sql(f"UPDATE jobs SET {change} WHERE job_id = %s", job_id)
    with pytest.raises(psycopg2.errors.CheckViolation, match="something_charged"):
        _go(shop, job_id, JobState.COMPLETED)
