"""Reads and writes rows of jobs and steps."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from chat_service.errors import JobNotFound
from chat_service.jobs import lifecycle
from chat_service.jobs.constraints import ACTIVE
from chat_service.jobs.models import Job, JobStep
from chat_service.jobs.outbox import Sending
from chat_service.jobs.states import TERMINAL, JobState
from servicekit.soft_delete import INCLUDE_DELETED

#: Columns that nobody outside sees: their change is no change of the job.
_INTERNAL = frozenset(
    {
        "lease_expire_time",
        "due_time",
        "worker_id",
        "step_count",
        "step_bytes",
        "forgiven_attempts",
        "coins_came",
    }
)
#: Jobs and steps are never deleted softly: to hide what is deleted would only cost time in every call.
_PLAIN = INCLUDE_DELETED
_FRESH = {"populate_existing": True, **_PLAIN}

_LOCKED = select(Job).where(Job.job_id == bindparam("job_id")).with_for_update().subquery()
#: The row and the time, in one round trip. PostgreSQL never merges a locking subquery into the query around
#: it, so the clock is read for the row that comes out of the lock; in the locking query itself it would be
#: read before the wait.
_LOCK = select(aliased(Job, _LOCKED), func.clock_timestamp())


async def clock(session: AsyncSession) -> datetime:
    """Answer the database's time as of now; to be asked after the locks are held."""
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now


async def lock(session: AsyncSession, job_id: uuid.UUID) -> tuple[Job, datetime]:
    """Answer the locked job and the time as of then; raises `JobNotFound`.

    Closes the race of two calls that both decide from what they read before the other wrote: two claims, a
    late save and a new claim, a cancel and the beginning of the settlement.
    """
    found = await session.execute(_LOCK, {"job_id": job_id}, execution_options=_FRESH)
    row = found.one_or_none()
    if row is None:
        raise JobNotFound(job_id)
    job, now = row
    return job, now


async def lock_of_subject(session: AsyncSession, subject_id: str) -> Sequence[Job]:
    """Answer the jobs about a subject that have not ended, locked.

    Closes the race of a cancel that goes by what was true before a claim. The order is fixed, so that two
    that lock the same jobs cannot block each other.
    """
    found = await session.execute(
        select(Job)
        .where(Job.subject_id == subject_id, Job.state.not_in(TERMINAL))
        .order_by(Job.job_id)
        .with_for_update(),
        execution_options=_FRESH,
    )
    return found.scalars().all()


async def lock_of_user(session: AsyncSession, user_id: str) -> Sequence[Job]:
    """Answer the user's jobs that have not ended, locked.

    Closes the same race as `lock_of_subject`, and takes its locks in the same order.
    """
    found = await session.execute(
        select(Job)
        .where(Job.user_id == user_id, Job.erasure_id.is_(None), Job.state.not_in(TERMINAL))
        .order_by(Job.job_id)
        .with_for_update(),
        execution_options=_FRESH,
    )
    return found.scalars().all()


async def erase_of_user(session: AsyncSession, user_id: str, erasure_id: uuid.UUID) -> int:
    """Hide all jobs of a user from every read that names the user; answer how many."""
    erased = await session.execute(
        update(Job)
        .where(Job.user_id == user_id, Job.erasure_id.is_(None))
        .values(erasure_id=erasure_id)
        .returning(Job.job_id)
        .execution_options(synchronize_session=False)
    )
    return len(erased.all())


async def unfinished_of_erasure(session: AsyncSession, erasure_id: uuid.UUID) -> Sequence[uuid.UUID]:
    """Answer the jobs of an erased user that have not ended."""
    found = await session.execute(
        select(Job.job_id).where(Job.erasure_id == erasure_id, Job.state.not_in(TERMINAL))
    )
    return found.scalars().all()


async def purge_of_erasure(session: AsyncSession, erasure_id: uuid.UUID) -> None:
    """Remove for good the jobs of an erased user, whose chats and insights are gone, and their steps."""
    await session.execute(
        delete(Job).where(Job.erasure_id == erasure_id).execution_options(synchronize_session=False)
    )


