"""What every rule is made of: rows that come to be, coins that are held, freed and moved."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from credit_service.ledger.book import Book, Event, EventKind
from credit_service.ledger.operations import Reserve
from credit_service.ledger.rows import Account, Reservation, ReservationState, Transaction

DEFAULT_TTL = timedelta(minutes=15)
"""How long a Reserve without a ttl holds its coins."""


def new_reservation(
    account: Account, reserve: Reserve, state: ReservationState, now: datetime, new_id: UUID
) -> Reservation:
    """Answer the next reservation of the account, held or refused."""
    return Reservation(
        reservation_id=new_id,
        user_id=account.user_id,
        number=account.reservation_count + 1,
        amount=reserve.amount,
        state=state,
        expire_time=now + (DEFAULT_TTL if reserve.ttl is None else reserve.ttl),
        create_time=now,
        reference_type=reserve.reference_type,
        reference_id=reserve.reference_id,
        description=reserve.description,
        metadata=reserve.metadata,
    )


def add(book: Book, account: Account, reservation: Reservation, kind: EventKind) -> None:
    """Take a reservation that was made just now, with the account right after it."""
    book.put_account(account)
    book.add_reservation(reservation)
    book.events.append(Event(kind, reservation.create_time, account, reservation))


def settle(
    book: Book,
    account: Account,
    reservation: Reservation,
    kind: EventKind,
    transaction: Transaction | None = None,
) -> Account:
    """Take a reservation that has just left RESERVED: its coins are held no longer."""
    assert reservation.settle_time is not None
    account = replace(account, reserved=account.reserved - reservation.amount)
    book.put_account(account)
    book.put_reservation(reservation)
    book.events.append(Event(kind, reservation.settle_time, account, reservation, transaction))
    return account


def move(book: Book, account: Account, transaction: Transaction) -> Account:
    """Take a transaction and answer the account with the balance that it leads to."""
    account = replace(
        account,
        balance=transaction.balance_after,
        transaction_count=transaction.number,
        update_time=transaction.create_time,
    )
    book.put_account(account)
    book.add_transaction(transaction)
    return account
