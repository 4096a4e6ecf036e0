"""A caller of the service: messages by keyword, typed errors, many calls at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar
from uuid import uuid4

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from servicekit.errors import ServiceError, from_rpc_error

_T = TypeVar("_T")
_TIMEOUT_S = 20.0


def duration(seconds: float) -> Duration:
    """Answer a Duration."""
    message = Duration()
    message.FromNanoseconds(round(seconds * 1e9))
    return message


def new_id() -> str:
    """Answer a fresh request id."""
    return str(uuid4())


class Client:
    """Calls credit.v1.CreditService; every RPC is a method that takes the request's fields."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(target)
        self.stub = credit_pb2_grpc.CreditServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def call(self, method: str, **fields: Any) -> Any:
        """Call an RPC by name; raises `ServiceError`."""
        request = getattr(credit_pb2, f"{method}Request")(**fields)
        try:
            return getattr(self.stub, method)(request, timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None

    def grant(self, coins: int, user_id: str = "ana", **fields: Any) -> credit_pb2.GrantResponse:
        """Add coins."""
        given = {"type": credit_pb2.TRANSACTION_TYPE_PURCHASE, "request_id": new_id(), **fields}
        answer: credit_pb2.GrantResponse = self.call("Grant", user_id=user_id, amount=coins, **given)
        return answer

    def reserve(
        self, coins: int, user_id: str = "ana", ttl_s: float | None = None, **fields: Any
    ) -> credit_pb2.ReserveResponse:
        """Set coins aside."""
        given = {"request_id": new_id(), **fields}
        if ttl_s is not None:
            given["ttl"] = duration(ttl_s)
        answer: credit_pb2.ReserveResponse = self.call("Reserve", user_id=user_id, amount=coins, **given)
        return answer

    def reserved(self, coins: int, user_id: str = "ana", ttl_s: float | None = None) -> str:
        """Set coins aside and answer the reservation's id."""
        return self.reserve(coins, user_id, ttl_s).reservation.reservation_id

    def charge(self, reservation_id: str, **fields: Any) -> credit_pb2.ChargeResponse:
        """Take reserved coins."""
        answer: credit_pb2.ChargeResponse = self.call("Charge", reservation_id=reservation_id, **fields)
        return answer

    def release(self, reservation_id: str, **fields: Any) -> credit_pb2.ReleaseResponse:
        """Give reserved coins back."""
        answer: credit_pb2.ReleaseResponse = self.call("Release", reservation_id=reservation_id, **fields)
        return answer

    def extend(self, reservation_id: str, ttl_s: float, **fields: Any) -> credit_pb2.Reservation:
        """Move an expiry."""
        given = {"request_id": new_id(), **fields}
        answer: credit_pb2.ExtendResponse = self.call(
            "Extend", reservation_id=reservation_id, ttl=duration(ttl_s), **given
        )
        return answer.reservation

    def debit(self, coins: int, user_id: str = "ana", **fields: Any) -> credit_pb2.DebitResponse:
        """Take coins back."""
        given = {"type": credit_pb2.TRANSACTION_TYPE_CHARGEBACK, "request_id": new_id(), **fields}
        answer: credit_pb2.DebitResponse = self.call("Debit", user_id=user_id, amount=coins, **given)
        return answer

    def close(self, user_id: str = "ana", **fields: Any) -> credit_pb2.Account:
        """Close the account."""
        given = {"request_id": new_id(), **fields}
        answer: credit_pb2.CloseAccountResponse = self.call("CloseAccount", user_id=user_id, **given)
        return answer.account

    def execute(self, *operations: credit_pb2.Operation) -> list[credit_pb2.OperationResult]:
        """Do operations in one commit."""
        answer: credit_pb2.ExecuteResponse = self.call("Execute", operations=operations)
        return list(answer.results)

    def account(self, user_id: str = "ana") -> credit_pb2.Account:
        """Answer the account."""
        answer: credit_pb2.GetAccountResponse = self.call("GetAccount", user_id=user_id)
        return answer.account

    def coins(self, user_id: str = "ana") -> tuple[int, int, int]:
        """Answer balance, reserved and available."""
        account = self.account(user_id)
        return account.balance, account.reserved, account.available

    def reservation(self, reservation_id: str) -> credit_pb2.Reservation:
        """Answer the reservation."""
        answer: credit_pb2.GetReservationResponse = self.call("GetReservation", reservation_id=reservation_id)
        return answer.reservation


def operation(kind: str, *, linked: Any = False, **fields: Any) -> credit_pb2.Operation:
    """Answer an operation of an Execute, such as "reserve"; a request id comes along where one is needed."""
    if kind in ("grant", "debit", "reserve", "extend"):
        fields = {"request_id": new_id(), **fields}
    if kind == "grant":
        fields = {"type": credit_pb2.TRANSACTION_TYPE_BONUS, **fields}
    request = getattr(credit_pb2, f"{kind.title()}Request")(**fields)
    return credit_pb2.Operation(**{kind: request, "linked": linked})


def reason(result: credit_pb2.OperationResult) -> str:
    """Answer the reason of an operation's error, or what kind of answer it has."""
    if result.WhichOneof("result") != "error":
        return str(result.WhichOneof("result"))
    info = error_details_pb2.ErrorInfo()
    assert result.error.details[0].Unpack(info)
    return str(info.reason)


def metadata(result: credit_pb2.OperationResult) -> dict[str, str]:
    """Answer the metadata of an operation's error."""
    info = error_details_pb2.ErrorInfo()
    assert result.error.details[0].Unpack(info)
    return dict(info.metadata)


def refused(reason: str, call: Callable[[], object]) -> ServiceError:
    """Make a call that has to fail with this reason, and answer its error."""
    with pytest.raises(ServiceError) as caught:
        call()
    assert caught.value.reason == reason, caught.value
    return caught.value


def at_once(calls: Iterable[Callable[[], _T]]) -> list[_T | ServiceError]:
    """Make all calls at the same time, each in a thread, and answer what each got."""
    listed = list(calls)

    def one(call: Callable[[], _T]) -> _T | ServiceError:
        try:
            return call()
        except ServiceError as error:
            return error

    with ThreadPoolExecutor(len(listed)) as threads:
        return list(threads.map(one, listed))
