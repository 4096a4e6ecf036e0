"""What an operator does from the command line, through the running service, as any client would."""

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from itertools import islice
from uuid import UUID, uuid4

from credit_service.errors import instant
from credit_service.ledger import MAX_AMOUNT
from credit_service.settings import OperatorSettings
from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from servicekit.errors import ServiceError
from servicekit.grpc_clients import Caller, sync_channel
from servicekit.lines import printable
from servicekit.pages import MAX_PAGE_SIZE

_STATE_PREFIX = "RESERVATION_STATE_"

_Command = Callable[[credit_pb2_grpc.CreditServiceStub, Caller], Iterator[str]]
"""Asks the service and answers what to print, line by line."""


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

    def run(stub: credit_pb2_grpc.CreditServiceStub, caller: Caller) -> Iterator[str]:
        response = caller.call_sync(stub.Grant, request)
        yield f"{user_id}: {response.transaction.amount:+,} coins; {_shown(response.account)}"

    return _run(run, on_failure=f"to repeat it safely add --request-id {request.request_id}")


def _amount(coins: str) -> int | None:
    """Answer the whole text as coins, None when it is no amount."""
    if not coins.isascii() or not coins.isdecimal() or len(coins) > len(str(MAX_AMOUNT)):
        return None
    return int(coins) if 1 <= int(coins) <= MAX_AMOUNT else None


def account(user_id: str) -> int:
    """Say what an account holds, and answer the exit code."""
    request = credit_pb2.GetAccountRequest(user_id=user_id)

    def run(stub: credit_pb2_grpc.CreditServiceStub, caller: Caller) -> Iterator[str]:
        yield f"{user_id}: {_shown(caller.call_sync(stub.GetAccount, request).account)}"

    return _run(run)


def _shown(account: credit_pb2.Account) -> str:
    closed = ", closed" if account.HasField("close_time") else ""
    return (
        f"balance {account.balance:,}, reserved {account.reserved:,}, available {account.available:,}{closed}"
    )


def reservations(user_id: str, states: Sequence[str], limit: int) -> int:
    """List the newest reservations of a user, in these states (none: in any), and answer the exit code."""
    request = credit_pb2.ListReservationsRequest(
        user_id=user_id,
        states=[credit_pb2.ReservationState.Value(_STATE_PREFIX + state) for state in states],
        page_size=min(limit, MAX_PAGE_SIZE),
    )

    def run(stub: credit_pb2_grpc.CreditServiceStub, caller: Caller) -> Iterator[str]:
        return map(_listed, islice(_all_reservations(stub, caller, request), limit))

    return _run(run)


def _all_reservations(
    stub: credit_pb2_grpc.CreditServiceStub, caller: Caller, request: credit_pb2.ListReservationsRequest
) -> Iterator[credit_pb2.Reservation]:
    while True:
        page = caller.call_sync(stub.ListReservations, request)
        yield from page.reservations
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def _listed(row: credit_pb2.Reservation) -> str:
    state = credit_pb2.ReservationState.Name(row.state).removeprefix(_STATE_PREFIX)
    expires = instant(row.expire_time.ToDatetime(tzinfo=UTC))
    reference = " ".join(filter(None, (row.reference_type, row.reference_id)))
    return (
        f"{row.reservation_id} {state} {row.amount:,}, charged {row.charged_amount:,}, expires {expires}"
        f"{f', {reference}' if reference else ''}"
    )


def verify(user_id: str | None) -> int:
    """Have the books recomputed, of one user or of all, say what is wrong, and answer the exit code."""
    request = credit_pb2.VerifyLedgerRequest(user_id=user_id)
    # It may take as long as the service lets it.
    timeout_s = OperatorSettings.load().rpc_max_deadline_s
    findings = 0

    def run(stub: credit_pb2_grpc.CreditServiceStub, caller: Caller) -> Iterator[str]:
        nonlocal findings
        response = caller.call_sync(stub.VerifyLedger, request, timeout_s=timeout_s)
        findings = response.findings_total
        yield f"accounts checked: {response.accounts_checked:,}, findings: {findings:,}"
        for row in response.findings:
            yield f"{row.user_id}: {row.check}: expected {row.expected}, found {row.found}"

    return _run(run) or int(findings > 0)


def _run(command: _Command, on_failure: str = "") -> int:
    settings = OperatorSettings.load()
    with sync_channel(f"{settings.bind_host}:{settings.credit_port}", settings) as channel:
        try:
            for line in command(credit_pb2_grpc.CreditServiceStub(channel), Caller(settings)):
                # What callers sent, such as a user's id, stands in these lines.
                print(printable(line))
        except ServiceError as error:
            return _complain("\n".join(filter(None, (printable(error.message), on_failure))))
    return 0


def _complain(message: str) -> int:
    print(message, file=sys.stderr)
    return 1
