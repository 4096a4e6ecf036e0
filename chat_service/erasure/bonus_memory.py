"""That somebody who is gone has had a sign-up bonus: so that nobody deletes an account to get another one.

Remembered is a keyed hash. Without the key, which is not in the database, it says nothing about anybody; with
it, it can only be compared with a user id that is shown.
"""

import hashlib
import hmac
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.erasure.models import SignupBonusClaim

#: Keeps this use of the secret apart from every other one.
_PURPOSE = b"holdfast sign-up bonus\x00"


def claim_hash(user_id: str, secret: str) -> bytes:
    """Answer by what a user id is known again."""
    return hmac.new(secret.encode(), _PURPOSE + user_id.encode(), hashlib.sha256).digest()


async def remember(session: AsyncSession, claim: bytes, age: timedelta) -> None:
    """Remember a claim from now on for that long."""
    expire_time = func.clock_timestamp() + age
    await session.execute(
        insert(SignupBonusClaim)
        .values(claim_hash=claim, expire_time=expire_time)
        .on_conflict_do_update(index_elements=["claim_hash"], set_={"expire_time": expire_time})
    )


async def is_remembered(session: AsyncSession, claim: bytes) -> bool:
    """Tell whether this user id had a bonus before it was erased."""
    found = await session.execute(
        select(SignupBonusClaim.claim_hash).where(
            SignupBonusClaim.claim_hash == claim, SignupBonusClaim.expire_time > func.clock_timestamp()
        )
    )
    return found.scalar_one_or_none() is not None


async def forget_expired(session: AsyncSession) -> None:
    """Remove what was remembered for long enough."""
    await session.execute(
        delete(SignupBonusClaim)
        .where(SignupBonusClaim.expire_time <= func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )
