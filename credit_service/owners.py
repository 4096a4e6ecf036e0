"""Whose a reservation is: asked once, because it never changes."""

from uuid import UUID

from credit_service.ledger import Grant, Operation, Reserve, Reserved, Result
from credit_service.repository import Repository

MAX_KEPT = 20_000
"""Reservations whose owner is kept; the oldest is forgotten first, and looked up should it come again."""


class Owners:
    """Answers the account of an operation without a lock."""

    def __init__(self, repository: Repository, max_kept: int = MAX_KEPT) -> None:
        """Take what looks owners up, and how many are kept."""
        self._repository = repository
        self._max_kept = max_kept
        self._kept: dict[UUID, str] = {}

    async def of(self, operation: Operation) -> str | None:
        """Answer whose account the operation is about; None for a reservation that is not there."""
        if isinstance(operation, Grant | Reserve):
            return operation.user_id
        reservation_id = operation.reservation_id
        if reservation_id not in self._kept:
            user_id = await self._repository.owner(reservation_id)
            if user_id is None:
                return None
            self._keep(reservation_id, user_id)
        return self._kept[reservation_id]

    def learn(self, result: Result) -> None:
        """Keep the owner of a reservation that was just made: its Charge will ask."""
        if isinstance(result, Reserved):
            self._keep(result.reservation.reservation_id, result.reservation.user_id)

    def _keep(self, reservation_id: UUID, user_id: str) -> None:
        self._kept[reservation_id] = user_id
        if len(self._kept) > self._max_kept:
            del self._kept[next(iter(self._kept))]
