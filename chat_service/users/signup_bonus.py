"""The coins that a user gets at the first login, once, whatever is repeated and whoever comes back."""

import uuid

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.core import Core
from chat_service.erasure import bonus_memory
from chat_service.errors import UserNotFound
from chat_service.users import repository
from protos.credit.v1 import credit_pb2
from servicekit.errors import RequestIdReused
from servicekit.logs import get_logger

log = get_logger(__name__)

#: Every copy of the service, today and later, must name a user's bonus by the same request id.
_NAMESPACE = uuid.UUID("5f0d2f0a-5a3c-5d0e-9a0b-3f6b6c1d7e42")
_DESCRIPTION = "sign-up bonus"


def bonus_request_id(user_id: str) -> uuid.UUID:
    """Answer the one request id under which this user's bonus is granted."""
    return uuid.uuid5(_NAMESPACE, user_id)


async def decide_signup_bonus(session: AsyncSession, core: Core, user_id: str) -> None:
    """Grant the bonus unless that was decided before, and note that it is; raises what the grant raises.

    The user's lock is held while credit_service is asked. Closes the race with the user's deletion: a grant
    that came after the account was erased would give coins to an account that nobody opened. It happens once
    in a user's life, and repeating it moves no coin.
    """
    user = await repository.lock(session, user_id)
    if user is None or user.delete_time is not None:
        raise UserNotFound(user_id)
    if user.signup_bonus_time is not None:
        return
    claim = bonus_memory.claim_hash(user_id, core.settings.page_token_secret)
    if await bonus_memory.is_remembered(session, claim):
        log.info("signup_bonus_withheld")
    else:
        await _grant(core, user_id)
    user.signup_bonus_time = func.clock_timestamp()
    await session.flush()


async def _grant(core: Core, user_id: str) -> None:
    """Grant the bonus; a repeated call moves no coin. Raises `ServiceError` when it could not be granted."""
    request = credit_pb2.GrantRequest(
        user_id=user_id,
        amount=core.settings.chat_signup_bonus,
        type=credit_pb2.TRANSACTION_TYPE_BONUS,
        description=_DESCRIPTION,
        request_id=str(bonus_request_id(user_id)),
    )
    try:
        await core.caller.call(core.credit.Grant, request)
    except RequestIdReused as error:
        # Granted before, when the setting was another amount: one bonus is enough.
        log.info("signup_bonus_was_granted_before", user_id=user_id, field=error.metadata.get("field"))
