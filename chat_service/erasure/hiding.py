"""How an erasure begins: in one transaction the user and all that is theirs is gone from every read."""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats import repository as chats
from chat_service.erasure import repository
from chat_service.erasure.models import Erasure
from chat_service.erasure.steps import Step
from chat_service.errors import UserNotFound
from chat_service.jobs import repository as jobs
from chat_service.jobs.cancel import cancel_of_user
from chat_service.users import repository as users
from chat_service.users.models import User
from servicekit.ids import uuid7

#: Whoever hid the user goes on at once; after it another copy does, should that one have died.
HEAD_START = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Hidden:
    """The erasure, and what this call did for it; nothing, when an earlier one had begun it."""

    erasure: Erasure
    #: Jobs to `settle`.
    job_ids: list[uuid.UUID] = field(default_factory=list)
    chat_count: int = 0
    job_count: int = 0
    begun: bool = False


async def hide(session: AsyncSession, user_id: str, request_id: uuid.UUID, retention: timedelta) -> Hidden:
    """Begin the erasure of a live user; raises `UserNotFound` when there never was one, or no more.

    The replay is decided first, behind the lock, because the same request may be faster in another call: one
    that is repeated after somebody has logged in again deletes nobody. A deleted user answers as the first
    time, whatever the request id, until the purge.
    """
    user = await users.lock(session, user_id)
    earlier = await repository.find_by_request(session, user_id, request_id)
    if earlier is None and (user is None or user.delete_time is not None):
        earlier = await repository.find_latest(session, user_id)
        if earlier is None:
            raise UserNotFound(user_id)
    if earlier is not None:
        return Hidden(earlier)
    assert user is not None
    return await _hide(session, user, request_id, retention)


async def _hide(session: AsyncSession, user: User, request_id: uuid.UUID, retention: timedelta) -> Hidden:
    now = await chats.clock(session)
    erasure = Erasure(
        erasure_id=uuid7(),
        user_id=user.user_id,
        request_id=request_id,
        step=Step.CLOSE_ACCOUNT,
        create_time=now,
        purge_time=now + retention,
        due_time=now + HEAD_START,
    )
    session.add(erasure)
    users.mark_deleted(user, now)
    await session.flush()
    chat_count = await chats.erase_of_user(session, user.user_id, erasure.erasure_id, now, erasure.purge_time)
    # After the chats: an order that came before holds its chat, and is seen here.
    job_ids = await cancel_of_user(session, user.user_id)
    job_count = await jobs.erase_of_user(session, user.user_id, erasure.erasure_id)
    return Hidden(erasure, job_ids, chat_count, job_count, begun=True)
