"""What is taken out of the ledger, one at a time, and which tests must notice."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
_VERSIONS = ROOT / "credit_service" / "migrations" / "versions"
_OPENING = "credit_service/migrations/versions/0002_events.py"
_NEWEST = "credit_service/migrations/versions/0003_erasure.py"
_OWNERS = "credit_service/store/opening.py"
_RULES = "credit_service/ledger/rules.py"
_CORE = ("tests/credit_service/ledger",)
_STORE = ("tests/credit_service/test_store.py",)
_COALESCER = ("tests/credit_service/test_coalescer.py",)
_GUARDS = ("tests/credit_service/test_guards.py",)
_ERASURE = ("tests/credit_service/test_erasure.py",)


@dataclass(frozen=True)
class Mutation:
    """A text of a file that is replaced by another one, and the tests that must fail then."""

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


def mutations() -> Iterator[Mutation]:
    """Answer all of them: locks, what stands around them, the rules, and the database's own guards."""
    yield from _LOCKS
    yield from _BATCHES
    yield from _GUARDS_OF_RULES
    yield from _of_the_database()


_LOCKS = (
    Mutation(
        "an owner that was erased is taken for the owner still",
        _OWNERS,
        "not in wanted.user_ids]:",
        "is None]:",
        _ERASURE,
    ),
    Mutation(
        "an erasure is not looked for before the account is closed",
        _RULES,
        "if erased := book.erased_account(close.pseudonym):",
        "if erased := None:",
        _ERASURE,
    ),
    Mutation(
        "an erasure does not lock the account",
        "credit_service/erasure.py",
        "    await connection.execute(_LOCK, [user_id, pseudonym])\n",
        "",
        _ERASURE,
    ),
    Mutation(
        "accounts are not locked",
        _OPENING,
        "ORDER BY a.user_id FOR NO KEY UPDATE\n",
        "ORDER BY a.user_id\n",
        ("tests/credit_service/test_races.py",),
    ),
    Mutation(
        "accounts are locked in no order",
        _OPENING,
        "ORDER BY a.user_id FOR NO KEY UPDATE\n",
        "ORDER BY a.user_id DESC FOR NO KEY UPDATE\n",
        _STORE,
    ),
    Mutation(
        "accounts that others hold are waited for in a batch",
        _OPENING,
        "FOR NO KEY UPDATE SKIP LOCKED",
        "FOR NO KEY UPDATE",
        _COALESCER,
    ),
    Mutation(
        "reservations are not locked",
        _OPENING,
        "ORDER BY r.reservation_id FOR NO KEY UPDATE",
        "ORDER BY r.reservation_id",
        _STORE,
    ),
    Mutation(
        "reservations are locked in no order",
        _OPENING,
        "ORDER BY r.reservation_id FOR NO KEY UPDATE",
        "ORDER BY r.reservation_id DESC FOR NO KEY UPDATE",
        _STORE,
    ),
    Mutation(
        "first Grants make their accounts in no order",
        _OPENING,
        'ORDER BY added.user_id COLLATE "C" ON CONFLICT',
        "ON CONFLICT",
        _STORE,
    ),
    Mutation(
        "two first Grants collide",
        _OPENING,
        'COLLATE "C" ON CONFLICT DO NOTHING',
        'COLLATE "C"',
        ("tests/credit_service/test_races.py",),
    ),
    Mutation(
        "the clock is that of the transaction's begin",
        _OPENING,
        "now := clock_timestamp();",
        "now := transaction_timestamp();",
        ("tests/credit_service/test_races.py",),
    ),
    Mutation(
        "what is due is not looked for",
        _OPENING,
        "AND of_account.expire_time <= now\n",
        "AND false\n",
        ("tests/credit_service/test_expiry.py",),
    ),
    Mutation(
        "requests of accounts that are not held are believed",
        "credit_service/store/opening.py",
        'row["requests"] or () if values[0] in held',
        'row["requests"] or ()',
        _STORE,
    ),
    Mutation(
        "an event's key may fall below the account's last one",
        "credit_service/store/events.py",
        "max(fields[-1], transaction_key)",
        "transaction_key",
        ("tests/credit_service/test_watching.py",),
    ),
    Mutation(
        "who leaves while it is written takes it along",
        "credit_service/store/store.py",
        "course.writing = True",
        "course.writing = False",
        _STORE,
    ),
)