async def get(session: AsyncSession, job_id: uuid.UUID, user_id: str | None = None) -> Job:
    """Answer the job as of now; raises `JobNotFound`, also for one that belongs to somebody else.

    For a user the jobs of an erased one are somebody else's.
    """
    statement = select(Job).where(Job.job_id == job_id)
    if user_id is not None:
        statement = statement.where(Job.user_id == user_id, Job.erasure_id.is_(None))
    job = (await session.execute(statement, execution_options=_FRESH)).scalar_one_or_none()
    if job is None:
        raise JobNotFound(job_id)
    return job


async def find_by_request(session: AsyncSession, user_id: str, request_id: uuid.UUID) -> Job | None:
    """Answer the job that the user ordered under this request id."""
    found = await session.execute(
        select(Job).where(Job.user_id == user_id, Job.request_id == request_id, Job.erasure_id.is_(None)),
        execution_options=_FRESH,
    )
    return found.scalar_one_or_none()


async def insert_unless_there(
    session: AsyncSession, values: Mapping[str, Any], reserve_retry: timedelta
) -> Job | None:
    """Insert a RESERVING job; None when its request id is taken or the category is being made.

    Two orders at once are decided by the unique indexes: the second waits for the first one's commit.
    """
    now = func.clock_timestamp()
    times = {"create_time": now, "update_time": now, "due_time": now + reserve_retry}
    inserted = await session.execute(
        insert(Job).values(**values, **times).on_conflict_do_nothing().returning(Job)
    )
    return inserted.scalar_one_or_none()


async def lock_orders_of(session: AsyncSession, user_id: str, chat_id: uuid.UUID) -> None:
    """Let one order for a chat be placed at a time, until the transaction ends.

    Closes the race of two categories that share a type and are ordered at once: neither would see that the
    other one's job makes it already, and where types are paid one by one it would be paid twice.
    """
    key = func.hashtextextended(f"orders/{user_id}/{chat_id}", 0)
    await session.execute(select(func.pg_advisory_xact_lock(key)))


async def types_being_made(session: AsyncSession, job: Job) -> set[str]:
    """Answer the insight types that other jobs about the same subject may still show by themselves."""
    found = await session.execute(
        select(Job.params["insight_type_ids"]).where(
            Job.user_id == job.user_id,
            Job.subject_id == job.subject_id,
            Job.job_id != job.job_id,
            text(f"({ACTIVE})"),
        ),
        execution_options=_PLAIN,
    )
    return {name for names in found.scalars() for name in names}


def apply(job: Job, changes: Mapping[str, Any], now: datetime) -> None:
    """Write the changes into the locked row; it is flushed with the commit.

    update_time moves only when something changed that others see: a renewed lease is nothing to watch.
    """
    changed = {name for name, value in changes.items() if getattr(job, name) != value}
    for name in changed:
        setattr(job, name, changes[name])
    if changed - _INTERNAL:
        job.update_time = now


async def list_page(
    session: AsyncSession,
    user_id: str,
    subject_id: str,
    after: tuple[datetime, uuid.UUID] | None,
    limit: int,
) -> Sequence[Job]:
    """Answer the user's jobs, newest first, from the one after the given key; an empty subject means all."""
    statement = select(Job).where(Job.user_id == user_id, Job.erasure_id.is_(None))
    if subject_id:
        statement = statement.where(Job.subject_id == subject_id)
    if after is not None:
        statement = statement.where(tuple_(Job.create_time, Job.job_id) < after)
    found = await session.execute(statement.order_by(Job.create_time.desc(), Job.job_id.desc()).limit(limit))
    return found.scalars().all()


