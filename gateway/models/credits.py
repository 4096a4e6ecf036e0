"""Coins."""

from enum import StrEnum

from pydantic import BaseModel, Field

from gateway.models.base import JOB_ID, NEXT_PAGE_TOKEN, Time, example


class TransactionType(StrEnum):
    """Why a balance changed."""

    PURCHASE = "PURCHASE"
    INSIGHT_UNLOCK = "INSIGHT_UNLOCK"
    REFUND = "REFUND"
    BONUS = "BONUS"
    ADJUSTMENT = "ADJUSTMENT"
    CHARGEBACK = "CHARGEBACK"


class Balance(BaseModel):
    """The coins of one user."""

    model_config = example(
        user_id="alice", balance=850, reserved=400, available=450, update_time="2026-03-01T09:30:00Z"
    )

    user_id: str
    balance: int = Field(description="coins owned, reserved ones included")
    reserved: int = Field(description="coins held for work that was ordered")
    available: int = Field(description="coins that can be spent now: balance - reserved")
    update_time: Time | None = Field(description="null for a user who never had any coins")


class Transaction(BaseModel):
    """One change of the balance."""

    model_config = example(
        transaction_id="0197a3c5-52f0-7d5e-a6b7-1f2e3d4c5b6a",
        type="INSIGHT_UNLOCK",
        amount=-400,
        balance_after=450,
        description="romantic",
        reservation_id="0197a3c4-20b1-7a1b-bc0d-6e5f4a3b2c1d",
        reference_type="job",
        reference_id=JOB_ID,
        metadata={},
        create_time="2026-03-01T09:31:12.480Z",
    )

    transaction_id: str
    type: str = Field(description="PURCHASE, INSIGHT_UNLOCK, REFUND, BONUS, ADJUSTMENT or CHARGEBACK")
    amount: int = Field(description="coins: positive came in, negative went out")
    balance_after: int
    description: str
    reservation_id: str | None
    reference_type: str
    reference_id: str
    metadata: dict[str, str]
    create_time: Time | None


class Transactions(BaseModel):
    """A page of transactions, newest first."""

    transactions: list[Transaction]
    next_page_token: str = NEXT_PAGE_TOKEN
