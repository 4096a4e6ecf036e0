"""What operators do by hand."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from gateway.models.base import WITHOUT_NUL, Text, Time, example
from gateway.models.credits import Transaction

_Reason = Annotated[Text, StringConstraints(min_length=1, max_length=512)]
_UserId = Annotated[Text, StringConstraints(min_length=1, max_length=128)]
_REASON = Field(
    description="why, 1 to 512 characters: stands in the user's list of transactions, and is erased with it",
    json_schema_extra={"pattern": WITHOUT_NUL},
)
_AMOUNT = Field(ge=1, le=10**12, description="coins")


class GrantType(StrEnum):
    """Why coins are given."""

    BONUS = "BONUS"
    ADJUSTMENT = "ADJUSTMENT"
    REFUND = "REFUND"


class AdminGrantRequest(BaseModel):
    """Coins for a user."""

    model_config = example(user_id="alice", amount=100, type="ADJUSTMENT", reason="lost in an outage")

    user_id: _UserId = Field(
        description="whose coins; an account is made for a user who has none",
        json_schema_extra={"pattern": WITHOUT_NUL},
    )
    amount: int = _AMOUNT
    type: GrantType = GrantType.ADJUSTMENT
    reason: _Reason = _REASON


class AdminRefundRequest(BaseModel):
    """Coins that go because their money was paid back by hand."""

    model_config = example(user_id="alice", amount=400, reason="money returned on 2026-03-01")

    user_id: _UserId = Field(description="whose coins", json_schema_extra={"pattern": WITHOUT_NUL})
    amount: int = _AMOUNT
    allow_reserved: bool = Field(
        False,
        description="also take coins that are reserved: the youngest reservations that no longer fit "
        "are released",
    )
    reason: _Reason = _REASON


class Account(BaseModel):
    """An account, as operators see it."""

    model_config = example(
        user_id="alice",
        balance=850,
        reserved=400,
        available=450,
        create_time="2026-03-01T09:30:00Z",
        update_time="2026-03-01T09:30:00Z",
        close_time=None,
    )

    user_id: str = Field(description='"erased-<erasure id>" for a user who was deleted')
    balance: int
    reserved: int
    available: int
    create_time: Time | None
    update_time: Time | None
    close_time: Time | None = Field(description="when it was closed; null while it is open")


class AdminMove(BaseModel):
    """What was done, and the account after it."""

    transaction: Transaction
    account: Account
