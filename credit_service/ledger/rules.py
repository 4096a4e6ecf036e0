"""The rules: what each operation does to the rows, and which error wins.

When several errors apply, the first of these is answered: the request id stands for another request, not
found, more metadata keys than a transaction carries, more charged than reserved, the state of the
reservation, closed, overflow, too few coins. Every rule below asks in that order.

Too much metadata is a malformed request, which is answered first of all wherever a request alone shows it. A
Charge's metadata is added to the reservation's, so the sum is known only here, and a replay needs no sum.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from credit_service.ledger.book import Book, Event, EventKind
from credit_service.ledger.moves import add, move, new_reservation, settle
from credit_service.ledger.operations import Charge, Extend, Grant, Operation, Release, Reserve, sent_fields
from credit_service.ledger.refusals import (
    AccountClosed,
    AccountNotFound,
    BalanceOverflow,
    ChargeExceedsReservation,
    InsufficientCredits,
    ReservationNotFound,
    TooMuchMetadata,
)
from credit_service.ledger.replays import remember, replay
from credit_service.ledger.results import Charged, Extended, Granted, Released, Reserved, Result
from credit_service.ledger.rows import (
    MAX_BALANCE,
    MAX_METADATA_KEYS,
    Account,
    Reservation,
    ReservationState,
    Transaction,
    TransactionType,
    effective,
    expired,
)
from credit_service.ledger.states import settled


def apply(book: Book, operations: Sequence[Operation], now: datetime, ids: Sequence[UUID]) -> list[Result]:
    """Do the operations in order and answer one result each; what they changed is left in `book.changes()`.

    `now` is the database's clock read while the rows were locked. `ids` holds one fresh id an operation: of
    the reservation or the transaction that it makes, if it makes one. Each operation sees those before it.
    Expired reservations give their coins back before anything else happens, so that none blocks a Reserve.
    """
    _expire_due(book, now)
    return [
        _RULES[type(operation)](book, operation, now, new_id)
        for operation, new_id in zip(operations, ids, strict=True)
    ]


def _expire_due(book: Book, now: datetime) -> None:
    """Write every expiry down. The account changed at that instant, not when somebody noticed."""
    for reservation in book.reservations():
        if expired(reservation, now):
            account = book.owner(reservation)
            lapsed = effective(reservation, now)
            update_time = max(account.update_time, reservation.expire_time)
            settle(book, replace(account, update_time=update_time), lapsed, EventKind.EXPIRED)


def _grant(book: Book, grant: Grant, now: datetime, new_id: UUID) -> Result:
    sent = sent_fields(grant)
    if remembered := book.request(grant.user_id, grant.request_id):
        return replay(book, remembered, grant, sent)
    account = book.account(grant.user_id) or replace(book.locked_account(grant.user_id), create_time=now)
    if account.close_time is not None:
        return AccountClosed(account.user_id)
    if account.balance + grant.amount > MAX_BALANCE:
        return BalanceOverflow(account.user_id)
    transaction = Transaction(
        transaction_id=new_id,
        user_id=account.user_id,
        number=account.transaction_count + 1,
        type=grant.type,
        amount=grant.amount,
        balance_after=account.balance + grant.amount,
        create_time=now,
        description=grant.description,
        metadata=grant.metadata,
    )
    account = move(book, account, transaction)
    remember(book, grant, account.user_id, sent, now, transaction=transaction)
    book.events.append(Event(EventKind.GRANTED, account, transaction=transaction))
    return Granted(transaction, account)


def _reserve(book: Book, reserve: Reserve, now: datetime, new_id: UUID) -> Result:
    sent = sent_fields(reserve)
    if remembered := book.request(reserve.user_id, reserve.request_id):
        return replay(book, remembered, reserve, sent)
    account = book.account(reserve.user_id)
    if account is None:
        return AccountNotFound(reserve.user_id)
    if account.close_time is not None:
        return AccountClosed(account.user_id)
    if account.available < reserve.amount:
        return _refuse(book, account, reserve, now, new_id, sent)
    reservation = new_reservation(account, reserve, ReservationState.RESERVED, now, new_id)
    account = replace(
        account,
        reserved=account.reserved + reserve.amount,
        reservation_count=reservation.number,
        update_time=now,
    )
    add(book, account, reservation, EventKind.RESERVED)
    remember(book, reserve, account.user_id, sent, now, reservation=reservation)
    return Reserved(reservation, account)


def _refuse(
    book: Book, account: Account, reserve: Reserve, now: datetime, new_id: UUID, sent: Mapping[str, object]
) -> Result:
    """Remember that there were too few coins: a queued retry cannot succeed after the user was told no."""
    reservation = new_reservation(account, reserve, ReservationState.REFUSED, now, new_id)
    account = replace(account, reservation_count=reservation.number)
    add(book, account, reservation, EventKind.REFUSED)
    remember(book, reserve, account.user_id, sent, now, reservation=reservation, available=account.available)
    return InsufficientCredits(required=reserve.amount, available=account.available)


def _charge(book: Book, charge: Charge, now: datetime, new_id: UUID) -> Result:
    reservation = book.reservation(charge.reservation_id)
    if reservation is None:
        return ReservationNotFound(charge.reservation_id)
    amount = reservation.amount if charge.amount is None else charge.amount
    sent = sent_fields(charge, amount=amount)
    if remembered := book.request(reservation.user_id, charge.request_id):
        return replay(book, remembered, charge, sent)
    metadata = {**reservation.metadata, **charge.metadata}
    if len(metadata) > MAX_METADATA_KEYS:
        return TooMuchMetadata(keys=len(metadata), limit=MAX_METADATA_KEYS)
    if amount > reservation.amount:
        return ChargeExceedsReservation(requested=amount, reserved=reservation.amount)
    if charge.request_id is None and _charged_as_asked(reservation, amount):
        return _first_charge(book, reservation)
    account = book.owner(reservation)
    if refusal := settled(reservation):
        return refusal
    if account.close_time is not None:
        return AccountClosed(account.user_id)
    result = _capture(book, reservation, charge, amount, metadata, now, new_id)
    remember(
        book,
        charge,
        account.user_id,
        sent,
        now,
        reservation=result.reservation,
        transaction=result.transaction,
    )
    return result


def _charged_as_asked(reservation: Reservation, amount: int) -> bool:
    """Tell whether the reservation, which is its own key, was charged with the same effective amount."""
    return reservation.state is ReservationState.CHARGED and reservation.charged_amount == amount


def _first_charge(book: Book, reservation: Reservation) -> Charged:
    transaction_id = reservation.transaction_id
    transaction = None if transaction_id is None else book.transaction(transaction_id)
    return Charged(reservation, transaction, book.owner(reservation))


def _capture(
    book: Book,
    reservation: Reservation,
    charge: Charge,
    amount: int,
    metadata: Mapping[str, str],
    now: datetime,
    new_id: UUID,
) -> Charged:
    """Take `amount` coins and give the rest back at once. 0 is 0: no coin moves, no transaction is made."""
    account = replace(book.owner(reservation), update_time=now)
    charged = replace(
        reservation,
        state=ReservationState.CHARGED,
        charged_amount=amount,
        settle_time=now,
        transaction_id=new_id if amount else None,
    )
    if amount == 0:
        account = settle(book, account, charged, EventKind.CHARGED)
        return Charged(charged, None, account)
    transaction = Transaction(
        transaction_id=new_id,
        user_id=account.user_id,
        number=account.transaction_count + 1,
        type=TransactionType.INSIGHT_UNLOCK,
        amount=-amount,
        balance_after=account.balance - amount,
        create_time=now,
        description=charge.description or reservation.description,
        reservation_id=reservation.reservation_id,
        reference_type=reservation.reference_type,
        reference_id=reservation.reference_id,
        metadata=metadata,
    )
    account = move(book, account, transaction)
    account = settle(book, account, charged, EventKind.CHARGED, transaction)
    return Charged(charged, transaction, account)


def _release(book: Book, release: Release, now: datetime, _new_id: UUID) -> Result:
    reservation = book.reservation(release.reservation_id)
    if reservation is None:
        return ReservationNotFound(release.reservation_id)
    sent = sent_fields(release)
    if remembered := book.request(reservation.user_id, release.request_id):
        return replay(book, remembered, release, sent)
    account = book.owner(reservation)
    if reservation.state is not ReservationState.RELEASED:
        if refusal := settled(reservation):
            return refusal
        reservation = replace(
            reservation,
            state=ReservationState.RELEASED,
            settle_time=now,
            release_reason=release.reason,
        )
        account = settle(book, replace(account, update_time=now), reservation, EventKind.RELEASED)
    remember(book, release, account.user_id, sent, now, reservation=reservation)
    return Released(reservation, account)


def _extend(book: Book, extend: Extend, now: datetime, _new_id: UUID) -> Result:
    reservation = book.reservation(extend.reservation_id)
    if reservation is None:
        return ReservationNotFound(extend.reservation_id)
    sent = sent_fields(extend)
    if remembered := book.request(reservation.user_id, extend.request_id):
        return replay(book, remembered, extend, sent)
    if refusal := settled(reservation):
        return refusal
    account = book.owner(reservation)
    if account.close_time is not None:
        return AccountClosed(account.user_id)
    if now + extend.ttl > reservation.expire_time:
        reservation = replace(reservation, expire_time=now + extend.ttl)
        book.put_reservation(reservation)
    remember(book, extend, account.user_id, sent, now, reservation=reservation)
    return Extended(reservation)


# The rules differ in the operation they take; `apply` picks each by the operation's own type.
_RULES: Mapping[type, Callable[[Book, Any, datetime, UUID], Result]] = {
    Grant: _grant,
    Reserve: _reserve,
    Charge: _charge,
    Release: _release,
    Extend: _extend,
}
