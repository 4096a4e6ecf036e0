"""Whose a reservation is: asked once, because it changes only when the owner's account is erased."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from credit_service.ledger import OnAccount, Operation, Refusal, Reservation
from servicekit.driver import in_driver_transaction

MAX_KEPT = 20_000
"""Reservations whose owner is kept; the oldest is forgotten first, and looked up should it come again."""

_OWNERS = """
    SELECT reservation_id, user_id FROM reservations WHERE reservation_id = ANY ($1::uuid[])
    UNION ALL
    SELECT reservation_id, user_id FROM archived_reservations WHERE reservation_id = ANY ($1::uuid[])
"""


class Owners:
    """Answers the accounts of operations without a lock."""

    def __init__(self, engine: AsyncEngine, max_kept: int = MAX_KEPT) -> None:
        """Take the database, and how many are kept."""
        self._engine = engine
        self._max_kept = max_kept
        self._kept: OrderedDict[UUID, str] = OrderedDict()

    async def of_all(self, operations: Sequence[Operation | Refusal]) -> Mapping[UUID, str]:
        """Answer the accounts of the reservations that operations name by id; one that is not there lacks.

        Raises `DatabaseUnavailable`.
        """
        named = {key for operation in operations if (key := _named(operation)) is not None}
        owners = {key: user_id for key in named if (user_id := self._kept.get(key)) is not None}
        missing = named.difference(owners)
        if missing:
            owners |= await self._looked_up(missing)
        return owners

    async def of(self, operation: Operation) -> str | None:
        """Answer whose account the operation is about; None for a reservation that is not there."""
        key = _named(operation)
        if key is None:
            return operation.user_id if not isinstance(operation, Refusal) else None
        return self._kept.get(key) or (await self._looked_up({key})).get(key)

    def learn(self, reservations: Iterable[Reservation | None]) -> None:
        """Keep the owners of reservations that were just made: their Charges will ask."""
        for reservation in filter(None, reservations):
            self._keep(reservation.reservation_id, reservation.user_id)

    def forget(self, reservation_ids: Iterable[UUID]) -> None:
        """Have them looked up again: their accounts have other names now."""
        for reservation_id in reservation_ids:
            self._kept.pop(reservation_id, None)

    async def _looked_up(self, keys: Iterable[UUID]) -> dict[UUID, str]:
        rows = await in_driver_transaction(
            self._engine, lambda connection: connection.fetch(_OWNERS, list(keys))
        )
        found = {row[0]: row[1] for row in rows}
        for key, user_id in found.items():
            self._keep(key, user_id)
        return found

    def _keep(self, reservation_id: UUID, user_id: str) -> None:
        self._kept[reservation_id] = user_id
        if len(self._kept) > self._max_kept:
            self._kept.popitem(last=False)


def _named(operation: Operation | Refusal) -> UUID | None:
    if isinstance(operation, OnAccount | Refusal):
        return None
    return operation.reservation_id
