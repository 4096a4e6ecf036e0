"""What the contract says about coins, as a program that can be read beside it.

No database, no time, nothing of credit_service: requests go in as messages, expected answers come out. What
only the service can know (the ids that it makes, instants) is told to the model or compared by who compares.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.internal.containers import ScalarMap

from protos.credit.v1 import credit_pb2

MOST_COINS_AT_ONCE = 10**12
MOST_COINS = 2**63 - 1
MOST_OPERATIONS = 8_190
SECOND, DAY = 10**9, 24 * 60 * 60 * 10**9

RESERVED, CHARGED, RELEASED, EXPIRED, REFUSED = "RESERVED", "CHARGED", "RELEASED", "EXPIRED", "REFUSED"

#: The fields that name a reservation: the first alone, or both of the others.
NAMING = ("reservation_id", "user_id", "reserve_request_id")

Settling = credit_pb2.ChargeRequest | credit_pb2.ReleaseRequest | credit_pb2.ExtendRequest
Single = credit_pb2.GrantRequest | credit_pb2.DebitRequest | credit_pb2.ReserveRequest | Settling
Request = Single | credit_pb2.CloseAccountRequest


@dataclass(frozen=True)
class Transaction:
    """A change of a balance; numbers are the model's own."""

    number: int
    type: str
    amount: int
    balance_after: int
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    reference: tuple[str, str] = ("", "")
    reservation: int | None = None


@dataclass(frozen=True)
class Reservation:
    """Coins set aside, as of one moment."""

    number: int
    request_id: str
    amount: int
    state: str
    description: str
    metadata: Mapping[str, str]
    reference: tuple[str, str]
    charged_amount: int = 0
    release_reason: str = ""
    transaction: Transaction | None = None


@dataclass(frozen=True)
class Coins:
    """An account, as of one moment."""

    balance: int
    reserved: int
    closed: bool

    @property
    def available(self) -> int:
        """What is not reserved."""
        return self.balance - self.reserved


@dataclass(frozen=True)
class Done:
    """A success. One that repeats an earlier answer has the number of that one."""

    number: int
    reservation: Reservation | None = None
    transaction: Transaction | None = None
    coins: Coins | None = None


@dataclass(frozen=True)
class Refused:
    """An error; metadata are those that the contract's table names and the model can know."""

    reason: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: The reservation that the error speaks of.
    reservation: Reservation | None = None


Answer = Done | Refused


@dataclass(frozen=True)
class Remembered:
    """What a request_id was used for, and what was answered."""

    request: Request
    answer: Answer


@dataclass
class Account:
    """All that belongs to one user, in the order in which it came."""

    balance: int = 0
    closed: bool = False
    reservations: dict[int, Reservation] = field(default_factory=dict)
    transactions: list[Transaction] = field(default_factory=list)
    remembered: dict[str, Remembered] = field(default_factory=dict)

    def held(self) -> list[Reservation]:
        """Answer what is RESERVED, the oldest first."""
        return [row for row in self.reservations.values() if row.state == RESERVED]

    def coins(self) -> Coins:
        """Answer the account as of now; what is reserved is added up from the rows."""
        return Coins(self.balance, sum(row.amount for row in self.held()), self.closed)

    def release(self, row: Reservation, reason: str) -> Reservation:
        """Give back what one reservation holds."""
        self.reservations[row.number] = replace(row, state=RELEASED, release_reason=reason)
        return self.reservations[row.number]


