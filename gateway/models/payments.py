"""Coins for money."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from gateway.models.base import Text, Time, example, length

ORDER_ID = "0197a3c6-02b4-7c11-9d2e-5a6b7c8d9e0f"


class PaymentProvider(StrEnum):
    """Who takes the money; TEST exists only where a developer allows it."""

    STRIPE = "STRIPE"
    RAZORPAY = "RAZORPAY"
    TEST = "TEST"


class Price(BaseModel):
    """What a package costs in one currency."""

    model_config = example(currency="EUR", amount=499, minor_digits=2)

    currency: str = Field(description="ISO 4217 code")
    amount: int = Field(description="in minor units of the currency, such as cents")
    minor_digits: int = Field(
        description="how many of the amount's last digits are a fraction: 2 for EUR, 0 for JPY"
    )


class Package(BaseModel):
    """An amount of coins on sale."""

    model_config = example(
        package_id="coins-400",
        title="400 coins",
        coins=400,
        prices=[{"currency": "EUR", "amount": 499, "minor_digits": 2}],
    )

    package_id: str
    title: str
    coins: int
    prices: list[Price] = Field(description="one a currency; empty: it cannot be bought")


class Packages(BaseModel):
    """The packages on sale, smallest first, and who may be paid with."""

    packages: list[Package]
    providers: list[str] = Field(description="STRIPE, RAZORPAY, TEST; empty: nothing can be bought now")


class OrderRequest(BaseModel):
    """What a user wants to buy."""

    model_config = example(package_id="coins-400", provider="STRIPE", currency="EUR")

    package_id: Text = Field(json_schema_extra=length(1, 64))
    provider: PaymentProvider
    currency: Annotated[Text, StringConstraints(pattern=r"^[A-Z]{3}$")] = Field(
        # pydantic shows no pattern behind a check of our own.
        description="ISO 4217 code",
        json_schema_extra={"minLength": 3, "maxLength": 3, "pattern": "^[A-Z]{3}$"},
    )


class Checkout(BaseModel):
    """What opens the checkout."""

    model_config = example(
        url="https://checkout.stripe.com/c/pay/cs_test_a1", key_id="", expire_time="2026-03-02T09:30:00Z"
    )

    url: str = Field(description="STRIPE: the page to open; empty for the others")
    key_id: str = Field(
        description="RAZORPAY: what its checkout script takes together with the order's provider_order_id;"
        " empty for the others"
    )
    expire_time: Time | None = Field(description="from when on it cannot be paid any more; null: no limit")


class Order(BaseModel):
    """A package that a user wants to buy, or has bought."""

    model_config = example(
        order_id=ORDER_ID,
        package_id="coins-400",
        provider="STRIPE",
        state="CREATED",
        coins=400,
        amount=499,
        currency="EUR",
        provider_order_id="cs_test_a1",
        checkout={
            "url": "https://checkout.stripe.com/c/pay/cs_test_a1",
            "key_id": "",
            "expire_time": "2026-03-02T09:30:00Z",
        },
        refunded_amount=0,
        disputed_amount=0,
        granted_coins=0,
        taken_coins=0,
        missing_coins=0,
        create_time="2026-03-01T09:30:00Z",
        update_time="2026-03-01T09:30:00Z",
        paid_time=None,
    )

    order_id: str
    package_id: str
    provider: str
    state: str = Field(description="CREATED, PAID, FAILED, REFUNDED or DISPUTED")
    coins: int = Field(description="coins that it buys")
    amount: int = Field(description="what it costs, in minor units of the currency")
    currency: str
    provider_order_id: str
    checkout: Checkout | None = Field(description="null once there is nothing to be paid any more")
    refunded_amount: int = Field(description="money given back, in minor units")
    disputed_amount: int = Field(description="money that a dispute holds or has taken, in minor units")
    granted_coins: int
    taken_coins: int = Field(description="coins taken back for refunds and disputes")
    missing_coins: int = Field(description="coins that should have been taken back and were spent already")
    create_time: Time | None
    update_time: Time | None
    paid_time: Time | None


class WebhookResult(BaseModel):
    """What became of a webhook. The provider needs not send it again."""

    model_config = example(outcome="HANDLED", event_id="evt_1", order_id=ORDER_ID)

    outcome: str = Field(description="HANDLED, DUPLICATE, IGNORED, WAITING, REFUSED or STORED")
    event_id: str
    order_id: str | None