_BATCHES = (
    Mutation(
        "the queue has no end",
        "credit_service/coalescer.py",
        "if self._waiting >= self._max_waiting:",
        "if False:",
        _COALESCER,
    ),
    Mutation(
        "one account may fill the queue",
        "credit_service/coalescer.py",
        "if len(line) >= self._max_waiting_of_account:",
        "if False:",
        _COALESCER,
    ),
    Mutation(
        "who has left is done all the same",
        "credit_service/coalescer.py",
        "if not waiting.result.done():\n                    batch.append(waiting)",
        "if True:\n                    batch.append(waiting)",
        _COALESCER,
    ),
    Mutation(
        "a batch that fails is not taken apart",
        "credit_service/coalescer.py",
        "return batch\n",
        "raise\n",
        _COALESCER,
    ),
    Mutation(
        "operations of a failed account are not taken apart",
        "credit_service/coalescer.py",
        "if len(batch) == 1:\n",
        "if batch:\n",
        _COALESCER,
    ),
)


def _rule(name: str, before: str, after: str) -> Mutation:
    return Mutation(name, _RULES, before, after, _CORE)


_GUARDS_OF_RULES = (
    _rule("expired coins stay held", "    _expire_due(book, now)\n    results", "    results"),
    _rule("a Grant overflows", "if account.balance + grant.amount > MAX_BALANCE:", "if False:"),
    _rule("a Reserve takes what is not there", "if account.available < reserve.amount:", "if False:"),
    _rule("a Charge takes more than reserved", "if amount > reservation.amount:", "if False:"),
    _rule("metadata has no end", "if len(metadata) > MAX_METADATA_KEYS:", "if False:"),
    _rule("a Debit takes what is not there", "if takeable < debit.amount:", "if False:"),
    _rule(
        "a Debit may always take reserved coins",
        "account.balance if debit.allow_reserved else account.available",
        "account.balance",
    ),
    _rule(
        "a Debit releases nothing",
        "account = _make_room(book, account, account.balance - debit.amount, now)\n",
        "",
    ),
    _rule(
        "a Close releases nothing",
        "account = replace(_empty(book, close.user_id, now), close_time=now",
        "account = replace(account, close_time=now",
    ),
    _rule("a run that fails is not undone", "            book.undo_run()\n", "            book.end_run()\n"),
    _rule(
        "a no in a run is forgotten",
        "            _keep_refusal(book, operations[index], result, now, ids[index])\n",
        "",
    ),
    _rule(
        "a Charge repeated without a request id is no replay",
        "if charge.request_id is None and _charged_as_asked(reservation, amount):",
        "if False:",
    ),
    Mutation(
        "a request id may stand for another operation",
        "credit_service/ledger/replays.py",
        "if request.operation is not kind:",
        "if False:",
        _CORE,
    ),
    Mutation(
        "a request id may stand for another request",
        "credit_service/ledger/replays.py",
        "if field := first_difference(kind, request.sent, sent):",
        "if field := None:",
        _CORE,
    ),
    Mutation(
        "the instant of expiry is in time",
        "credit_service/ledger/rows.py",
        "now >= reservation.expire_time",
        "now > reservation.expire_time",
        _CORE,
    ),
)

#: Made by one migration and taken away by a later one.
_GONE = {"transactions_reservation_id_fkey", "reservations_reservation_id_user_id_key"}
_CONSTRAINT = re.compile(r"CONSTRAINT (\w+)\s+(?:CHECK|UNIQUE|FOREIGN KEY)")
_TRIGGER = re.compile(r"CREATE TRIGGER (\w+) .*? ON (\w+)", re.DOTALL)
_TABLE = re.compile(r"^(?:CREATE|ALTER) TABLE (\w+)", re.MULTILINE)
_LAST = "    op.execute(_GUARD)\n"


def _of_the_database() -> Iterator[Mutation]:
    """Drop each constraint and each trigger right after the migrations have made it."""
    for name, table in sorted(set(_constraints())):
        if name in _GONE:
            continue
        yield _dropped(f"constraint {name}", f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE")
    triggers = (_TRIGGER.findall(path.read_text()) for path in sorted(_VERSIONS.glob("0*.py")))
    for name, table in sorted(set(chain.from_iterable(triggers))):
        yield _dropped(f"trigger {name}", f"DROP TRIGGER {name} ON {table}")


def _constraints() -> Iterator[tuple[str, str]]:
    for path in sorted(_VERSIONS.glob("0*.py")):
        text = path.read_text()
        tables = [(found.start(), found[1]) for found in _TABLE.finditer(text)]
        for found in _CONSTRAINT.finditer(text):
            yield found[1], [table for start, table in tables if start < found.start()][-1]


def _dropped(name: str, sql: str) -> Mutation:
    return Mutation(name, _NEWEST, _LAST, f'{_LAST}    op.execute("{sql}")\n', _GUARDS)