class Model:
    """Accounts, and what each request has to be answered with."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self._names: dict[str, tuple[str, int]] = {}
        self._numbers = 0

    # What the model is told

    def named(self, reservation_id: str, user_id: str, number: int) -> None:
        """Take the id that the service made for a reservation."""
        self._names[reservation_id] = user_id, number

    def owner(self, reservation_id: str) -> str:
        """Answer whose reservation an id names."""
        return self._names[_uuid(reservation_id)][0]

    def let_expire(self, user_id: str, number: int) -> None:
        """Take it that a reservation's time has run out: its coins are available at once."""
        rows = self.accounts[user_id].reservations
        assert rows[number].state == RESERVED
        rows[number] = replace(rows[number], state=EXPIRED)

    # What the model answers

    def execute(self, request: credit_pb2.ExecuteRequest) -> Refused | list[Answer]:
        """Do operations in their order, run by run."""
        operations = list(request.operations)
        if not 1 <= len(operations) <= MOST_OPERATIONS or operations[-1].linked:
            return _invalid("operations")
        answers: list[Answer] = []
        for run in _runs(operations):
            answers += self._linked(run, first=len(answers))
        return answers

    def _linked(self, run: list[credit_pb2.Operation], first: int) -> list[Answer]:
        """Do all of a run or nothing of it; a run of one is an operation of its own."""
        before = deepcopy(self.accounts)
        answers: list[Answer] = []
        for index, operation in enumerate(run, first):
            request = _request_of(operation)
            answer = self.answer(request) if request is not None else _invalid("operation")
            answers.append(answer)
            if isinstance(answer, Refused) and len(run) > 1:
                self.accounts = before
                if answer.reason == "INSUFFICIENT_CREDITS":
                    assert isinstance(request, credit_pb2.DebitRequest | credit_pb2.ReserveRequest)
                    self._told_no(request, answer)
                others = Refused("LINKED_OPERATION_FAILED", {"index": str(index)})
                return [answer if number == index else others for number in range(first, first + len(run))]
        return answers

    def answer(self, request: Request) -> Answer:
        """Do one request. What is looked at first wins."""
        # Malformed
        if wrong := malformed(request):
            return _invalid(wrong)
        # Replay, or the request_id of another request
        account, row = self._meant(request)
        first = account.remembered.get(_uuid(request.request_id)) if account else None
        if first is not None and account is not None:
            if differing := _difference(first, request, row):
                used = {"request_id": _uuid(request.request_id), "field": differing}
                return Refused("REQUEST_ID_REUSED", used)
            return _as_of_now(first.answer, account)
        # Not found
        if account is None and not isinstance(request, credit_pb2.GrantRequest):
            if isinstance(request, Settling):
                return _no_reservation(request)
            return Refused("ACCOUNT_NOT_FOUND", {"user_id": request.user_id})
        if isinstance(request, Settling):
            return self._settle(request, account, row)
        account = account or Account()
        # Closed
        if account.closed:
            return Refused("ACCOUNT_CLOSED", {"user_id": request.user_id})
        match request:
            case credit_pb2.GrantRequest():
                return self._grant(request, account)
            case credit_pb2.DebitRequest():
                return self._debit(request, account)
            case credit_pb2.ReserveRequest():
                return self._reserve(request, account)
            case credit_pb2.CloseAccountRequest():
                return self._close(request, account)

    # One operation each; malformed, replayed, not found and closed are behind them

    def _grant(self, request: credit_pb2.GrantRequest, account: Account) -> Answer:
        if account.balance + request.amount > MOST_COINS:
            return Refused("BALANCE_OVERFLOW", {"user_id": request.user_id})
        self.accounts[request.user_id] = account
        return self._done(request, account, transaction=self._move(request, account, request.amount))

    def _debit(self, request: credit_pb2.DebitRequest, account: Account) -> Answer:
        coins = account.coins()
        may_take = coins.balance if request.allow_reserved else coins.available
        if may_take < request.amount:
            return self._told_no(request, _too_few(request.amount, may_take))
        transaction = self._move(request, account, -request.amount)
        while account.coins().available < 0:
            account.release(account.held()[-1], "balance_withdrawn")
        return self._done(request, account, transaction=transaction)

    def _reserve(self, request: credit_pb2.ReserveRequest, account: Account) -> Answer:
        available = account.coins().available
        if available < request.amount:
            return self._told_no(request, _too_few(request.amount, available))
        row = self._set_aside(request, account, RESERVED)
        return self._done(request, account, reservation=row)

    def _close(self, request: credit_pb2.CloseAccountRequest, account: Account) -> Answer:
        for row in account.held():
            account.release(row, "account_closed")
        account.closed = True
        return self._done(request, account)

    def _settle(self, request: Settling, account: Account | None, row: Reservation | None) -> Answer:
        if account is None or row is None:
            return _no_reservation(request)
        match request:
            case credit_pb2.ChargeRequest():
                return self._charge(request, account, row)
            case credit_pb2.ReleaseRequest():
                return self._release(request, account, row)
            case credit_pb2.ExtendRequest():
                return self._extend(request, account, row)

    def _charge(self, request: credit_pb2.ChargeRequest, account: Account, row: Reservation) -> Answer:
        amount = request.amount if request.HasField("amount") else row.amount
        if amount > row.amount:
            return Refused(
                "CHARGE_EXCEEDS_RESERVATION", {"requested": str(amount), "reserved": str(row.amount)}
            )
        if row.state == CHARGED and not request.request_id and amount == row.charged_amount:
            return self._done(request, account, row, row.transaction)
        if row.state != RESERVED:
            return _settled(row)
        transaction = None
        if amount > 0:
            account.balance -= amount
            transaction = Transaction(
                self._next(),
                "INSIGHT_UNLOCK",
                -amount,
                account.balance,
                request.description or row.description,
                {**row.metadata, **request.metadata},
                row.reference,
                row.number,
            )
            account.transactions.append(transaction)
        row = replace(row, state=CHARGED, charged_amount=amount, transaction=transaction)
        account.reservations[row.number] = row
        return self._done(request, account, row, transaction)

    def _release(self, request: credit_pb2.ReleaseRequest, account: Account, row: Reservation) -> Answer:
        if row.state not in (RESERVED, RELEASED):
            return _settled(row)
        if row.state == RESERVED:
            row = account.release(row, request.reason)
        return self._done(request, account, row)

    def _extend(self, request: credit_pb2.ExtendRequest, account: Account, row: Reservation) -> Answer:
        if row.state != RESERVED:
            return _settled(row)
        # Never on a closed account: what it held was released.
        assert not account.closed
        return self._done(request, account, row)

    # What they have in common

    def _meant(self, request: Request) -> tuple[Account | None, Reservation | None]:
        """Answer the account that a request belongs to, and the reservation that it names."""
        if not isinstance(request, Settling):
            return self.accounts.get(request.user_id), None
        if request.reservation_id:
            user_id, number = self._names.get(_uuid(request.reservation_id), ("", 0))
            account = self.accounts.get(user_id)
            return account, account.reservations.get(number) if account else None
        account = self.accounts.get(request.user_id)
        rows = account.reservations.values() if account else ()
        wanted = _uuid(request.reserve_request_id)
        return account, next((row for row in rows if row.request_id == wanted), None)

    def _move(
        self, request: credit_pb2.GrantRequest | credit_pb2.DebitRequest, account: Account, amount: int
    ) -> Transaction:
        account.balance += amount
        kind = credit_pb2.TransactionType.Name(request.type).removeprefix("TRANSACTION_TYPE_")
        transaction = Transaction(
            self._next(), kind, amount, account.balance, request.description, dict(request.metadata)
        )
        account.transactions.append(transaction)
        return transaction

    def _set_aside(self, request: credit_pb2.ReserveRequest, account: Account, state: str) -> Reservation:
        row = Reservation(
            self._next(),
            _uuid(request.request_id),
            request.amount,
            state,
            request.description,
            dict(request.metadata),
            (request.reference_type, request.reference_id),
        )
        account.reservations[row.number] = row
        return row

    def _done(
        self,
        request: Request,
        account: Account,
        reservation: Reservation | None = None,
        transaction: Transaction | None = None,
    ) -> Done:
        """Answer a success, and remember it."""
        done = Done(self._next(), reservation, transaction, account.coins())
        if request.request_id:
            account.remembered[_uuid(request.request_id)] = Remembered(request, done)
        return done

    def _told_no(
        self, request: credit_pb2.DebitRequest | credit_pb2.ReserveRequest, refused: Refused
    ) -> Refused:
        """Remember a refusal for lack of coins, once; an account that is not there remembers nothing."""
        account = self.accounts.get(request.user_id)
        if account is not None and _uuid(request.request_id) not in account.remembered:
            if isinstance(request, credit_pb2.ReserveRequest):
                self._set_aside(request, account, REFUSED)
            account.remembered[_uuid(request.request_id)] = Remembered(request, refused)
        return refused

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers


