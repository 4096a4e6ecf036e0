"""credit.v1.CreditService: the request becomes an operation, the result a message."""

from collections.abc import Mapping
from typing import Any

from credit_service import messages, requests
from credit_service.ledger import Charged, Extended, Granted, Released, Reserved
from credit_service.repository import Repository
from credit_service.service import LedgerService
from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from servicekit.pages import PageTokens, cut_page
from servicekit.validation import user_id_field, uuid_field


class CreditServicer(credit_pb2_grpc.CreditServiceServicer):
    """Thin: checks the request, asks the ledger, answers. Errors leave as `ServiceError`."""

    def __init__(self, ledger: LedgerService, repository: Repository, tokens: PageTokens) -> None:
        """Take what moves coins, what reads, and what signs page tokens."""
        self._ledger = ledger
        self._repository = repository
        self._tokens = tokens

    async def GetAccount(  # noqa: N802  # the names of the RPCs
        self, request: credit_pb2.GetAccountRequest, context: Any
    ) -> credit_pb2.GetAccountResponse:
        """Answer an account as of now."""
        account = await self._repository.account(user_id_field(request.user_id))
        return credit_pb2.GetAccountResponse(account=messages.account(account))

    async def Grant(  # noqa: N802
        self, request: credit_pb2.GrantRequest, context: Any
    ) -> credit_pb2.GrantResponse:
        """Add coins."""
        granted = await self._ledger.do(requests.grant(request), Granted)
        return credit_pb2.GrantResponse(
            transaction=messages.transaction(granted.transaction), account=messages.account(granted.account)
        )

    async def Reserve(  # noqa: N802
        self, request: credit_pb2.ReserveRequest, context: Any
    ) -> credit_pb2.ReserveResponse:
        """Set coins aside."""
        reserved = await self._ledger.do(requests.reserve(request), Reserved)
        return credit_pb2.ReserveResponse(
            reservation=messages.reservation(reserved.reservation),
            account=messages.account(reserved.account),
        )

    async def Charge(  # noqa: N802
        self, request: credit_pb2.ChargeRequest, context: Any
    ) -> credit_pb2.ChargeResponse:
        """Take reserved coins."""
        charged = await self._ledger.do(requests.charge(request), Charged)
        transaction = charged.transaction
        return credit_pb2.ChargeResponse(
            reservation=messages.reservation(charged.reservation),
            transaction=None if transaction is None else messages.transaction(transaction),
            account=messages.account(charged.account),
        )

    async def Release(  # noqa: N802
        self, request: credit_pb2.ReleaseRequest, context: Any
    ) -> credit_pb2.ReleaseResponse:
        """Give reserved coins back."""
        released = await self._ledger.do(requests.release(request), Released)
        return credit_pb2.ReleaseResponse(
            reservation=messages.reservation(released.reservation),
            account=messages.account(released.account),
        )

    async def Extend(  # noqa: N802
        self, request: credit_pb2.ExtendRequest, context: Any
    ) -> credit_pb2.ExtendResponse:
        """Move an expiry to a later instant."""
        extended = await self._ledger.do(requests.extend(request), Extended)
        return credit_pb2.ExtendResponse(reservation=messages.reservation(extended.reservation))

    async def GetReservation(  # noqa: N802
        self, request: credit_pb2.GetReservationRequest, context: Any
    ) -> credit_pb2.GetReservationResponse:
        """Answer a reservation as of now."""
        reservation_id = uuid_field("reservation_id", request.reservation_id)
        reservation = await self._repository.reservation(reservation_id)
        return credit_pb2.GetReservationResponse(reservation=messages.reservation(reservation))

    async def ListReservations(  # noqa: N802
        self, request: credit_pb2.ListReservationsRequest, context: Any
    ) -> credit_pb2.ListReservationsResponse:
        """Answer a page of reservations, newest first."""
        page = requests.reservations_page(request)
        before = self._before("reservations", request.page_token, page.query())
        rows = await self._repository.reservations(page.user_id, page.states, before, page.size + 1)
        shown, more = cut_page(rows, page.size, messages.reservation)
        after = rows[len(shown) - 1].number if more else None
        return credit_pb2.ListReservationsResponse(
            reservations=shown, next_page_token=self._next("reservations", after, page.query())
        )

    async def ListTransactions(  # noqa: N802
        self, request: credit_pb2.ListTransactionsRequest, context: Any
    ) -> credit_pb2.ListTransactionsResponse:
        """Answer a page of transactions, newest first."""
        page = requests.transactions_page(request)
        before = self._before("transactions", request.page_token, page.query())
        rows = await self._repository.transactions(page.user_id, page.wanted, before, page.size + 1)
        shown, more = cut_page(rows, page.size, messages.transaction)
        after = rows[len(shown) - 1].number if more else None
        return credit_pb2.ListTransactionsResponse(
            transactions=shown, next_page_token=self._next("transactions", after, page.query())
        )

    def _before(self, kind: str, token: str, query: Mapping[str, object]) -> int | None:
        """Answer the number of the last row on the page before; None asks for the first page."""
        return int(self._tokens.decode(token, kind, query)[0]) if token else None

    def _next(self, kind: str, after: int | None, query: Mapping[str, object]) -> str:
        """Answer the token of the page after the row of this number; None was the last page."""
        return "" if after is None else self._tokens.encode(kind, [after], query)
