"""Whatever dies or blocks between two steps: a kept event is handled later, once, and spoils no other."""

from collections.abc import Callable
from functools import partial
from typing import Any

from protos.payment.v1 import payment_pb2 as pb
from servicekit.errors import ServiceError
from tests.credit_service.client import Client, at_once, new_id
from tests.credit_service.database import Database
from tests.credit_service.payments.shop import STRIPE, Shop, outcome
from tests.eventually import eventually
from tests.fakes import stripe_server

_COINS = 400
_DUE = "UPDATE webhook_events SET due_time = now() WHERE due_time IS NOT NULL"
_CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'credit_service' AND wait_event_type = 'Lock'
"""


def test_a_handler_that_is_cut_off_has_done_nothing_and_the_background_does_it(
    shop: Shop, database: Database
) -> None:
    # given an order that somebody holds, and a webhook that waits for it
    order = shop.order()
    body = shop.stripe.event("payment_intent.succeeded", shop.stripe.pay(order.provider_order_id))
    with database.held() as held:
        held.run("SELECT FROM orders WHERE order_id = %s FOR UPDATE", order.order_id)

        def cut() -> str:
            eventually(lambda: database.waiting_for_locks() == 1)
            return str(database.run(_CUT))

        # when the handler's connection dies after the event was kept
        calls: list[Callable[[], str]] = [partial(shop.send, body), cut]
        said, _ = at_once(calls)
        # then the provider has its answer, and nothing is done
        assert str(said) == "STORED"
        assert shop.state(order) == "CREATED"
    # and when the order is free, it is done by itself, once
    database.run(_DUE)
    eventually(lambda: shop.state(order) == "PAID")
    assert shop.send(body) == "DUPLICATE"
    assert shop.holds() == _COINS


def test_a_provider_has_its_answer_while_an_order_stays_locked(shop: Shop, database: Database) -> None:
    order = shop.order()
    body = shop.stripe.event("payment_intent.succeeded", shop.stripe.pay(order.provider_order_id))
    with database.held() as held:
        held.run("SELECT FROM orders WHERE order_id = %s FOR UPDATE", order.order_id)
        assert shop.send(body) == "STORED"
    # when the provider sends it again, then it is done at once
    assert shop.send(body) == "HANDLED"
    assert shop.holds() == _COINS


def test_coins_cannot_come_twice_even_when_an_order_forgets_that_it_was_paid(
    shop: Shop, database: Database
) -> None:
    # given a paid order whose row a hand has set back
    order, _ = shop.bought()
    database.corrupt(
        "UPDATE orders SET state = 'CREATED', payment_id = NULL, paid_time = NULL, granted_coins = 0"
        " WHERE order_id = %s",
        order.order_id,
    )
    # when it is said to be paid once more, by another event
    session = shop.stripe.sessions[order.provider_order_id]
    body = shop.stripe.event("checkout.session.completed", session, "evt_again")
    assert shop.send(body) == "STORED"
    # then the unique key of what the purchase moved keeps the coins from coming again
    assert shop.holds() == _COINS
    # and the event spoils none that is behind it, and has an end
    other = shop.order(user_id="ben")
    database.run("UPDATE webhook_events SET due_time = now() - interval '1 h' WHERE event_id = 'evt_again'")
    _keep(shop, database, other)
    eventually(lambda: shop.state(other) == "PAID")
    database.run(
        "UPDATE webhook_events SET receive_time = now() - interval '5 days', due_time = now()"
        " WHERE event_id = 'evt_again'"
    )
    ended = "SELECT state FROM webhook_events WHERE event_id = 'evt_again' AND state <> 'PENDING'"
    [[state]] = eventually(lambda: database.run(ended))
    assert state == "FAILED"
    assert shop.state(other) == "PAID"


def test_an_event_that_waited_and_cannot_be_handled_has_an_end_too(shop: Shop, database: Database) -> None:
    # given an event that waited for its order, and that fails now that there is one
    order, _ = shop.bought()
    database.corrupt(
        "UPDATE orders SET state = 'CREATED', payment_id = NULL, paid_time = NULL, granted_coins = 0"
    )
    session = shop.stripe.sessions[order.provider_order_id]
    shop.send(shop.stripe.event("checkout.session.completed", session, "evt_again"))
    database.run(
        "UPDATE webhook_events SET state = 'WAITING', due_time = now(),"
        " receive_time = now() - interval '9 days' WHERE event_id = 'evt_again'"
    )
    # then it is not tried for ever
    ended = "SELECT state FROM webhook_events WHERE event_id = 'evt_again' AND due_time IS NULL"
    assert eventually(lambda: database.run(ended)) == [("FAILED",)]


def _keep(shop: Shop, database: Database, order: pb.Order) -> bytes:
    """Have an order paid, and the event kept by a copy that has died since; answer the event."""
    intent = shop.stripe.pay(order.provider_order_id)
    body = shop.stripe.event("payment_intent.succeeded", intent, f"evt_orphan_{intent['id']}")
    database.run(
        "INSERT INTO webhook_events (provider, event_id, body_digest, kind, headers, body, due_time)"
        " VALUES ('STRIPE', %s, sha256(%s), '', '{}', %s, now())",
        f"evt_orphan_{intent['id']}",
        body,
        body,
    )
    return body


def test_an_erasure_waits_for_an_order_before_it_holds_the_account(shop: Shop, database: Database) -> None:
    # given whoever settles an order, and an erasure of its user that comes meanwhile
    order, _ = shop.bought()
    request = {"user_id": "ana", "request_id": new_id()}
    with database.held() as held:
        held.run("SELECT FROM orders WHERE order_id = %s FOR NO KEY UPDATE", order.order_id)

        def settle() -> bool:
            eventually(lambda: database.waiting_for_locks() == 1)
            # when the account is to be locked, then it is free: neither waits for the other
            held.run("SELECT FROM accounts WHERE user_id = 'ana' FOR NO KEY UPDATE NOWAIT")
            held.commit()
            return True

        calls: list[Callable[[], Any]] = [partial(shop.coins.call, "EraseAccount", **request), settle]
        erased, settled = at_once(calls)
    assert not isinstance(erased, ServiceError)
    assert (erased.account.user_id, settled) == (f"erased-{request['request_id']}", True)
    assert database.one("SELECT user_id FROM orders") == erased.account.user_id


def test_an_event_of_a_killed_copy_is_found_by_another(shop: Shop, database: Database) -> None:
    # given an event that a copy kept, and died
    order = shop.order()
    body = _keep(shop, database, order)
    # then it is handled, and the provider's next delivery is known
    eventually(lambda: shop.state(order) == "PAID")
    assert outcome(shop.webhook(STRIPE, body, stripe_server.signed(body))) == "DUPLICATE"


def test_a_copy_without_a_providers_keys_leaves_its_events_to_one_that_has_them(
    shop: Shop, database: Database, start: Callable[..., Client]
) -> None:
    # given a copy without keys, which looks more often than the one that has them
    start(payment_webhook_poll_s=0.01)
    # when events are due, then each is tried once: claimed, and handled
    for number in range(5):
        order = shop.order(user_id=f"user-{number}")
        _keep(shop, database, order)
        eventually(partial(lambda order: shop.state(order) == "PAID", order))
    assert database.run("SELECT DISTINCT tries FROM webhook_events") == [(2,)]


def test_an_account_with_more_expired_reservations_than_fit_is_taken_back_from_all_the_same(
    shop: Shop, database: Database
) -> None:
    # given a purchase, and more reservations of it that are due than one transaction writes down
    order, intent = shop.bought(package_id="coins-1600")
    database.corrupt(
        "INSERT INTO reservations (reservation_id, user_id, number, amount, state, expire_time, create_time,"
        " charged_amount, release_reason, reference_type, reference_id, description, metadata)"
        " SELECT gen_random_uuid(), 'ana', n, 1, 'RESERVED', now() - interval '1 minute',"
        " now() - interval '2 minutes', 0, '', '', '', '', '{}' FROM generate_series(1, 1200) AS n;"
        " UPDATE accounts SET reserved = 1200, reservation_count = 1200 WHERE user_id = 'ana'"
    )
    # when its payment is disputed, then these are written down first, and every coin is taken back
    assert shop.says("charge.dispute.created", shop.stripe.dispute(intent)) == "HANDLED"
    assert (shop.coins.coins(), shop.state(order)) == ((0, 0, 0), "DISPUTED")
