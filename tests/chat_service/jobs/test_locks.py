"""What the lock on a job's row is worth: nobody decides from what was true before the wait."""

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg2
import psycopg2.extensions
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.jobs import repository
from chat_service.jobs.models import Job
from chat_service.settings import ChatSettings
from protos.insight.v1 import insight_pb2 as pb
from servicekit.database import async_engine, session_factory, transaction
from servicekit.embedded import EmbeddedPostgres
from servicekit.retry import execute_in_transaction
from servicekit.settings import KitSettings
from tests.chat_service.jobs.conftest import Alone
from tests.chat_service.jobs.racing import outcome, together
from tests.chat_service.jobs.shop import Order, Shop, state_name
from tests.eventually import eventually
from tests.served import ServedApp


def test_the_time_is_read_after_the_lock_is_held(
    shop: Shop, order: Order, job_settings: ChatSettings
) -> None:
    # Given a job whose lease runs out while somebody else holds its row
    job = shop.claimed(order)
    holder = psycopg2.connect(job_settings.chat_database_url)
    cursor = holder.cursor()
    cursor.execute(
        "UPDATE jobs SET lease_expire_time = clock_timestamp() + interval '300 ms' WHERE job_id = %s",
        (job.job_id,),
    )
    with ThreadPoolExecutor(1) as pool:
        # When a worker claims it, and waits until the lease has run out
        claim = pool.submit(shop.claim, job)
        eventually(lambda: shop.sql("SELECT 1 FROM pg_locks WHERE NOT granted"))
        ran_out = "SELECT lease_expire_time < clock_timestamp() FROM jobs WHERE job_id = %s"
        eventually(lambda: _asked(cursor, ran_out, job))
        holder.commit()
        # Then it gets the job: what counts is the time after the wait
        assert claim.result(10).claimed
    holder.close()


def _asked(cursor: psycopg2.extensions.cursor, question: str, job: pb.Job) -> bool:
    cursor.execute(question, (job.job_id,))
    row = cursor.fetchone()
    return bool(row and row[0])


def test_the_lock_reads_the_row_anew(shop: Shop, order: Order, job_app: ServedApp) -> None:
    # Given a session that has read a job before another one changed it
    job = shop.claimed(order)

    async def work(session: AsyncSession) -> str:
        kept = (await session.execute(select(Job).where(Job.job_id == uuid.UUID(job.job_id)))).scalar_one()
        shop.sql("UPDATE jobs SET worker_id = 'another' WHERE job_id = %s", job.job_id)
        locked, _ = await repository.lock(session, uuid.UUID(job.job_id))
        assert locked is kept
        return locked.worker_id

    # When it locks the job, then it sees the change
    sessions = job_app.app.core.sessions
    assert job_app.run(lambda: execute_in_transaction(sessions, work)) == "another"


def test_a_claim_and_a_deleted_chat_leave_one_holder(shop: Shop) -> None:
    # Given queued jobs
    for _ in range(10):
        order = shop.customer()
        job = shop.unlock(order)

        # When the chat is deleted while a worker claims the job
        def claim_or_delete(index: int, order: Order = order, job: pb.Job = job) -> bool:
            if index == 0:
                return shop.claim(job).claimed
            shop.chats.delete(order.user_id, order.chat_id)
            return True

        claimed, _ = together(2, claim_or_delete)
        # Then the worker holds it and is asked to stop, or it has ended
        found = shop.job(job)
        assert found.cancel_requested
        assert state_name(found) == ("RUNNING" if claimed else "CANCELLED")


def test_an_order_at_once_with_a_slow_delete_waits_for_it(
    shop: Shop, order: Order, job_settings: ChatSettings
) -> None:
    # Given a delete of a chat that has not been committed yet
    holder = psycopg2.connect(job_settings.chat_database_url)
    cursor = holder.cursor()
    cursor.execute(
        "UPDATE chats SET delete_time = now(), purge_time = now() + interval '1 day' WHERE chat_id = %s",
        (order.chat_id,),
    )
    with ThreadPoolExecutor(1) as pool:
        # When its category is ordered
        unlock = pool.submit(_reason_of_unlock, shop, order)
        eventually(lambda: shop.sql("SELECT 1 FROM pg_locks WHERE NOT granted"))
        holder.commit()
        # Then the order finds no chat
        assert unlock.result(10) == "CHAT_NOT_FOUND"
    holder.close()


def _reason_of_unlock(shop: Shop, order: Order) -> str:
    return outcome(lambda: shop.unlock(order))


def test_what_one_dispatcher_takes_another_one_skips(alone: Alone, postgres: EmbeddedPostgres) -> None:
    # Given due jobs that one dispatcher has taken, and not yet committed
    postgres.create_database("jobs_taken")
    with alone(chat_database_url=postgres.url("jobs_taken"), job_poll_s=60.0) as shop:
        order = shop.customer()
        jobs = {shop.unlock(order).job_id, shop.unlock(order, "romantic").job_id}
        shop.sql("UPDATE jobs SET due_time = now()")
        taken, skipped = asyncio.run(_take_twice(postgres.url("jobs_taken")))
        # Then a second one gets nothing, and does not wait for it either
        assert taken == jobs
        assert skipped == set()


async def _take_twice(url: str) -> tuple[set[str], set[str]]:
    engine = async_engine(url, KitSettings(), "test")
    sessions = session_factory(engine)
    async with transaction(sessions) as first, transaction(sessions) as second:
        taken = await _take(first)
        async with asyncio.timeout(2):
            skipped = await _take(second)
    await engine.dispose()
    return taken, skipped


async def _take(session: AsyncSession) -> set[str]:
    jobs = await repository.take_due(session, reserving=False, pause=timedelta(seconds=30), limit=10)
    return {str(job.job_id) for job in jobs}
