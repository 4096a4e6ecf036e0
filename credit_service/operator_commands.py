"""What an operator does from the command line, through the running service, as any client would."""

import sys
from collections.abc import Callable
from uuid import UUID, uuid4

from credit_service.ledger import MAX_AMOUNT
from credit_service.settings import OperatorSettings
from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from servicekit.errors import ServiceError
from servicekit.grpc_clients import Caller, sync_channel


def grant(user_id: str, coins: str, request_id: UUID | None = None) -> int:
    """Add coins to an account, say what it holds then, and answer the exit code.

    A failure names the request id: whether the coins came is not always known then, and the same command
    with this id gives them once, however often it is repeated.
    """
    amount = _amount(coins)
    if amount is None:
        return _complain(f"COINS must be a whole number of 1 to {MAX_AMOUNT:,}, got {coins[:40]!r}")
    request = credit_pb2.GrantRequest(
        user_id=user_id,
        amount=amount,
        type=credit_pb2.TRANSACTION_TYPE_ADJUSTMENT,
        description="granted by an operator",
        request_id=str(request_id or uuid4()),
    )

    def run(stub: credit_pb2_grpc.CreditServiceStub, caller: Caller) -> str:
        response = caller.call_sync(stub.Grant, request)
        return f"{user_id}: {response.transaction.amount:+,} coins; {_shown(response.account)}"

    return _run(run, on_failure=f"to repeat it safely add --request-id {request.request_id}")


def _amount(coins: str) -> int | None:
    """Answer the whole text as coins, None when it is no amount."""
    if not coins.isascii() or not coins.isdecimal() or len(coins) > len(str(MAX_AMOUNT)):
        return None
    return int(coins) if 1 <= int(coins) <= MAX_AMOUNT else None


def account(user_id: str) -> int:
    """Say what an account holds, and answer the exit code."""
    request = credit_pb2.GetAccountRequest(user_id=user_id)

    def run(stub: credit_pb2_grpc.CreditServiceStub, caller: Caller) -> str:
        return f"{user_id}: {_shown(caller.call_sync(stub.GetAccount, request).account)}"

    return _run(run)


def _shown(account: credit_pb2.Account) -> str:
    closed = ", closed" if account.HasField("close_time") else ""
    return (
        f"balance {account.balance:,}, reserved {account.reserved:,}, available {account.available:,}{closed}"
    )


def _run(command: Callable[[credit_pb2_grpc.CreditServiceStub, Caller], str], on_failure: str = "") -> int:
    settings = OperatorSettings.load()
    with sync_channel(f"{settings.bind_host}:{settings.credit_port}", settings) as channel:
        try:
            print(command(credit_pb2_grpc.CreditServiceStub(channel), Caller(settings)))
        except ServiceError as error:
            return _complain("\n".join(filter(None, (error.message, on_failure))))
    return 0


def _complain(message: str) -> int:
    print(message, file=sys.stderr)
    return 1
