"""Whatever comes, the service answers what the model of the contract answers, to the last coin."""

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from typing import Any, TypeVar
from uuid import uuid4

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from protos.credit.v1 import credit_pb2
from servicekit.errors import from_rpc_error
from tests.credit_service.client import Client
from tests.credit_service.database import Database
from tests.credit_service.model import (
    EXPIRED,
    MOST_COINS,
    NAMING,
    REFUSED,
    RESERVED,
    Answer,
    Coins,
    Model,
    Refused,
    Request,
    Reservation,
    Settling,
    Single,
    Transaction,
    malformed,
)

_TIMEOUT_S = 20.0
# Looking for the shortest way to a difference takes minutes; who wants it adds `Phase.shrink`.
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
_SLACK_NS = 2_000_000
_T = TypeVar("_T")

#: The code of every reason, from the contract's table.
_CODES: Mapping[str, grpc.StatusCode] = {
    "INVALID_FIELD": grpc.StatusCode.INVALID_ARGUMENT,
    "ACCOUNT_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "RESERVATION_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "INSUFFICIENT_CREDITS": grpc.StatusCode.FAILED_PRECONDITION,
    "CHARGE_EXCEEDS_RESERVATION": grpc.StatusCode.FAILED_PRECONDITION,
    "RESERVATION_ALREADY_CHARGED": grpc.StatusCode.FAILED_PRECONDITION,
    "RESERVATION_ALREADY_RELEASED": grpc.StatusCode.FAILED_PRECONDITION,
    "RESERVATION_EXPIRED": grpc.StatusCode.FAILED_PRECONDITION,
    "RESERVATION_REFUSED": grpc.StatusCode.FAILED_PRECONDITION,
    "ACCOUNT_CLOSED": grpc.StatusCode.FAILED_PRECONDITION,
    "LINKED_OPERATION_FAILED": grpc.StatusCode.FAILED_PRECONDITION,
    "BALANCE_OVERFLOW": grpc.StatusCode.OUT_OF_RANGE,
    "REQUEST_ID_REUSED": grpc.StatusCode.ALREADY_EXISTS,
}

#: What an error says of its reservation, beside its id, that the model cannot know.
_SAID: Mapping[str, set[str]] = {
    "RESERVATION_ALREADY_CHARGED": {"transaction_id", "settle_time"},
    "RESERVATION_ALREADY_RELEASED": {"settle_time"},
    "RESERVATION_EXPIRED": {"expire_time"},
    "RESERVATION_REFUSED": set(),
}

_KINDS: Mapping[str, type[Single]] = {
    "grant": credit_pb2.GrantRequest,
    "debit": credit_pb2.DebitRequest,
    "reserve": credit_pb2.ReserveRequest,
    "charge": credit_pb2.ChargeRequest,
    "release": credit_pb2.ReleaseRequest,
    "extend": credit_pb2.ExtendRequest,
}

_kinds = st.sampled_from([*["reserve"] * 4, *["charge", "debit"] * 2, *_KINDS])
_settling = st.sampled_from(["charge", "release", "charge"])
_withdrawing = st.just("debit")
_index = st.integers(0, 2**16 - 1)
_small = st.integers(1, 25)

_EDGES = [0, -1, 10**12, 10**12 + 1, 2**63 - 1, -(2**63)]
_TEXTS = ["", "a", "b", "ü'; --"]
_METADATA: list[dict[str, str]] = [{}, {"k": "v"}, {"k": "w", "l": ""}, {"k": "", "l": "ü"}]
# None ends by itself while an example runs.
_TTLS = [Duration(seconds=s) for s in (600, 601, 86_400)]
_WRONG: list[tuple[str, Any]] = [
    ("amount", 0),
    ("amount", -1),
    ("amount", 10**12 + 1),
    ("description", "x" * 1_025),
    ("reason", "x" * 1_025),
    ("reference_type", "x" * 65),
    ("reference_id", "x" * 129),
    ("metadata", {str(number): "" for number in range(33)}),
    ("metadata", {"k" * 65: ""}),
    ("metadata", {"k": "v" * 513}),
    ("ttl", Duration(nanos=999_999_999)),
    ("ttl", Duration(seconds=86_400, nanos=1)),
    ("type", credit_pb2.TRANSACTION_TYPE_UNSPECIFIED),
    ("type", credit_pb2.TRANSACTION_TYPE_INSIGHT_UNLOCK),
    ("type", credit_pb2.TRANSACTION_TYPE_CHARGEBACK),
    ("type", credit_pb2.TRANSACTION_TYPE_BONUS),
    ("request_id", "x"),
    ("request_id", ""),
    ("reservation_id", "x"),
    ("reservation_id", ""),
    ("reserve_request_id", "x"),
    ("user_id", ""),
    ("user_id", "x" * 129),
]


