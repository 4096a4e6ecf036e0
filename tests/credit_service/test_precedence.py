"""Which error is answered when several apply, over the wire; the core's own tests know every case."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.credit_service.client import Client, duration, new_id, refused
from tests.credit_service.database import Database

TOO_MUCH = 10**12


class Scene:
    """A charged, a released, an expired and a refused reservation, a used id, and a closed account."""

    def __init__(self, client: Client, database: Database) -> None:
        client.grant(1_000)
        self.client = client
        self.used = new_id()
        self.reservations = {name: client.reserved(10) for name in ("CHARGED", "RELEASED", "EXPIRED", "OPEN")}
        client.charge(self.reservations["CHARGED"], request_id=self.used)
        client.release(self.reservations["RELEASED"])
        refused("INSUFFICIENT_CREDITS", lambda: client.reserve(TOO_MUCH))
        listed = client.call("ListReservations", user_id="ana", page_size=1)
        self.reservations["REFUSED"] = listed.reservations[0].reservation_id
        database.let_expire([self.reservations["EXPIRED"]])
        database.run("UPDATE accounts SET close_time = now()")

    def charge(self, name: str, **fields: Any) -> object:
        return self.client.charge(self.reservations[name], **fields)

    def extend(self, name: str, **fields: Any) -> object:
        fields = {"ttl": duration(5), "request_id": new_id(), **fields}
        return self.client.call("Extend", reservation_id=self.reservations[name], **fields)


Call = Callable[[Scene], object]
LADDER: dict[str, tuple[str, Call]] = {
    "malformed before a reused id": (
        "INVALID_FIELD",
        lambda s: s.charge("CHARGED", amount=-1, request_id=s.used),
    ),
    "malformed before not found": (
        "INVALID_FIELD",
        lambda s: s.client.charge(new_id(), amount=TOO_MUCH + 1),
    ),
    "a reused id before too much": (
        "REQUEST_ID_REUSED",
        lambda s: s.charge("CHARGED", amount=11, request_id=s.used),
    ),
    "a reused id before the state": ("REQUEST_ID_REUSED", lambda s: s.charge("RELEASED", request_id=s.used)),
    "a reused id before closed": ("REQUEST_ID_REUSED", lambda s: s.client.grant(1, request_id=s.used)),
    "a reused id before too few coins": (
        "REQUEST_ID_REUSED",
        lambda s: s.client.reserve(TOO_MUCH, request_id=s.used),
    ),
    "not found before too much": (
        "RESERVATION_NOT_FOUND",
        lambda s: s.client.charge(new_id(), amount=TOO_MUCH),
    ),
    "too much before CHARGED": ("CHARGE_EXCEEDS_RESERVATION", lambda s: s.charge("CHARGED", amount=11)),
    "too much before RELEASED": ("CHARGE_EXCEEDS_RESERVATION", lambda s: s.charge("RELEASED", amount=11)),
    "too much before EXPIRED": ("CHARGE_EXCEEDS_RESERVATION", lambda s: s.charge("EXPIRED", amount=11)),
    "too much before closed": ("CHARGE_EXCEEDS_RESERVATION", lambda s: s.charge("OPEN", amount=11)),
    "CHARGED before closed": ("RESERVATION_ALREADY_CHARGED", lambda s: s.charge("CHARGED", amount=9)),
    "RELEASED before closed": ("RESERVATION_ALREADY_RELEASED", lambda s: s.charge("RELEASED")),
    "EXPIRED before closed": ("RESERVATION_EXPIRED", lambda s: s.charge("EXPIRED")),
    "REFUSED before closed": ("RESERVATION_REFUSED", lambda s: s.charge("REFUSED")),
    "CHARGED before closed for an extend": ("RESERVATION_ALREADY_CHARGED", lambda s: s.extend("CHARGED")),
    "EXPIRED before closed for an extend": ("RESERVATION_EXPIRED", lambda s: s.extend("EXPIRED")),
    "closed before too few coins": ("ACCOUNT_CLOSED", lambda s: s.client.reserve(TOO_MUCH)),
    "closed when nothing else is wrong": ("ACCOUNT_CLOSED", lambda s: s.charge("OPEN")),
}


@pytest.mark.parametrize("case", LADDER)
def test_the_first_of_several_errors_is_answered(client: Client, database: Database, case: str) -> None:
    scene = Scene(client, database)
    reason, call = LADDER[case]
    refused(reason, lambda: call(scene))


def test_a_replay_is_answered_before_anything_is_looked_at(client: Client, database: Database) -> None:
    scene = Scene(client, database)
    charged = client.charge(scene.reservations["CHARGED"], request_id=scene.used)
    assert charged.transaction.amount == -10