def malformed(request: Request) -> str | None:
    """Answer the first field, in wire order, that no state could make right."""
    misnamed = _misnamed(request) if isinstance(request, Settling) else None
    for descriptor in request.DESCRIPTOR.fields:
        name = str(descriptor.name)
        value = getattr(request, name)
        match name:
            case "reservation_id" | "user_id" | "reserve_request_id" if isinstance(request, Settling):
                wrong = name == misnamed
            case "user_id":
                wrong = not 1 <= len(value) <= 128
            case "amount" if isinstance(request, credit_pb2.ChargeRequest):
                wrong = not 0 <= value <= MOST_COINS_AT_ONCE
            case "amount":
                wrong = not 1 <= value <= MOST_COINS_AT_ONCE
            case "type":
                wrong = value not in _TYPES[type(request)]
            case "ttl":
                absent = not request.HasField("ttl")  # type: ignore[arg-type]
                wrong = not isinstance(request, credit_pb2.ReserveRequest) if absent else not _a_ttl(value)
            case "request_id":
                may_be_absent = isinstance(request, credit_pb2.ChargeRequest | credit_pb2.ReleaseRequest)
                wrong = not _is_uuid(value) and not (may_be_absent and value == "")
            case "description" | "reason":
                wrong = len(value) > 1_024
            case "reference_type":
                wrong = len(value) > 64
            case "reference_id":
                wrong = len(value) > 128
            case "metadata":
                long = any(len(key) > 64 or len(text) > 512 for key, text in value.items())
                wrong = len(value) > 32 or long
            case _:
                wrong = False
        if wrong:
            return name
    return None


