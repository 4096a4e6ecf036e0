"""Requests are remembered, and the same request gets the first answer again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from credit_service.ledger.book import Book
from credit_service.ledger.operations import (
    Debit,
    Operation,
    OperationKind,
    Reserve,
    first_difference,
    kind_of,
)
from credit_service.ledger.refusals import InsufficientCredits, RequestIdReused
from credit_service.ledger.results import (
    Charged,
    Closed,
    Debited,
    Extended,
    Granted,
    Released,
    Reserved,
    Result,
)
from credit_service.ledger.rows import Request, Reservation, ReservationState, Transaction


def remember(
    book: Book,
    operation: Operation,
    user_id: str,
    sent: Mapping[str, object],
    now: datetime,
    *,
    reservation: Reservation | None = None,
    transaction: Transaction | None = None,
    available: int | None = None,
) -> None:
    """Keep the answer of a request that carries an id; without one the reservation is the key."""
    if operation.request_id is None:
        return
    book.remember(
        Request(
            user_id=user_id,
            request_id=operation.request_id,
            operation=kind_of(operation),
            sent=sent,
            create_time=now,
            reservation_id=None if reservation is None else reservation.reservation_id,
            transaction_id=None if transaction is None else transaction.transaction_id,
            expire_time=None if reservation is None else reservation.expire_time,
            available=available,
        )
    )


def replay(book: Book, request: Request, operation: Operation, sent: Mapping[str, object]) -> Result:
    """Answer a request id that was seen before: as the first time, or that it stands for something else.

    The reservation and the transaction are those of the first answer; the account is as of now.
    """
    kind = kind_of(operation)
    if request.operation is not kind:
        return RequestIdReused(request.request_id, "operation")
    if field := first_difference(kind, request.sent, sent):
        return RequestIdReused(request.request_id, field)
    return _first_answer(book, request, operation)


def _first_answer(book: Book, request: Request, operation: Operation) -> Result:
    account = book.locked_account(request.user_id)
    transaction = None if request.transaction_id is None else book.transaction(request.transaction_id)
    if request.available is not None:
        assert isinstance(operation, Reserve | Debit)
        return InsufficientCredits(required=operation.amount, available=request.available)
    if request.operation is OperationKind.CLOSE:
        return Closed(account)
    if request.operation in (OperationKind.GRANT, OperationKind.DEBIT):
        assert transaction is not None
        made = Granted if request.operation is OperationKind.GRANT else Debited
        return made(transaction, account)
    reservation = _named(book, request.reservation_id)
    match request.operation:
        case OperationKind.RESERVE:
            return Reserved(_as_first_answered(reservation, request), account)
        case OperationKind.CHARGE:
            return Charged(reservation, transaction, account)
        case OperationKind.RELEASE:
            return Released(reservation, account)
        case _:
            return Extended(_as_first_answered(reservation, request))


def _named(book: Book, reservation_id: UUID | None) -> Reservation:
    reservation = None if reservation_id is None else book.reservation(reservation_id)
    assert reservation is not None, "the caller loads the reservations that remembered requests name"
    return reservation


def _as_first_answered(reservation: Reservation, request: Request) -> Reservation:
    """Undo what has happened to the reservation since: only its state and its expiry ever change."""
    assert request.expire_time is not None
    return replace(
        reservation,
        state=ReservationState.RESERVED,
        charged_amount=0,
        settle_time=None,
        release_reason="",
        transaction_id=None,
        expire_time=request.expire_time,
    )