@dataclass(frozen=True)
class Problem:
    """An error as it came, from a call or from its place in a batch."""

    reason: str
    code: int
    metadata: Mapping[str, str]
    fields: tuple[str, ...]


class Traffic(RuleBasedStateMachine):
    """Three users of their own, and everything that their apps, retries, bugs and enemies may send."""

    def __init__(self, client: Client, database: Database) -> None:
        super().__init__()
        self.client, self.database = client, database
        self.model = Model()
        self.users = [f"{name}-{uuid4()}" for name in ("ana", "ben", "zoe")]
        # Now and then all that comes at once, or in one batch, is about one of them
        self.users_now = self.users
        self.some_users = st.sampled_from([self.users[:1], self.users[1:2], self.users])
        self.sent: list[Request] = []
        self.batches: list[credit_pb2.ExecuteRequest] = []
        self.reserves: list[tuple[str, str]] = []
        # What the service made: by the model's number of a reservation, a transaction, an answer
        self.ids: dict[int, str] = {}
        self.settled: dict[int, credit_pb2.Reservation] = {}
        self.expiries: dict[int, int] = {}
        self.moved: dict[int, credit_pb2.Transaction] = {}
        self.answered: dict[int, tuple[object, object]] = {}
        self.moments: list[tuple[int, dict[str, Coins]]] = []
        self.by_hand = False
        self.sound = True

    # Rules: what is sent

    @initialize()
    def two_users_have_coins(self) -> None:
        for user_id in self.users[:2]:
            self.stock_up(user_id)

    @rule(data=st.data())
    def one_request(self, data: st.DataObject) -> None:
        self.send(self.anything(data))

    @rule(data=st.data())
    def one_batch(self, data: st.DataObject) -> None:
        self.users_now = data.draw(self.some_users)
        count = 0 if data.draw(_one_in(40)) else data.draw(st.integers(1, 8))
        operations = [self.operation(data) for _ in range(count)]
        self.users_now = self.users
        if operations and not data.draw(_one_in(40)):
            operations[-1].linked = False
        self.send_batch(credit_pb2.ExecuteRequest(operations=operations))

    @rule(data=st.data())
    def settle_some_and_withdraw(self, data: st.DataObject) -> None:
        """Take reserved coins right after others were charged or released, all in one batch."""
        user_id = data.draw(st.sampled_from(self.users[:2]))
        self.stock_up(user_id)
        self.users_now = [user_id]
        requests = [self.drawn(data, _settling) for _ in range(data.draw(st.integers(1, 2)))]
        for _ in range(data.draw(st.integers(1, 2))):
            debit = self.drawn(data, _withdrawing)
            assert isinstance(debit, credit_pb2.DebitRequest)
            # Some that are reserved are needed too, if those before did not free them
            debit.amount = min(self.coins(user_id).available + data.draw(_small), MOST_COINS)
            requests.append(debit)
        self.users_now = self.users
        operations = [self.packed(request, linked=data.draw(_one_in(4))) for request in requests]
        operations[-1].linked = False
        self.send_batch(credit_pb2.ExecuteRequest(operations=operations))

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def an_old_batch_or_a_request(self, data: st.DataObject) -> None:
        if data.draw(_one_in(3)):
            self.send_batch(data.draw(st.sampled_from(self.batches)))
        else:
            self.send(self.anything(data))

    @precondition(lambda self: len(self.sent) > 50)
    @rule(data=st.data())
    def close_an_account(self, data: st.DataObject) -> None:
        user_id = data.draw(st.sampled_from(self.users))
        self.send(credit_pb2.CloseAccountRequest(user_id=user_id, request_id=self.request_id(data)))

    @rule(data=st.data())
    def let_one_expire(self, data: st.DataObject) -> None:
        index = data.draw(_index)
        if len(held := self.held()) > 2:
            user_id, row = held[index % len(held)]
            self.by_hand = True
            self.database.let_expire([self.ids[row.number]])
            self.model.let_expire(user_id, row.number)
            self.look_at_accounts()

    # What is drawn

    def anything(self, data: st.DataObject) -> Request:
        """Draw what may come: mostly something new, else something poisoned."""
        how = data.draw(st.sampled_from([*["new"] * 9, *["old", "changed"] * 2, "id", "wrong"]))
        if how == "wrong":
            return self.spoiled(data, self.drawn(data))
        if how == "new" or not self.sent:
            return self.drawn(data)
        old = data.draw(st.sampled_from(self.sent))
        if how == "changed":
            return self.changed(data, old)
        if how == "id":
            request = self.drawn(data)
            request.request_id = old.request_id or str(uuid4())
            return request
        return old

    def drawn(self, data: st.DataObject, kinds: st.SearchStrategy[str] = _kinds) -> Single:
        """Draw a request that is well-formed, but for the edges of its amount."""
        request = _KINDS[data.draw(kinds)]()
        if isinstance(request, Settling):
            row = self.name(data, request)
            if isinstance(request, credit_pb2.ChargeRequest):
                full = row.amount if row else 7
                if data.draw(st.booleans()):
                    request.amount = data.draw(_amounts(full, full - 1, full + 1, 0))
        else:
            request.user_id = data.draw(st.sampled_from(self.users_now))
            has = self.coins(request.user_id)
            between = has.available + has.reserved // 2
            near = has.available, has.available + 1, between, has.balance, has.balance + 1
            request.amount = data.draw(_amounts(*(min(max(1, coins), MOST_COINS) for coins in near)))
        self.fill(data, request)
        return request

    def fill(self, data: st.DataObject, request: Single) -> None:
        """Draw the fields that move no coin."""
        optional_id = isinstance(request, credit_pb2.ChargeRequest | credit_pb2.ReleaseRequest)
        if not optional_id or data.draw(st.booleans()):
            request.request_id = self.request_id(data)
        match request:
            case credit_pb2.GrantRequest():
                request.type = data.draw(st.sampled_from(["PURCHASE", "REFUND", "BONUS"]).map(_type))
            case credit_pb2.DebitRequest():
                request.type = data.draw(st.sampled_from(["REFUND", "CHARGEBACK", "ADJUSTMENT"]).map(_type))
                request.allow_reserved = data.draw(st.sampled_from([True, True, False]))
            case credit_pb2.ReserveRequest():
                if data.draw(st.booleans()):
                    request.ttl.CopyFrom(data.draw(st.sampled_from(_TTLS)))
                request.reference_type = data.draw(st.sampled_from(["job", "order", ""]))
                request.reference_id = data.draw(st.sampled_from(["j1", "j2", ""]))
            case credit_pb2.ReleaseRequest():
                request.reason = data.draw(st.sampled_from(_TEXTS))
            case credit_pb2.ExtendRequest():
                request.ttl.CopyFrom(data.draw(st.sampled_from([*_TTLS, Duration(seconds=1)])))
        if not isinstance(request, credit_pb2.ReleaseRequest | credit_pb2.ExtendRequest):
            request.description = data.draw(st.sampled_from(_TEXTS))
            request.metadata.update(data.draw(st.sampled_from(_METADATA)))

    def name(self, data: st.DataObject, request: Settling) -> Reservation | None:
        """Draw which reservation a request is for, and how it says so."""
        hows = [*["open", "open by pair", "latest"] * 2, "any", "any by pair", "astray"]
        how, index, by_id = data.draw(st.sampled_from(hows)), data.draw(_index), data.draw(st.booleans())
        rows = [(user_id, row) for user_id, row in self.rows() if user_id in self.users_now]
        made = [(user_id, row) for user_id, row in rows if row.number in self.ids]
        held = [(user_id, row) for user_id, row in made if row.state == RESERVED]
        # The youngest first, which go first when coins are withdrawn
        made, held = made[::-1], held[::-1]
        wanted = made if how.startswith("any") else held or made
        if how == "astray" and by_id:
            request.reservation_id = str(uuid4())
        elif how == "astray":
            # Somebody else's, a Grant's, or nobody's
            used = [sent.request_id for sent in self.sent if sent.request_id]
            owners = [*self.users, f"nobody-{uuid4()}"]
            request.user_id = owners[index % len(owners)]
            request.reserve_request_id = used[index % len(used)]
        elif how == "latest" or not wanted:
            request.user_id, request.reserve_request_id = self.reserves[-1]
        else:
            user_id, row = wanted[index % len(wanted)]
            if how.endswith("pair"):
                request.user_id, request.reserve_request_id = user_id, row.request_id
            else:
                request.reservation_id = self.ids[row.number]
            return row
        return None

    def request_id(self, data: st.DataObject) -> str:
        """Draw a request_id: mostly a fresh one, now and then one that somebody used."""
        used = [sent.request_id for sent in self.sent if sent.request_id]
        if data.draw(_one_in(12)) and used:
            return data.draw(st.sampled_from(used))
        return str(uuid4())

    def changed(self, data: st.DataObject, first: Request) -> Request:
        """Draw an old request with one or more fields that are another's, or spelled in another way."""
        request = _copied(first)
        if isinstance(request, credit_pb2.CloseAccountRequest):
            request.user_id = data.draw(st.sampled_from(self.users))
            return request
        other = type(request)()
        users_now = self.users_now
        if isinstance(other, Settling):
            # A request_id belongs to one account: another reservation of the same one is what tells.
            self.users_now = [request.user_id] if request.user_id in self.users else self.users
            self.name(data, other)
        else:
            other.user_id = data.draw(st.sampled_from(self.users))
        self.users_now = users_now
        self.fill(data, other)
        kept = ("request_id", *NAMING)
        names: list[str] = [f.name for f in request.DESCRIPTOR.fields if f.name not in kept]
        which = st.lists(st.sampled_from([*names, "case", "who", "who"]), min_size=1, max_size=3)
        for name in data.draw(which):
            if name == "case":
                request.request_id = request.request_id.upper()
            elif name == "amount":
                self.another_amount(data, request)
            elif name == "who":
                for naming in NAMING:
                    if naming in type(request).DESCRIPTOR.fields_by_name:
                        setattr(request, naming, getattr(other, naming))
            else:
                _take(request, other, name)
        return request

    def another_amount(self, data: st.DataObject, request: Single) -> None:
        """Draw an amount near the one that was sent; for a Charge also the absent one, or all in full."""
        assert not isinstance(request, credit_pb2.ReleaseRequest | credit_pb2.ExtendRequest)
        if isinstance(request, credit_pb2.ChargeRequest):
            named = [row for _, row in self.rows() if self.ids.get(row.number) == request.reservation_id]
            full = named[0].amount if named else 7
            if request.HasField("amount") and data.draw(st.booleans()):
                request.ClearField("amount")
            else:
                request.amount = data.draw(st.sampled_from([full, full - 1, full + 1, 0]))
        else:
            near = min(request.amount + 1, MOST_COINS), max(request.amount - 1, 1)
            request.amount = data.draw(st.sampled_from(near))

    def spoiled(self, data: st.DataObject, request: Single) -> Single:
        """Draw one wrong value."""
        names = set(request.DESCRIPTOR.fields_by_name)
        name, value = data.draw(st.sampled_from([(n, v) for n, v in _WRONG if n in names]))
        if isinstance(request, Settling) and name in NAMING:
            # Both names, half of one, or none
            for naming in data.draw(st.sampled_from([(), NAMING[:1], NAMING[1:]])):
                setattr(request, naming, "")
            if isinstance(request, credit_pb2.ChargeRequest):
                request.ClearField("amount")
        other = type(request)()
        match name:
            case "metadata":
                other.metadata.update(value)  # type: ignore[union-attr]
            case "ttl":
                other.ttl.CopyFrom(value)  # type: ignore[union-attr]
            case _:
                setattr(other, name, value)
        _take(request, other, name)
        return request

    def operation(self, data: st.DataObject) -> credit_pb2.Operation:
        """Draw one operation of a batch; now and then there is nothing in it."""
        request = self.anything(data)
        if isinstance(request, credit_pb2.CloseAccountRequest) or data.draw(_one_in(60)):
            return credit_pb2.Operation(linked=data.draw(_one_in(3)))
        return self.packed(request, linked=data.draw(_one_in(3)))

    def packed(self, request: Single, *, linked: bool = False) -> credit_pb2.Operation:
        """Answer an operation, and keep its request."""
        self.keep(request)
        operation = credit_pb2.Operation(linked=linked)
        getattr(operation, _kind(request)).CopyFrom(request)
        return operation

    def stock_up(self, user_id: str) -> None:
        """Give a user coins, most of which are reserved."""
        requests: list[Single] = [
            credit_pb2.GrantRequest(user_id=user_id, amount=100, type=_type("BONUS")),
            *(credit_pb2.ReserveRequest(user_id=user_id, amount=coins) for coins in (10, 20, 60)),
        ]
        for request in requests:
            request.request_id = str(uuid4())
        operations = [self.packed(request) for request in requests]
        self.send_batch(credit_pb2.ExecuteRequest(operations=operations))

    # What is known

    def rows(self) -> list[tuple[str, Reservation]]:
        """Answer every reservation with whose it is."""
        accounts = self.model.accounts.items()
        return [(user_id, row) for user_id, account in accounts for row in account.reservations.values()]

    def held(self) -> list[tuple[str, Reservation]]:
        """Answer those that are RESERVED."""
        return [(user_id, row) for user_id, row in self.rows() if row.state == RESERVED]

    def coins(self, user_id: str) -> Coins:
        """Answer what a user has."""
        account = self.model.accounts.get(user_id)
        return account.coins() if account else Coins(0, 0, False)

    # What is sent and compared

    def send(self, request: Request) -> None:
        """Call the request's own RPC, ask the model, and compare."""
        self.keep(request)
        note(f"{type(request).__name__}: {request}")
        self.sound = False
        since = time.time_ns()
        got = self.call_one(request)
        self.compare(request, self.model.answer(request), got, since)
        self.look_at_accounts()

    def keep(self, request: Request) -> None:
        """Keep a request to repeat it, and the name that a Reserve gives."""
        self.sent.append(request)
        if isinstance(request, credit_pb2.ReserveRequest) and malformed(request) is None:
            self.reserves.append((request.user_id, request.request_id))

    def send_batch(self, request: credit_pb2.ExecuteRequest) -> None:
        """Call Execute, ask the model, and compare result by result."""
        self.batches.append(request)
        note(f"ExecuteRequest: {request}")
        self.sound = False
        since = time.time_ns()
        got = self.call("Execute", request)
        expected = self.model.execute(request)
        if isinstance(expected, Refused):
            assert isinstance(got, Problem), got
            assert (got.reason, got.code) == (expected.reason, _number(expected.reason)), got
            assert got.metadata["field"].startswith("operations"), got
        else:
            assert isinstance(got, credit_pb2.ExecuteResponse), got
            assert len(got.results) == len(expected)
            for operation, answer, result in zip(request.operations, expected, got.results, strict=True):
                kind = operation.WhichOneof("operation")
                single: Single | None = getattr(operation, kind) if kind else None
                came = result.WhichOneof("result")
                assert came in (kind, "error"), result
                one = _problem(result.error) if came == "error" else getattr(result, str(came))
                self.compare(single, answer, one, since)
        self.look_at_accounts()

    def call_one(self, request: Request) -> object:
        """Call the request's own RPC."""
        return self.call(type(request).__name__.removesuffix("Request"), request)

    def call(self, method: str, request: object) -> object:
        """Answer a response, or a Problem."""
        try:
            response: object = getattr(self.client.stub, method)(request, timeout=_TIMEOUT_S)
        except grpc.RpcError as failed:
            error = from_rpc_error(failed)
            fields = tuple(violation.field for violation in error.violations)
            return Problem(error.reason, error.code.value[0], error.metadata, fields)
        return response

    def compare(self, request: Request | None, expected: Answer, got: Any, since: int) -> None:
        """Compare one answer with the expected one, and keep what only the service knows."""
        if isinstance(expected, Refused):
            assert isinstance(got, Problem), f"{expected} expected, got {got}"
            self.compare_refused(request, expected, got)
            return
        assert not isinstance(got, Problem), f"{expected} expected, got {got}"
        assert request is not None
        row, moved = expected.reservation, expected.transaction
        user_id = self.owner(request)
        first = expected.number not in self.answered
        if row is not None:
            if first:
                self.compare_expiry(request, row, got.reservation, since)
            self.compare_row(user_id, row, got.reservation)
        if "transaction" in got.DESCRIPTOR.fields_by_name:
            assert got.HasField("transaction") == (moved is not None), got
        if moved is not None:
            self.compare_moved(user_id, moved, got.transaction)
        if "account" in got.DESCRIPTOR.fields_by_name:
            assert expected.coins is not None
            _same_coins(user_id, expected.coins, got.account)
        # A replay's rows are the first answer's, to the last bit
        rows = getattr(got, "reservation", None), getattr(got, "transaction", None)
        assert self.answered.setdefault(expected.number, rows) == rows

    def compare_refused(self, request: Request | None, expected: Refused, got: Problem) -> None:
        """Compare an error: reason, code, and all that the table says is in its metadata."""
        assert got.reason == expected.reason, f"{expected} expected, got {got}"
        assert got.code == _number(got.reason), got
        metadata = dict(expected.metadata)
        if got.reason == "INVALID_FIELD":
            named, wanted = got.metadata["field"], metadata["field"]
            assert got.fields == (named,)
            # Which of the naming fields is to blame for two names is nowhere written
            may_be = NAMING if isinstance(request, Settling) and wanted in NAMING else (wanted,)
            assert named.startswith(may_be) or request is None, f"{expected} expected, got {got}"
            return
        if got.reason == "RESERVATION_NOT_FOUND" and not metadata:
            return
        if expected.reservation is not None:
            assert request is not None
            metadata |= self.said_of(self.owner(request), expected.reservation, got)
        assert got.metadata == metadata, f"{expected} expected, got {got}"

    def said_of(self, user_id: str, row: Reservation, got: Problem) -> dict[str, str]:
        """Answer what only the service knows of a settled reservation that an error speaks of."""
        names = _SAID[got.reason]
        # An error may be the first to name a reservation that was refused.
        reservation_id = self.ids.setdefault(row.number, got.metadata["reservation_id"])
        if self.model.accounts[user_id].reservations.get(row.number) != row:
            # It was settled in a linked run that was undone: nobody can look that up.
            return {"reservation_id": reservation_id, **{name: got.metadata[name] for name in names}}
        read = self.call("GetReservation", credit_pb2.GetReservationRequest(reservation_id=reservation_id))
        assert isinstance(read, credit_pb2.GetReservationResponse), read
        self.compare_row(user_id, row, read.reservation)
        known = {name: _written(read.reservation, name, got.metadata[name]) for name in names}
        return {"reservation_id": reservation_id, **known}

    def compare_expiry(
        self, request: Request, row: Reservation, got: credit_pb2.Reservation, since: int
    ) -> None:
        """A Reserve holds for its ttl; an Extend from now on, and never shortens."""
        expiry = got.expire_time.ToNanoseconds()
        if isinstance(request, credit_pb2.ReserveRequest):
            ttl = request.ttl.ToNanoseconds() if request.HasField("ttl") else 900 * 10**9
            assert expiry - got.create_time.ToNanoseconds() == ttl
            self.expiries[row.number] = expiry
        elif isinstance(request, credit_pb2.ExtendRequest):
            before, ttl = self.expiries[row.number], request.ttl.ToNanoseconds()
            earliest = max(before, since + ttl - _SLACK_NS)
            assert earliest <= expiry <= max(before, time.time_ns() + ttl + _SLACK_NS)
            self.expiries[row.number] = expiry

    def compare_row(self, user_id: str, row: Reservation, got: credit_pb2.Reservation) -> None:
        """Compare a reservation; once it is settled it never changes again."""
        seen = {
            "user_id": got.user_id,
            "amount": got.amount,
            "state": _state(got),
            "charged_amount": got.charged_amount,
            "release_reason": got.release_reason,
            "description": got.description,
            "metadata": dict(got.metadata),
            "reference": (got.reference_type, got.reference_id),
            "moved": got.HasField("transaction_id"),
        }
        assert seen == {
            "user_id": user_id,
            "amount": row.amount,
            "state": row.state,
            "charged_amount": row.charged_amount,
            "release_reason": row.release_reason,
            "description": row.description,
            "metadata": dict(row.metadata),
            "reference": row.reference,
            "moved": row.transaction is not None,
        }
        assert got.HasField("settle_time") == (row.state not in (RESERVED, REFUSED))
        assert got.reservation_id == self.ids.setdefault(row.number, got.reservation_id)
        self.model.named(got.reservation_id, user_id, row.number)
        if row.state != RESERVED:
            assert got == self.settled.setdefault(row.number, got)
        if row.state == EXPIRED:
            assert got.settle_time == got.expire_time
        if row.transaction is not None and row.transaction.number in self.moved:
            assert got.transaction_id == self.moved[row.transaction.number].transaction_id

    def compare_moved(self, user_id: str, moved: Transaction, got: credit_pb2.Transaction) -> None:
        """Compare a transaction, which never changes."""
        seen = {
            "user_id": got.user_id,
            "type": credit_pb2.TransactionType.Name(got.type),
            "amount": got.amount,
            "balance_after": got.balance_after,
            "description": got.description,
            "metadata": dict(got.metadata),
            "reference": (got.reference_type, got.reference_id),
            "reservation": got.reservation_id if got.HasField("reservation_id") else None,
        }
        assert seen == {
            "user_id": user_id,
            "type": f"TRANSACTION_TYPE_{moved.type}",
            "amount": moved.amount,
            "balance_after": moved.balance_after,
            "description": moved.description,
            "metadata": dict(moved.metadata),
            "reference": moved.reference,
            "reservation": self.ids[moved.reservation] if moved.reservation else None,
        }
        assert got == self.moved.setdefault(moved.number, got)

    def owner(self, request: Request) -> str:
        """Answer whose account a request was for."""
        if isinstance(request, Settling) and request.reservation_id:
            return self.model.owner(request.reservation_id)
        return request.user_id

    def look_at_accounts(self) -> None:
        """Compare every account."""
        self.sound = False
        for user_id in self.users:
            got: Any = self.call("GetAccount", credit_pb2.GetAccountRequest(user_id=user_id))
            if user_id in self.model.accounts:
                assert not isinstance(got, Problem), got
                _same_coins(user_id, self.coins(user_id), got.account)
            else:
                assert isinstance(got, Problem)
                assert (got.reason, got.metadata) == ("ACCOUNT_NOT_FOUND", {"user_id": user_id})
        self.moments.append(
            (time.time_ns(), {user_id: self.coins(user_id) for user_id in self.model.accounts})
        )
        self.sound = True

    # At the end

    def teardown(self) -> None:
        """Compare every row that is left, and the books."""
        if not self.sound:
            return
        for user_id in self.users:
            self.compare_reservations(user_id)
            self.compare_transactions(user_id)
            if user_id in self.model.accounts:
                self.compare_books(user_id)
                self.compare_history(user_id)

    def compare_reservations(self, user_id: str) -> None:
        """Compare all rows of a user, newest first."""
        listed: Any = self.call(
            "ListReservations", credit_pb2.ListReservationsRequest(user_id=user_id, page_size=1_000)
        )
        account = self.model.accounts.get(user_id)
        rows = list(account.reservations.values()) if account else []
        assert len(listed.reservations) == len(rows)
        for row, got in zip(reversed(rows), listed.reservations, strict=True):
            self.compare_row(user_id, row, got)
            if row.state == RESERVED:
                expiry = got.expire_time.ToNanoseconds()
                assert expiry == self.expiries.get(row.number, expiry)

    def compare_transactions(self, user_id: str) -> None:
        """Compare all moves of a user, newest first."""
        listed: Any = self.call(
            "ListTransactions", credit_pb2.ListTransactionsRequest(user_id=user_id, page_size=1_000)
        )
        account = self.model.accounts.get(user_id)
        rows = account.transactions if account else []
        assert len(listed.transactions) == len(rows)
        for moved, got in zip(reversed(rows), listed.transactions, strict=True):
            self.compare_moved(user_id, moved, got)

    def compare_books(self, user_id: str) -> None:
        """The service's own check finds nothing."""
        books: Any = self.call("VerifyLedger", credit_pb2.VerifyLedgerRequest(user_id=user_id))
        assert not isinstance(books, Problem), books
        assert (books.accounts_checked, books.findings_total, list(books.findings)) == (1, 0, [])

    def compare_history(self, user_id: str) -> None:
        """What the account was, looked up now, is what was answered then; not where an expiry was moved."""
        moments = [] if self.by_hand else [m for m in self.moments if user_id in m[1]]
        for then, coins in moments[:: max(1, len(moments) // 4)]:
            instant = Timestamp()
            instant.FromNanoseconds(then)
            got: Any = self.call(
                "GetBalanceAt", credit_pb2.GetBalanceAtRequest(user_id=user_id, time=instant)
            )
            assert not isinstance(got, Problem), got
            _same_coins(user_id, coins[user_id], got.account)


class TrafficAtOnce(Traffic):
    """The same, where calls also come at the same time."""

    @rule(data=st.data())
    def some_requests_at_once(self, data: st.DataObject) -> None:
        self.users_now = data.draw(self.some_users)
        requests = [self.anything(data) for _ in range(data.draw(st.integers(2, 3)))]
        if data.draw(_one_in(3)):
            requests.append(data.draw(st.sampled_from(requests)))
        self.users_now = self.users
        self.send_at_once(requests)

    def send_at_once(self, requests: list[Request]) -> None:
        """Make calls at the same time: in some order the model answers each as the service did."""
        for request in requests:
            self.keep(request)
            note(f"at once {type(request).__name__}: {request}")
        self.sound = False
        since = time.time_ns()
        with ThreadPoolExecutor(len(requests)) as threads:
            got = list(threads.map(self.call_one, requests))
        before = self.known()
        differences = []
        for order in permutations(range(len(requests))):
            self.__dict__.update(deepcopy(before))
            try:
                for index in order:
                    self.compare(requests[index], self.model.answer(requests[index]), got[index], since)
                self.look_at_accounts()
                for user_id in self.users:
                    self.compare_reservations(user_id)
                    self.compare_transactions(user_id)
            except AssertionError as difference:
                differences.append(f"{order}: {difference}")
            else:
                return
        raise AssertionError("\n\n".join(["no order explains the answers", *differences]))

    def known(self) -> dict[str, object]:
        """Answer what comparing changes."""
        names = ("model", "ids", "settled", "expiries", "moved", "answered", "moments")
        return {name: self.__dict__[name] for name in names}


class TrafficAtTheTop(Traffic):
    """The same, where the first user has nearly as many coins as there can be."""

    @initialize()
    def two_users_have_coins(self) -> None:
        super().two_users_have_coins()
        lifted = MOST_COINS - 100 - 150
        self.database.run(
            "UPDATE accounts SET balance = balance + %s WHERE user_id = %s", lifted, self.users[0]
        )
        self.model.accounts[self.users[0]].balance += lifted

    def compare_books(self, user_id: str) -> None:
        """They are wrong by what was lifted."""

    def compare_history(self, user_id: str) -> None:
        """It is wrong by what was lifted."""


def _one_in(number: int) -> st.SearchStrategy[bool]:
    return st.sampled_from([False] * (number - 1) + [True])


def _amounts(*near: int) -> st.SearchStrategy[int]:
    """Small ones, those where the answer turns, and now and then one at an edge."""
    edges = _one_in(20).flatmap(lambda edge: st.sampled_from(_EDGES) if edge else _small)
    return st.one_of(_small, st.sampled_from(near), edges)


def _type(name: str) -> credit_pb2.TransactionType.ValueType:
    return credit_pb2.TransactionType.Value(f"TRANSACTION_TYPE_{name}")


def _kind(request: Single) -> str:
    return type(request).__name__.removesuffix("Request").lower()


def _copied(request: _T) -> _T:
    copy = type(request)()
    copy.CopyFrom(request)  # type: ignore[attr-defined]
    return copy


def _take(request: Single, other: Single, name: str) -> None:
    """Give a request one field of another of its kind, absent if it is absent there."""
    request.ClearField(name)  # type: ignore[arg-type]
    only = type(request)()
    for descriptor, value in other.ListFields():
        if descriptor.name != name:
            continue
        if name == "metadata":
            only.metadata.update(value)  # type: ignore[union-attr]
        elif name == "ttl":
            only.ttl.CopyFrom(value)  # type: ignore[union-attr]
        else:
            setattr(only, name, value)
    request.MergeFrom(only)  # type: ignore[arg-type]


def _state(got: credit_pb2.Reservation) -> str:
    return credit_pb2.ReservationState.Name(got.state).removeprefix("RESERVATION_STATE_")


def _number(reason: str) -> int:
    number: int = _CODES[reason].value[0]
    return number


def _problem(status: credit_pb2.Status) -> Problem:
    """Read the error of one operation of a batch."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        for message in (info, bad):
            if detail.Is(message.DESCRIPTOR):
                detail.Unpack(message)
    assert info.domain == "holdfast"
    fields = tuple(violation.field for violation in bad.field_violations)
    return Problem(info.reason, status.code, dict(info.metadata), fields)


def _written(row: credit_pb2.Reservation, name: str, said: str) -> str:
    """Answer a field as an error writes it; zeros at the end of an instant may be written or not."""
    value = getattr(row, name)
    if isinstance(value, str):
        return value
    instant = Timestamp()
    instant.FromJsonString(said)
    return said if instant == value else str(value.ToJsonString())


def _same_coins(user_id: str, coins: Coins, got: credit_pb2.Account) -> None:
    seen = got.user_id, got.balance, got.reserved, got.available, got.HasField("close_time")
    assert seen == (user_id, coins.balance, coins.reserved, coins.available, coins.closed)


#: How many times as many examples to try: HOLDFAST_TEST_TIMES=20 is an evening's walk.
_TIMES = int(os.environ.get("HOLDFAST_TEST_TIMES", "1"))


def _run(machine: Callable[[], Traffic], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # anything that makes one will do
        settings=settings(
            max_examples=examples * _TIMES,
            stateful_step_count=steps,
            phases=_PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(300)
def test_whatever_comes_the_service_answers_as_the_contract_says(client: Client, database: Database) -> None:
    _run(partial(Traffic, client, database), examples=6, steps=30)


@pytest.mark.timeout(300)
def test_calls_at_the_same_time_are_answered_as_if_in_some_order(client: Client, database: Database) -> None:
    _run(partial(TrafficAtOnce, client, database), examples=3, steps=15)


@pytest.mark.timeout(300)
def test_the_same_holds_where_a_balance_is_as_large_as_it_can_be(client: Client, database: Database) -> None:
    try:
        _run(partial(TrafficAtTheTop, client, database), examples=2, steps=15)
    finally:
        database.empty()
