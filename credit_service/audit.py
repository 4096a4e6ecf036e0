"""What money did, told to the log: one record a movement, after its commit."""

from collections.abc import Sequence

from credit_service.ledger import Event, EventKind
from servicekit.logs import business_event


def log_events(events: Sequence[Event]) -> None:
    """Record each movement of coins with the account right after it; replays move nothing and leave none.

    `amount` is what came into the balance or, negative, left it: a record without it moved nothing.
    """
    for event in events:
        business_event(f"coins_{event.kind}", **_fields(event))


def _fields(event: Event) -> dict[str, object]:
    account, reservation, transaction = event.account, event.reservation, event.transaction
    fields: dict[str, object] = {
        "user_id": account.user_id,
        "balance": account.balance,
        "reserved": account.reserved,
    }
    if reservation is not None:
        fields |= {
            "reservation_id": str(reservation.reservation_id),
            "refused_amount" if event.kind is EventKind.REFUSED else "reserved_amount": reservation.amount,
            "reference_type": reservation.reference_type,
            "reference_id": reservation.reference_id,
        }
    if reservation is not None and event.kind is EventKind.CHARGED:
        fields["charged_amount"] = reservation.charged_amount
    if transaction is not None:
        fields |= {
            "transaction_id": str(transaction.transaction_id),
            "amount": transaction.amount,
            "type": str(transaction.type),
        }
    return fields
