"""What operators do by hand: coins given and taken back, accounts looked at. Demands a scope of its own."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from gateway import models, views
from gateway.idempotency import key_header, name_request
from gateway.openapi import errors
from gateway.scopes import Operator
from gateway.services import Backends
from protos.credit.v1 import credit_pb2
from servicekit.logs import business_event, get_logger

log = get_logger(__name__)

router = APIRouter(prefix="/api/admin", tags=["operators"])


async def _request_id(
    request: Request,
    operator: Operator,
    key: Annotated[
        str,
        key_header("Required; repeating the request under the same key does it once."),
    ],
) -> str:
    return name_request(request, operator, key)


#: A second try without a key would move the coins twice, so here it is no option.
_RequestId = Annotated[str, Depends(_request_id)]

#: The user sees it; which operator it was, only the log says.
_METADATA = {"by": "operator"}


@router.post("/grants", responses=errors(400, 401, 403, 409, 413))
async def grant_coins(
    order: models.AdminGrantRequest, operator: Operator, request_id: _RequestId, services: Backends
) -> models.AdminMove:
    """Give coins to a user by hand. The log says who did it."""
    request = credit_pb2.GrantRequest(
        user_id=order.user_id,
        amount=order.amount,
        type=views.transaction_type(models.TransactionType(order.type)),
        description=order.reason,
        metadata=_METADATA,
        request_id=request_id,
    )
    _announce("coins_to_be_granted_by_operator", operator, request)
    answer = await services.caller.call(services.credits.Grant, request)
    _record("coins_granted_by_operator", operator, answer.transaction)
    return models.AdminMove(
        transaction=views.transaction(answer.transaction), account=views.account(answer.account)
    )


@router.post("/refunds", responses=errors(400, 401, 402, 403, 404, 409, 413))
async def refund_coins(
    order: models.AdminRefundRequest, operator: Operator, request_id: _RequestId, services: Backends
) -> models.AdminMove:
    """Take coins back from a user by hand, because their money was paid back outside of the app."""
    request = credit_pb2.DebitRequest(
        user_id=order.user_id,
        amount=order.amount,
        type=credit_pb2.TRANSACTION_TYPE_REFUND,
        description=order.reason,
        metadata=_METADATA,
        request_id=request_id,
        allow_reserved=order.allow_reserved,
    )
    _announce("coins_to_be_refunded_by_operator", operator, request)
    answer = await services.caller.call(services.credits.Debit, request)
    _record("coins_refunded_by_operator", operator, answer.transaction)
    return models.AdminMove(
        transaction=views.transaction(answer.transaction), account=views.account(answer.account)
    )


@router.get("/accounts/{user_id:path}", responses=errors(400, 401, 403, 404))
async def get_account(
    user_id: Annotated[str, Path(description="a user id, or the pseudonym of an erased account")],
    operator: Operator,
    services: Backends,
) -> models.Account:
    """Answer anybody's account."""
    request = credit_pb2.GetAccountRequest(user_id=user_id)
    answer = await services.caller.call(services.credits.GetAccount, request)
    business_event("account_read_by_operator", operator=operator, user_id=user_id)
    return views.account(answer.account)


def _announce(event: str, operator: str, request: credit_pb2.GrantRequest | credit_pb2.DebitRequest) -> None:
    """Say in the log who asks for it, beforehand: coins may move, and nobody be there to record whose order
    it was.
    """
    log.info(event, operator=operator, user_id=request.user_id, amount=request.amount)


def _record(event: str, operator: str, transaction: credit_pb2.Transaction) -> None:
    """Say in the log who moved whose coins, also when the request is repeated; why stands in the ledger."""
    business_event(
        event,
        operator=operator,
        user_id=transaction.user_id,
        amount=transaction.amount,
        type=credit_pb2.TransactionType.Name(transaction.type).removeprefix("TRANSACTION_TYPE_"),
        transaction_id=transaction.transaction_id,
    )
