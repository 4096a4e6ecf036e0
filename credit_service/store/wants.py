"""What a batch needs from the database, read off its operations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from credit_service.ledger import Charge, Close, Debit, Grant, OnAccount, Operation, Refusal, Release


@dataclass(slots=True)
class Wants:
    """Accounts to lock (`new_user_ids` are made first), reservations, requests, and what else to read."""

    user_ids: dict[str, None] = field(default_factory=dict)
    new_user_ids: dict[str, None] = field(default_factory=dict)
    reservation_ids: dict[UUID, None] = field(default_factory=dict)
    requests: dict[tuple[str, UUID], None] = field(default_factory=dict)
    withdrawn: dict[str, int] = field(default_factory=dict)
    closed: dict[str, None] = field(default_factory=dict)
    settled: dict[str, None] = field(default_factory=dict)


def account_of(operation: Operation | Refusal, owners: Mapping[UUID, str]) -> str | None:
    """Answer whose account the operation is about; None when it names a reservation that is not there."""
    if isinstance(operation, Refusal):
        return None
    if isinstance(operation, OnAccount) or operation.reservation_id is None:
        return operation.user_id
    return owners.get(operation.reservation_id)


def wants(operations: Sequence[Operation | Refusal], owners: Mapping[UUID, str]) -> Wants:
    """Answer what the rules will look at; `owners` are the accounts of reservations named by id."""
    wanted = Wants()
    for operation in operations:
        user_id = account_of(operation, owners)
        if user_id is None or isinstance(operation, Refusal):
            continue
        wanted.user_ids[user_id] = None
        if operation.request_id is not None:
            wanted.requests[user_id, operation.request_id] = None
        if isinstance(operation, Charge | Release):
            wanted.settled[user_id] = None
        if isinstance(operation, OnAccount):
            _add_account(wanted, operation)
        elif operation.reservation_id is not None:
            wanted.reservation_ids[operation.reservation_id] = None
        elif operation.reserve_request_id is not None:
            wanted.requests[user_id, operation.reserve_request_id] = None
    return wanted


def _add_account(wanted: Wants, operation: OnAccount) -> None:
    if isinstance(operation, Grant):
        wanted.new_user_ids[operation.user_id] = None
    elif isinstance(operation, Debit) and operation.allow_reserved:
        wanted.withdrawn[operation.user_id] = wanted.withdrawn.get(operation.user_id, 0) + operation.amount
    elif isinstance(operation, Close):
        wanted.closed[operation.user_id] = None
        if operation.pseudonym:
            wanted.user_ids[operation.pseudonym] = None
