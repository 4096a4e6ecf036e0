"""credit.v1.CreditService: the request becomes an operation, the result a message."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from credit_service import messages, requests
from credit_service.erasure import Erasure
from credit_service.history import History
from credit_service.ledger import Charged, Closed, Debited, Extended, Granted, Released, Reserved
from credit_service.repository import Repository
from credit_service.service import LedgerService
from credit_service.verification import Verification
from credit_service.watching import Watching
from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from servicekit.pages import PageTokens, cut_page
from servicekit.validation import user_id_field, uuid_field


class CreditServicer(credit_pb2_grpc.CreditServiceServicer):
    """Thin: checks the request, asks the ledger, answers. Errors leave as `ServiceError`."""

    def __init__(
        self,
        ledger: LedgerService,
        erasure: Erasure,
        repository: Repository,
        history: History,
        verification: Verification,
        watching: Watching,
        tokens: PageTokens,
    ) -> None:
        """Take what moves coins, what erases, what reads (the present, the past, the books, events), what
        signs tokens."""
        self._ledger = ledger
        self._erasure = erasure
        self._repository = repository
        self._history = history
        self._verification = verification
        self._watching = watching
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
        return messages.granted(await self._ledger.do(requests.grant(request), Granted))

    async def Debit(  # noqa: N802
        self, request: credit_pb2.DebitRequest, context: Any
    ) -> credit_pb2.DebitResponse:
        """Take coins back."""
        return messages.debited(await self._ledger.do(requests.debit(request), Debited))

    async def Reserve(  # noqa: N802
        self, request: credit_pb2.ReserveRequest, context: Any
    ) -> credit_pb2.ReserveResponse:
        """Set coins aside."""
        return messages.reserved(await self._ledger.do(requests.reserve(request), Reserved))

    async def Charge(  # noqa: N802
        self, request: credit_pb2.ChargeRequest, context: Any
    ) -> credit_pb2.ChargeResponse:
        """Take reserved coins."""
        return messages.charged(await self._ledger.do(requests.charge(request), Charged))

    async def Release(  # noqa: N802
        self, request: credit_pb2.ReleaseRequest, context: Any
    ) -> credit_pb2.ReleaseResponse:
        """Give reserved coins back."""
        return messages.released(await self._ledger.do(requests.release(request), Released))

    async def Extend(  # noqa: N802
        self, request: credit_pb2.ExtendRequest, context: Any
    ) -> credit_pb2.ExtendResponse:
        """Move an expiry to a later instant."""
        return messages.extended(await self._ledger.do(requests.extend(request), Extended))

    async def Execute(  # noqa: N802
        self, request: credit_pb2.ExecuteRequest, context: Any
    ) -> credit_pb2.ExecuteResponse:
        """Do many operations in one commit."""
        given = requests.execute(request)
        results = await self._ledger.execute(given.operations, given.linked)
        return credit_pb2.ExecuteResponse(results=map(messages.operation_result, results))

    async def CloseAccount(  # noqa: N802
        self, request: credit_pb2.CloseAccountRequest, context: Any
    ) -> credit_pb2.CloseAccountResponse:
        """Close an account for good."""
        closed = await self._ledger.do(requests.close(request), Closed)
        return credit_pb2.CloseAccountResponse(account=messages.account(closed.account))

    async def EraseAccount(  # noqa: N802
        self, request: credit_pb2.EraseAccountRequest, context: Any
    ) -> credit_pb2.EraseAccountResponse:
        """Close an account and take its user's id off the books."""
        user_id = user_id_field(request.user_id)
        request_id = uuid_field("request_id", request.request_id)
        account = await self._erasure.erase(user_id, request_id)
        if request.forget_events:
            await self._erasure.forget_events(request_id)
        return credit_pb2.EraseAccountResponse(account=messages.account(account))

    async def GetBalanceAt(  # noqa: N802
        self, request: credit_pb2.GetBalanceAtRequest, context: Any
    ) -> credit_pb2.GetBalanceAtResponse:
        """Answer an account as it was at an instant."""
        asked = requests.balance_at(request)
        account = await self._history.account(asked.user_id, asked.time)
        return credit_pb2.GetBalanceAtResponse(account=messages.account(account))

    async def WatchEvents(  # noqa: N802
        self, request: credit_pb2.WatchEventsRequest, context: Any
    ) -> AsyncIterator[credit_pb2.WatchEventsResponse]:
        """Stream events until the client or the server goes."""
        wanted = requests.watch(request)
        after = await self._watching.now() if wanted.after is None else wanted.after
        # Tells a client who begins now where that is: what is committed after this has reached it will come.
        await context.send_initial_metadata(())
        async for event in self._watching.watch(after, wanted.user_id):
            yield credit_pb2.WatchEventsResponse(event=messages.event(event))

    async def VerifyLedger(  # noqa: N802
        self, request: credit_pb2.VerifyLedgerRequest, context: Any
    ) -> credit_pb2.VerifyLedgerResponse:
        """Recompute the books of everybody or of one user."""
        user_id = requests.verified_user(request)
        check = self._verification
        return messages.verified(await (check.everybody() if user_id is None else check.one(user_id)))

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
