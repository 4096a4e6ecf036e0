"""The seam to credit_service: what an erasure asks of the user's account."""

import uuid

from chat_service.core import Core
from chat_service.errors import AccountNotFound
from protos.credit.v1 import credit_pb2


async def erase_account(core: Core, user_id: str, erasure_id: uuid.UUID) -> int | None:
    """Close the account and take the user's id off the books; answer the coins that were left.

    None is the answer for a user who has no account. A repeated call gets the same answer and touches no
    account that the user has by then. Raises `ServiceError`.
    """
    request = credit_pb2.EraseAccountRequest(user_id=user_id, request_id=str(erasure_id))
    try:
        answer = await core.caller.call(
            core.credit.EraseAccount, request, timeout_s=core.settings.rpc_max_deadline_s
        )
    except AccountNotFound:
        return None
    return answer.account.balance


async def forget_events(core: Core, erasure_id: uuid.UUID) -> None:
    """Take the erased account's events out of the published stream. Raises `ServiceError`."""
    # Named by its pseudonym: the user's id may stand for a new account by now.
    request = credit_pb2.EraseAccountRequest(
        user_id=f"erased-{erasure_id}", request_id=str(erasure_id), forget_events=True
    )
    await core.caller.call(core.credit.EraseAccount, request, timeout_s=core.settings.rpc_max_deadline_s)
