"""Database rows <-> the ledger's rows: the same columns in the same order, said once."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Column, Table

from credit_service.ledger import (
    Account,
    Reservation,
    ReservationState,
    Transaction,
    TransactionType,
)
from credit_service.models import AccountRow, Base, ReservationRow, TransactionRow


def _columns(model: type[Base], kept: type) -> tuple[Column[Any], ...]:
    """Answer the table's columns in the order of the ledger's fields; a field without a column raises."""
    table = model.__table__
    assert isinstance(table, Table)
    return tuple(table.columns[field.name] for field in fields(kept))


ACCOUNT_COLUMNS = _columns(AccountRow, Account)
RESERVATION_COLUMNS = _columns(ReservationRow, Reservation)
TRANSACTION_COLUMNS = _columns(TransactionRow, Transaction)

_STATE = [column.name for column in RESERVATION_COLUMNS].index("state")
_TYPE = [column.name for column in TRANSACTION_COLUMNS].index("type")


def account_from(values: Sequence[Any]) -> Account:
    """Answer the account of a row with ACCOUNT_COLUMNS."""
    return Account(*values)


def reservation_from(values: Sequence[Any]) -> Reservation:
    """Answer the reservation of a row with RESERVATION_COLUMNS."""
    return Reservation(*_with(values, _STATE, ReservationState))


def transaction_from(values: Sequence[Any]) -> Transaction:
    """Answer the transaction of a row with TRANSACTION_COLUMNS."""
    return Transaction(*_with(values, _TYPE, TransactionType))


def _with(values: Sequence[Any], index: int, kind: type) -> tuple[Any, ...]:
    return (*values[:index], kind(values[index]), *values[index + 1 :])
