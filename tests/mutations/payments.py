"""What is taken out of payments, one at a time, and which tests must notice."""

from collections.abc import Iterator

from tests.mutations.ledger import ROOT, Mutation

_PAYMENTS = "credit_service/payments"
# Its number depends on what else was merged before it.
_MIGRATION = str(next((ROOT / "credit_service/migrations/versions").glob("*_payments.py")).relative_to(ROOT))
_TESTS = "tests/credit_service/payments"
_SHUFFLED = (f"{_TESTS}/test_shuffled.py",)
_FAILURES = (f"{_TESTS}/test_failures.py",)
_WEBHOOKS = (f"{_TESTS}/test_webhooks.py",)
_RULES = (f"{_TESTS}/test_rules.py",)
_GUARDS = (f"{_TESTS}/test_guards.py",)
_PURCHASES = ("tests/chat_service/jobs/test_purchases.py",)


def payment_mutations() -> Iterator[Mutation]:
    """Answer all of them."""
    for name, file, before, after, tests in _ALL:
        yield Mutation(f"payments: {name}", file, before, after, tests)


_ALL = (
    (
        "orders are not locked",
        f"{_PAYMENTS}/repository.py",
        "WHERE order_id = $1 FOR NO KEY UPDATE",
        "WHERE order_id = $1",
        _SHUFFLED,
    ),
    (
        "events are not locked",
        f"{_PAYMENTS}/webhook_events.py",
        "WHERE event_number = $1 FOR NO KEY UPDATE",
        "WHERE event_number = $1",
        _SHUFFLED,
    ),
    (
        "what a purchase moved has no unique key, and neither has its request",
        _MIGRATION,
        "    CONSTRAINT order_transactions_pkey PRIMARY KEY (business_key),\n",
        "",
        _GUARDS,
    ),
    (
        "an event may be kept twice under its id",
        _MIGRATION,
        "    CONSTRAINT webhook_events_event_id_key UNIQUE (provider, event_id),\n",
        "",
        _GUARDS,
    ),
    (
        "a body may be kept twice under other ids",
        _MIGRATION,
        "    CONSTRAINT webhook_events_body_digest_key UNIQUE (provider, body_digest),\n",
        "",
        _WEBHOOKS,
    ),
    (
        "one payment may pay two orders",
        _MIGRATION,
        "    CONSTRAINT orders_payment_id_key UNIQUE (provider, payment_id),\n",
        "",
        _GUARDS,
    ),
    (
        "a request may make two orders",
        _MIGRATION,
        "    CONSTRAINT orders_user_id_request_id_key UNIQUE (user_id, request_id),\n",
        "    CONSTRAINT orders_user_id_request_id_key UNIQUE (user_id, request_id, order_id),\n",
        (f"{_TESTS}/test_orders.py",),
    ),
    (
        "an order may go back",
        _MIGRATION,
        "NEW.state <> OLD.state\n",
        "false\n",
        _GUARDS,
    ),
    (
        "an order may change its terms",
        _MIGRATION,
        "NEW.currency, NEW.amount, NEW.coins)",
        "NEW.currency, OLD.amount, OLD.coins)",
        _GUARDS,
    ),
    (
        "the amount is not looked at",
        f"{_PAYMENTS}/rules.py",
        "fact.amount != order.amount",
        "False",
        _WEBHOOKS,
    ),
    (
        "the currency is not looked at",
        f"{_PAYMENTS}/rules.py",
        "fact.currency != order.currency",
        "False",
        _WEBHOOKS,
    ),
    (
        "a paid order is paid again",
        f"{_PAYMENTS}/rules.py",
        "if order.payment_id is not None:\n        second",
        "if False:\n        second",
        _RULES,
    ),
    (
        "a reversal of another payment counts",
        f"{_PAYMENTS}/rules.py",
        "own = [reversal for reversal in known if reversal.payment_id == order.payment_id]",
        "own = list(known)",
        _RULES,
    ),
    (
        "a status may go back",
        f"{_PAYMENTS}/rules.py",
        "merged = _forward(before[new.key], new) if new.key in before else new",
        "merged = new",
        _RULES,
    ),
    (
        "more is taken than there is",
        f"{_PAYMENTS}/rules.py",
        "return -min(change, purse.balance)",
        "return -change",
        _RULES,
    ),
    (
        "what came before the payment is forgotten",
        f"{_PAYMENTS}/rules.py",
        "return _after_all(granted, reversals, ",
        "return _after_all(granted, (), ",
        _RULES,
    ),
    (
        "reserved coins stay out of reach",
        f"{_PAYMENTS}/settlement.py",
        "allow_reserved=True",
        "allow_reserved=False",
        (f"{_TESTS}/test_reversals.py",),
    ),
    (
        "an old signature is good",
        f"{_PAYMENTS}/signatures.py",
        "int(stamps[0]) < now_s - tolerance_s",
        "False",
        (f"{_TESTS}/test_signatures.py",),
    ),
    (
        "a signature of tomorrow is good",
        f"{_PAYMENTS}/signatures.py",
        "int(stamps[0]) > now_s + MAX_CLOCK_SKEW_S",
        "False",
        (f"{_TESTS}/test_signatures.py",),
    ),
    (
        "forged webhooks are kept without end",
        f"{_PAYMENTS}/webhook_events.py",
        "rejection_number <= $1",
        "rejection_number < $1 - 1000000",
        _WEBHOOKS,
    ),
    (
        "an account with too much that is due is left alone",
        "credit_service/store/joining.py",
        "if self._opened.more_due:",
        "if False:",
        _FAILURES,
    ),
    (
        "an erasure leaves the orders' locks for after the account's",
        "credit_service/erasure.py",
        "    await connection.execute(_LOCK_ORDERS, user_id)\n",
        "",
        _FAILURES,
    ),
    (
        "orders at once are counted without each other",
        f"{_PAYMENTS}/orders.py",
        "WHERE user_id = $1 FOR NO KEY UPDATE",
        "WHERE user_id = $1 FOR KEY SHARE",
        (f"{_TESTS}/test_orders.py",),
    ),
    (
        "of two timestamps of a signature one is enough",
        f"{_PAYMENTS}/signatures.py",
        "len(stamps) != 1",
        "not stamps",
        (f"{_TESTS}/test_signatures.py",),
    ),
    (
        "a poisoned event stops the others",
        f"{_PAYMENTS}/worker.py",
        "await webhook_events.postpone(connection, number, pause(event.tries))",
        "pass",
        _FAILURES,
    ),
    (
        "coins that come while a payment is tried are forgotten",
        "chat_service/jobs/lifecycle.py",
        "again = now if job.coins_came else ",
        "again = ",
        _PURCHASES,
    ),
    (
        "two copies follow the events",
        "chat_service/jobs/cursor.py",
        ".where(CreditEventCursor.consumer == consumer, CreditEventCursor.holder == holder)",
        ".where(CreditEventCursor.consumer == consumer)",
        _PURCHASES,
    ),
    (
        "a lease that holds is taken all the same",
        "chat_service/jobs/cursor.py",
        "CreditEventCursor.lease_expire_time <= now)",
        "True)",
        _PURCHASES,
    ),
)
