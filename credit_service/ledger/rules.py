"""The rules: what each operation does to the rows, and which error wins.

When several errors apply, the first of these is answered: the request id stands for another request, not
found, more metadata keys than a transaction carries, more charged than reserved, the state of the
reservation, closed, overflow, too few coins. Every rule below asks in that order.

Too much metadata is a malformed request, which is answered first of all wherever a request alone shows it. A
Charge's metadata is added to the reservation's, so the sum is known only here, and a replay needs no sum.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from credit_service.ledger.book import Book, Event, EventKind
from credit_service.ledger.moves import add, move, new_reservation, settle
from credit_service.ledger.operations import (
    Charge,
    Close,
    Debit,
    Extend,
    Grant,
    OnReservation,
    Operation,
    OperationKind,
    Release,
    Reserve,
    sent_fields,
)
from credit_service.ledger.refusals import (
    AccountClosed,
    AccountNotFound,
    BalanceOverflow,
    ChargeExceedsReservation,
    InsufficientCredits,
    LinkedOperationFailed,
    Refusal,
    ReservationNotFound,
    TooMuchMetadata,
)
from credit_service.ledger.replays import remember, replay
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
from credit_service.ledger.rows import (
    MAX_BALANCE,
    MAX_METADATA_KEYS,
    Account,
    Request,
    Reservation,
    ReservationState,
    Transaction,
    TransactionType,
    effective,
    expired,
)
from credit_service.ledger.states import settled

BALANCE_WITHDRAWN = "balance_withdrawn"
"""The release reason of reservations that a Debit has taken the coins of."""

ACCOUNT_CLOSED = "account_closed"
"""The release reason of what was reserved when the account was closed."""


def apply(
    book: Book,
    operations: Sequence[Operation | Refusal],
    now: datetime,
    ids: Sequence[UUID],
    linked: Collection[int] = (),
) -> list[Result]:
    """Do the operations in order and answer one result each; what they changed is left in `book.changes()`.

    `now` is the database's clock read while the rows were locked. `ids` holds one fresh id an operation: of
    the reservation or the transaction that it makes, if it makes one. Each operation sees those before it.
    A refusal in the place of an operation is its result. `linked` holds the indexes of operations that are
    linked to the next. Expired reservations give their coins back before anything else happens, so that none
    blocks a Reserve.
    """
    _expire_due(book, now)
    results: list[Result] = []
    while (start := len(results)) < len(operations):
        if start in linked:
            results += _do_run(book, operations, now, ids, range(start, _end_of_run(start, linked)))
        else:
            results.append(_do(book, operations[start], now, ids[start]))
    return results


def _do(book: Book, operation: Operation | Refusal, now: datetime, new_id: UUID) -> Result:
    return _RULES[type(operation)](book, operation, now, new_id) if type(operation) in _RULES else operation  # type: ignore[return-value]  # what has no rule is a refusal


def _end_of_run(index: int, linked: Collection[int]) -> int:
    while index in linked:
        index += 1
    return index + 1


def _do_run(
    book: Book, operations: Sequence[Operation | Refusal], now: datetime, ids: Sequence[UUID], run: range
) -> list[Result]:
    """Do all of a linked run or nothing of it; of what failed only a no for lack of coins is remembered."""
    book.begin_run()
    results: list[Result] = []
    for index in run:
        result = _do(book, operations[index], now, ids[index])
        if isinstance(result, Refusal):
            book.undo_run()
            _keep_refusal(book, operations[index], result, now, ids[index])
            return [result if other == index else LinkedOperationFailed(index) for other in run]
        results.append(result)
    book.end_run()
    return results


def _keep_refusal(
    book: Book, operation: Operation | Refusal, refusal: Refusal, now: datetime, new_id: UUID
) -> None:
    """Remember a no for lack of coins that was answered in a run: it must be no again when it is repeated."""
    if not isinstance(refusal, InsufficientCredits) or not isinstance(operation, Reserve | Debit):
        return
    account = book.account(operation.user_id)
    if account is not None and book.request(operation.user_id, operation.request_id) is None:
        _refuse(book, account, operation, now, new_id, refusal.available)


def _expire_due(book: Book, now: datetime) -> None:
    """Write every expiry down, in their order. The account changed at that instant, not when noticed."""
    due = [reservation for reservation in book.reservations() if expired(reservation, now)]
    for reservation in sorted(due, key=lambda row: (row.expire_time, row.number)):
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
    book.events.append(Event(EventKind.GRANTED, now, account, transaction=transaction))
    return Granted(transaction, account)


def _debit(book: Book, debit: Debit, now: datetime, new_id: UUID) -> Result:
    sent = sent_fields(debit)
    if remembered := book.request(debit.user_id, debit.request_id):
        return replay(book, remembered, debit, sent)
    account = book.account(debit.user_id)
    if account is None:
        return AccountNotFound(debit.user_id)
    if account.close_time is not None:
        return AccountClosed(account.user_id)
    takeable = account.balance if debit.allow_reserved else account.available
    if takeable < debit.amount:
        return _refuse(book, account, debit, now, new_id, takeable)
    account = _make_room(book, account, account.balance - debit.amount, now)
    transaction = Transaction(
        transaction_id=new_id,
        user_id=account.user_id,
        number=account.transaction_count + 1,
        type=debit.type,
        amount=-debit.amount,
        balance_after=account.balance - debit.amount,
        create_time=now,
        description=debit.description,
        metadata=debit.metadata,
    )
    account = move(book, account, transaction)
    remember(book, debit, account.user_id, sent, now, transaction=transaction)
    book.events.append(Event(EventKind.DEBITED, now, account, transaction=transaction))
    return Debited(transaction, account)


def _make_room(book: Book, account: Account, balance: int, now: datetime) -> Account:
    """Release the youngest reservations that do not fit into the balance, and answer the account then."""
    for reservation in book.held(account.user_id) if account.reserved > balance else ():
        if account.reserved <= balance:
            break
        account = _give_back(book, account, reservation, BALANCE_WITHDRAWN, now)
    return account


def _give_back(book: Book, account: Account, reservation: Reservation, reason: str, now: datetime) -> Account:
    released = replace(reservation, state=ReservationState.RELEASED, settle_time=now, release_reason=reason)
    return settle(book, replace(account, update_time=now), released, EventKind.RELEASED)


def _close(book: Book, close: Close, now: datetime, _new_id: UUID) -> Result:
    sent = sent_fields(close)
    if erased := book.erased_account(close.pseudonym):
        return Closed(erased)
    if remembered := book.request(close.user_id, close.request_id):
        # An account with a great many reservations is emptied in several transactions.
        if remembered.operation is OperationKind.CLOSE:
            _empty(book, close.user_id, now)
        return replay(book, remembered, close, sent)
    account = book.account(close.user_id)
    if account is None:
        return AccountNotFound(close.user_id)
    if account.close_time is not None:
        return AccountClosed(account.user_id)
    account = replace(_empty(book, close.user_id, now), close_time=now, update_time=now)
    book.put_account(account)
    remember(book, close, account.user_id, sent, now)
    book.events.append(Event(EventKind.CLOSED, now, account))
    return Closed(account)


def _empty(book: Book, user_id: str, now: datetime) -> Account:
    account = book.locked_account(user_id)
    for reservation in book.held(user_id):
        account = _give_back(book, account, reservation, ACCOUNT_CLOSED, now)
    return account


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
        return _refuse(book, account, reserve, now, new_id, account.available)
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
    book: Book, account: Account, operation: Reserve | Debit, now: datetime, new_id: UUID, available: int
) -> Result:
    """Remember that there were too few coins: a queued retry cannot succeed after the user was told no."""
    reservation = None
    if isinstance(operation, Reserve):
        reservation = new_reservation(account, operation, ReservationState.REFUSED, now, new_id)
        account = replace(account, reservation_count=reservation.number)
        add(book, account, reservation, EventKind.REFUSED)
    sent = sent_fields(operation)
    remember(book, operation, account.user_id, sent, now, reservation=reservation, available=available)
    return InsufficientCredits(required=operation.amount, available=available)


def _unnamed(operation: OnReservation) -> Result:
    return ReservationNotFound(operation.reservation_id, operation.user_id, operation.reserve_request_id)


def _sent_beside(book: Book, first: Request, charge: Charge) -> dict[str, object]:
    """Answer what was sent, to compare with the first request; no amount is all that it was about."""
    about = None if first.reservation_id is None else book.reservation(first.reservation_id)
    everything = None if about is None else about.amount
    return sent_fields(charge, amount=everything if charge.amount is None else charge.amount)


def _charge(book: Book, charge: Charge, now: datetime, new_id: UUID) -> Result:
    reservation = book.named(charge)
    user_id = charge.user_id if reservation is None else reservation.user_id
    if remembered := book.request(user_id, charge.request_id):
        return replay(book, remembered, charge, _sent_beside(book, remembered, charge))
    if reservation is None:
        return _unnamed(charge)
    amount = reservation.amount if charge.amount is None else charge.amount
    sent = sent_fields(charge, amount=amount)
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
    reservation = book.named(release)
    sent = sent_fields(release)
    user_id = release.user_id if reservation is None else reservation.user_id
    if remembered := book.request(user_id, release.request_id):
        return replay(book, remembered, release, sent)
    if reservation is None:
        return _unnamed(release)
    account = book.owner(reservation)
    if reservation.state is not ReservationState.RELEASED:
        if refusal := settled(reservation):
            return refusal
        account = _give_back(book, account, reservation, release.reason, now)
        reservation = book.reservation(reservation.reservation_id) or reservation
    remember(book, release, account.user_id, sent, now, reservation=reservation)
    return Released(reservation, account)


def _extend(book: Book, extend: Extend, now: datetime, _new_id: UUID) -> Result:
    reservation = book.named(extend)
    sent = sent_fields(extend)
    user_id = extend.user_id if reservation is None else reservation.user_id
    if remembered := book.request(user_id, extend.request_id):
        return replay(book, remembered, extend, sent)
    if reservation is None:
        return _unnamed(extend)
    if refusal := settled(reservation):
        return refusal
    account = book.owner(reservation)
    if account.close_time is not None:
        return AccountClosed(account.user_id)
    if now + extend.ttl > reservation.expire_time:
        reservation = replace(reservation, expire_time=now + extend.ttl)
        book.put_account(account)
        book.put_reservation(reservation)
        book.events.append(Event(EventKind.EXTENDED, now, account, reservation))
    remember(book, extend, account.user_id, sent, now, reservation=reservation)
    return Extended(reservation)


# The rules differ in the operation they take; `apply` picks each by the operation's own type.
_RULES: Mapping[type, Callable[[Book, Any, datetime, UUID], Result]] = {
    Grant: _grant,
    Debit: _debit,
    Reserve: _reserve,
    Charge: _charge,
    Release: _release,
    Extend: _extend,
    Close: _close,
}
