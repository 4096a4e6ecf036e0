"""Coins: the balance, its history, and what can be bought."""

import re
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import AwareDatetime, BeforeValidator

from gateway import models, views
from gateway.auth import CurrentUser
from gateway.caching import PUBLIC, cached
from gateway.errors import FieldRefused
from gateway.openapi import NOT_MODIFIED, PageSize, PageToken, errors
from gateway.services import Backends
from protos.credit.v1 import credit_pb2
from protos.payment.v1 import payment_pb2
from servicekit.errors import ServiceError


def _rfc3339(value: object) -> object:
    """Let only text through that begins like a date: pydantic takes numbers as seconds since 1970, too."""
    if not isinstance(value, str) or _DATE_TIME.match(value) is None:
        raise ValueError("must be a time as RFC 3339 writes it, such as 2026-03-01T09:30:00Z")
    return value


_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}")
_Instant = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]

router = APIRouter(prefix="/api/credits", tags=["credits"])


@router.get("/balance", responses=errors(401))
async def get_balance(user_id: CurrentUser, services: Backends) -> models.Balance:
    """Answer the user's coins: owned, reserved, available. A user who never had any has none."""
    request = credit_pb2.GetAccountRequest(user_id=user_id)
    try:
        account = (await services.caller.call(services.credits.GetAccount, request)).account
    except ServiceError as error:
        if error.reason != "ACCOUNT_NOT_FOUND":
            raise
        # An account comes to be with its first coin; whoever comes back after a deletion gets no bonus.
        account = credit_pb2.Account(user_id=user_id)
    return views.balance(account)


@router.get("/transactions", responses=errors(400, 401))
async def list_transactions(
    user_id: CurrentUser,
    services: Backends,
    type: Annotated[
        list[models.TransactionType] | None, Query(description="only these types; may come several times")
    ] = None,
    from_time: Annotated[
        _Instant | None, Query(description="only at or after this instant (RFC 3339)")
    ] = None,
    to_time: Annotated[_Instant | None, Query(description="only before this instant (RFC 3339)")] = None,
    page_size: PageSize = 0,
    page_token: PageToken = "",
) -> models.Transactions:
    """List what changed the balance, newest first."""
    request = credit_pb2.ListTransactionsRequest(
        user_id=user_id,
        types=[views.transaction_type(name) for name in type or ()],
        from_time=_timestamp("from_time", from_time),
        to_time=_timestamp("to_time", to_time),
        page_size=page_size,
        page_token=page_token,
    )
    answer = await services.caller.call(services.credits.ListTransactions, request)
    return models.Transactions(
        transactions=[views.transaction(row) for row in answer.transactions],
        next_page_token=answer.next_page_token,
    )


@router.get("/packages", response_model=models.Packages, responses=errors() | NOT_MODIFIED)
async def list_packages(services: Backends, request: Request) -> Response:
    """List the coin packages on sale, smallest first, with their prices, and who may be paid with.

    May be kept for a minute.
    """
    answer = await services.caller.call(services.payments.ListPackages, payment_pb2.ListPackagesRequest())
    return cached(request, views.packages(answer), PUBLIC)


def _timestamp(field: str, value: datetime | None) -> Timestamp | None:
    if value is None:
        return None
    timestamp = Timestamp()
    try:
        timestamp.FromDatetime(value.astimezone(UTC))
    except (OverflowError, ValueError):
        raise FieldRefused(field, "must be of the years 1 to 9999", status=400) from None
    return timestamp