def _misnamed(request: Settling) -> str | None:
    """A reservation is named by its id, or by whose it is and which Reserve made it: one of the two.

    Which of the fields is to blame is not written down, so who compares takes any of `NAMING`.
    """
    by_pair = bool(request.user_id or request.reserve_request_id)
    if bool(request.reservation_id) == by_pair:
        return "reservation_id"
    if not by_pair:
        return None if _is_uuid(request.reservation_id) else "reservation_id"
    if not 1 <= len(request.user_id) <= 128:
        return "user_id"
    return None if _is_uuid(request.reserve_request_id) else "reserve_request_id"


_TYPES: Mapping[type[Request], set[int]] = {
    credit_pb2.GrantRequest: {
        credit_pb2.TRANSACTION_TYPE_PURCHASE,
        credit_pb2.TRANSACTION_TYPE_REFUND,
        credit_pb2.TRANSACTION_TYPE_BONUS,
        credit_pb2.TRANSACTION_TYPE_ADJUSTMENT,
    },
    credit_pb2.DebitRequest: {
        credit_pb2.TRANSACTION_TYPE_REFUND,
        credit_pb2.TRANSACTION_TYPE_CHARGEBACK,
        credit_pb2.TRANSACTION_TYPE_ADJUSTMENT,
    },
}


def _a_ttl(ttl: Duration) -> bool:
    return SECOND <= ttl.ToNanoseconds() <= DAY


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _uuid(text: str) -> str:
    return text.lower()


def _difference(first: Remembered, request: Request, row: Reservation | None) -> str | None:
    """Answer the first field, in wire order, in which what was sent now differs from what was sent first."""
    if type(first.request) is not type(request):
        return "operation"
    for descriptor in request.DESCRIPTOR.fields:
        name = str(descriptor.name)
        if _sent(first.request, name) != _sent(request, name) and not _same_amount(first, request, row, name):
            return name
    return None


def _sent(request: Request, name: str) -> object:
    """Answer a field as it is compared: unset is not zero."""
    value = getattr(request, name)
    if isinstance(value, Duration) or (isinstance(request, credit_pb2.ChargeRequest) and name == "amount"):
        if not request.HasField(name):  # type: ignore[arg-type]
            return None
        return value.ToNanoseconds() if isinstance(value, Duration) else value
    if name in ("request_id", "reservation_id", "reserve_request_id"):
        return _uuid(value)
    return dict(value) if isinstance(value, ScalarMap) else value


def _same_amount(first: Remembered, request: Request, row: Reservation | None, name: str) -> bool:
    """Tell whether one Charge spells the full amount out and the other leaves it to the reservation."""
    if name != "amount" or not isinstance(request, credit_pb2.ChargeRequest) or row is None:
        return False
    assert isinstance(first.answer, Done)
    assert first.answer.reservation is not None
    amount = request.amount if request.HasField("amount") else row.amount
    return amount == first.answer.reservation.charged_amount


def _as_of_now(first: Answer, account: Account) -> Answer:
    """Answer what was answered first, but the account as it is."""
    return replace(first, coins=account.coins()) if isinstance(first, Done) else first


def _settled(row: Reservation) -> Refused:
    match row.state:
        case "CHARGED":
            charged = {"charged_amount": str(row.charged_amount)}
            return Refused("RESERVATION_ALREADY_CHARGED", charged, row)
        case "RELEASED":
            return Refused("RESERVATION_ALREADY_RELEASED", {"release_reason": row.release_reason}, row)
        case "EXPIRED":
            return Refused("RESERVATION_EXPIRED", reservation=row)
    return Refused("RESERVATION_REFUSED", reservation=row)


def _no_reservation(request: Settling) -> Refused:
    named = {"reservation_id": _uuid(request.reservation_id)} if request.reservation_id else {}
    return Refused("RESERVATION_NOT_FOUND", named)


def _too_few(required: int, available: int) -> Refused:
    return Refused("INSUFFICIENT_CREDITS", {"required": str(required), "available": str(available)})


def _invalid(name: str) -> Refused:
    return Refused("INVALID_FIELD", {"field": name})


def _runs(operations: Iterable[credit_pb2.Operation]) -> Iterator[list[credit_pb2.Operation]]:
    """Cut after each operation that is not linked to the next."""
    run: list[credit_pb2.Operation] = []
    for operation in operations:
        run.append(operation)
        if not operation.linked:
            yield run
            run = []


def _request_of(operation: credit_pb2.Operation) -> Single | None:
    name = operation.WhichOneof("operation")
    request: Single | None = getattr(operation, name) if name else None
    return request