async def take_due(
    session: AsyncSession,
    *,
    reserving: bool,
    pause: timedelta,
    limit: int,
    longest_pause: timedelta = timedelta(0),
) -> Sequence[Job]:
    """Answer jobs that are due, earliest first, and move their due time on so that nobody else takes them.

    They are due again after the pause, and after as long again as they have waited already, up to the
    longest pause. Closes the race of two dispatchers that send the same job: the row is locked until the new
    due time is committed, and who comes second skips it.
    """
    is_reserving = Job.state == JobState.RESERVING
    # Nothing is reserved for an erased user any more: the user's id may stand for a new account.
    wanted = is_reserving & Job.erasure_id.is_(None) if reserving else ~is_reserving
    locked = await session.execute(
        select(Job.user_id, Job.job_id)
        # now(), because an index cannot be searched for a time that changes with every row.
        .where(Job.due_time <= func.now(), wanted)
        .order_by(Job.due_time)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    keys = [(user_id, job_id) for user_id, job_id in locked]
    if not keys:
        return ()
    taken = await session.execute(
        update(Job)
        .where(tuple_(Job.user_id, Job.job_id).in_(keys))
        .values(due_time=func.clock_timestamp() + func.greatest(pause, func.least(_waited(), longest_pause)))
        .returning(Job)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return taken.scalars().all()


def _waited() -> ColumnElement[timedelta]:
    """Answer for how long no worker has come: since a lease ran out, a payment was due, or a change."""
    came = func.greatest(Job.lease_expire_time, Job.payment_retry_time)
    return func.clock_timestamp() - func.coalesce(came, Job.update_time)


async def wake_payments(
    session: AsyncSession, *, user_ids: Collection[str] | None, after: uuid.UUID | None, limit: int
) -> list[Job]:
    """Make payment retries due now that wait for their time, of these users or of all, and answer the jobs.

    At most `limit`, with greater ids than `after`, in the order of their ids. Where a payment is being tried
    at this moment the job notes that coins came: if the try fails, another one follows at once. Closes the
    race of the purchase with the end of a try that went by the balance before it: both lock the job's row.
    """
    trying = or_(Job.state == JobState.SETTLING, Job.lease_expire_time.is_not(None))
    wanted = [
        Job.state.in_((JobState.PAYMENT_FAILED, JobState.SETTLING)),
        or_(trying, Job.payment_retry_time > func.now()),
    ]
    if user_ids is not None:
        wanted.append(Job.user_id.in_(user_ids))
    if after is not None:
        wanted.append(Job.job_id > after)
    locked = await session.execute(
        select(Job.job_id).where(*wanted).order_by(Job.job_id).limit(limit).with_for_update()
    )
    keys = list(locked.scalars())
    found = await session.execute(
        select(Job, func.clock_timestamp()).where(Job.job_id.in_(keys)).order_by(Job.job_id),
        execution_options=_FRESH,
    )
    jobs = []
    for job, now in found:
        apply(job, lifecycle.coins_came(job, now), now)
        jobs.append(job)
    return jobs


async def give_back(session: AsyncSession, sendings: Sequence[Sending]) -> None:
    """Make jobs due again that could not be sent, except those that somebody has moved on meanwhile."""
    keys = [(sending.job_id, sending.due_time) for sending in sendings]
    await session.execute(
        update(Job)
        .where(tuple_(Job.job_id, Job.due_time).in_(keys))
        .values(due_time=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )


async def save_step(session: AsyncSession, values: Mapping[str, Any]) -> tuple[JobStep, bool]:
    """Store a step, or answer the one that is there; the job is locked. Says whether it is new."""
    inserted = await session.execute(
        insert(JobStep).values(**values).on_conflict_do_nothing().returning(JobStep)
    )
    step = inserted.scalar_one_or_none()
    if step is not None:
        return step, True
    key = {name: values[name] for name in ("user_id", "job_id", "name")}
    found = await session.execute(select(JobStep).filter_by(**key))
    return found.scalar_one(), False


async def list_steps(session: AsyncSession, job: Job) -> Sequence[JobStep]:
    """Answer the finished steps of a job in the order they were saved."""
    found = await session.execute(
        select(JobStep)
        .where(JobStep.user_id == job.user_id, JobStep.job_id == job.job_id)
        .order_by(JobStep.save_order)
    )
    return found.scalars().all()


async def purge_steps_of_subject(session: AsyncSession, subject_id: str) -> None:
    """Remove for good what the steps of a subject's jobs hold; the jobs stay, as receipts."""
    jobs = select(Job.user_id, Job.job_id).where(Job.subject_id == subject_id)
    await session.execute(
        delete(JobStep)
        .where(tuple_(JobStep.user_id, JobStep.job_id).in_(jobs))
        .execution_options(synchronize_session=False)
    )
