"""A credit_service with a Stripe and a Razorpay on loopback."""

from collections.abc import Iterator

import pytest

from tests.credit_service.client import Client
from tests.credit_service.database import Database
from tests.credit_service.payments.shop import Shop, settings
from tests.credit_service.server import Server
from tests.fakes.razorpay_server import FakeRazorpay
from tests.fakes.stripe_server import FakeStripe


@pytest.fixture(scope="package")
def stripe_api() -> Iterator[FakeStripe]:
    """Stripe."""
    with FakeStripe() as server:
        yield server


@pytest.fixture(scope="package")
def razorpay_api() -> Iterator[FakeRazorpay]:
    """Razorpay."""
    with FakeRazorpay() as server:
        yield server


@pytest.fixture(scope="package")
def selling(migrated: str, stripe_api: FakeStripe, razorpay_api: FakeRazorpay) -> Iterator[Server]:
    """A server that sells, which every test shares."""
    given = settings(stripe_api, razorpay_api)
    with Server(migrated, credit_sweep_interval_s=0, **given) as server:
        yield server


@pytest.fixture
def shop(
    selling: Server, database: Database, stripe_api: FakeStripe, razorpay_api: FakeRazorpay
) -> Iterator[Shop]:
    """The server on empty tables; after the test the books must be right."""
    stripe_api.reset()
    razorpay_api.reset()
    with Client(selling.target) as client:
        shop = Shop(client, stripe_api, razorpay_api, selling.port)
        yield shop
        shop.verify()
