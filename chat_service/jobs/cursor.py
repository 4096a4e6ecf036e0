"""How far credit_service's events were followed, and which copy of the service follows them."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import String, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from chat_service.base import Base


class CreditEventCursor(Base):
    """A consumer of the events: the last one that it has handled, and who holds it until when."""

    __tablename__ = "credit_event_cursors"

    consumer: Mapped[str] = mapped_column(String(64), primary_key=True)
    event_id: Mapped[str | None] = mapped_column(String(64))
    holder: Mapped[uuid.UUID]
    lease_expire_time: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on; None is from now on: nothing was handled yet, or it is too long ago."""

    event_id: str | None


async def take(
    session: AsyncSession, consumer: str, holder: uuid.UUID, lease: timedelta, longest_gap: timedelta
) -> Position | None:
    """Become the holder and answer where to go on; None while another one holds.

    What was followed last longer than `longest_gap` ago is not followed up event by event: the position is
    from now on then, and whoever takes it has to find by other means what happened meanwhile.
    """
    now = func.clock_timestamp()
    free = insert(CreditEventCursor).values(consumer=consumer, holder=holder, lease_expire_time=now)
    await session.execute(free.on_conflict_do_nothing())
    # Closes the race of two copies that both find the lease run out: the second one waits, then reads anew.
    locked = select(CreditEventCursor.consumer).where(CreditEventCursor.consumer == consumer)
    await session.execute(locked.with_for_update())
    columns = CreditEventCursor.event_id, CreditEventCursor.lease_expire_time + longest_gap < now
    mine = or_(CreditEventCursor.holder == holder, CreditEventCursor.lease_expire_time <= now)
    row = (
        await session.execute(select(*columns).where(CreditEventCursor.consumer == consumer, mine))
    ).one_or_none()
    if row is None:
        return None
    event_id, stale = row
    await session.execute(
        update(CreditEventCursor)
        .where(CreditEventCursor.consumer == consumer)
        .values(holder=holder, lease_expire_time=now + lease)
    )
    return Position(None if stale else event_id)


async def save(
    session: AsyncSession, consumer: str, holder: uuid.UUID, lease: timedelta, event_id: str | None
) -> bool:
    """Renew the lease and note the last event that was handled, None for none; False when it is another's."""
    values = {} if event_id is None else {"event_id": event_id}
    saved = await session.execute(
        update(CreditEventCursor)
        .where(CreditEventCursor.consumer == consumer, CreditEventCursor.holder == holder)
        .values(lease_expire_time=func.clock_timestamp() + lease, **values)
        .returning(CreditEventCursor.consumer)
    )
    return saved.scalar_one_or_none() is not None
