"""The seam to credit_service: what a question asks of it.

An attempt reserves under an id of its own, so a question that is asked again after its reservation has
expired gets another one. What an attempt that died had reserved is released by the next one, which would
else be refused, once and for all, for lack of the very coins that are reserved for it; without a next one it
expires by itself, soon after its lease.
"""

import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration

from chat_service.core import Core
from chat_service.errors import (
    AccountNotFound,
    InsufficientCredits,
    ReservationAlreadyReleased,
    ReservationExpired,
    ReservationNotFound,
)
from chat_service.questions.models import ConversationTurn
from protos.credit.v1 import credit_pb2
from servicekit.errors import ServiceError
from servicekit.logs import get_logger

log = get_logger(__name__)

_Response = TypeVar("_Response")

#: What says that a reservation can never be charged any more.
COINS_GONE = (ReservationExpired, ReservationAlreadyReleased, ReservationNotFound)


class Payment:
    """Reserves, charges and releases the coins of answers."""

    def __init__(self, core: Core, ttl: timedelta) -> None:
        """Take how long a reservation lasts: longer than an attempt, and than settling it."""
        self._core = core
        self._ttl = ttl

    @property
    def price(self) -> int:
        """Coins that a question costs; 0: nobody is asked for any."""
        return self._core.settings.ask_price

    async def reserve(self, turn: ConversationTurn) -> uuid.UUID:
        """Reserve the price; raises `InsufficientCredits`, and what keeps credit_service from answering."""
        if turn.attempt > 1:
            await self._release_earlier(turn)
        request = credit_pb2.ReserveRequest(
            user_id=turn.user_id,
            amount=self.price,
            ttl=Duration(seconds=int(self._ttl.total_seconds())),
            reference_type="question",
            reference_id=str(turn.turn_id),
            description="ask a chat",
            metadata={"chat_id": str(turn.chat_id)},
            request_id=_request_id(turn, turn.attempt),
        )
        try:
            answer = await self._call(self._core.credit.Reserve, request)
        except AccountNotFound:
            # For the user it is the same as having none left, and so is what helps.
            raise InsufficientCredits(
                f"{self.price} coins are required, 0 are available",
                metadata={"required": self.price, "available": 0},
            ) from None
        return uuid.UUID(answer.reservation.reservation_id)

    async def charge(self, reservation_id: uuid.UUID, amount: int) -> uuid.UUID | None:
        """Charge an answer, and answer the transaction: the same one however often; None for 0 coins.

        Raises one of `COINS_GONE`, and what keeps credit_service from answering.
        """
        request = credit_pb2.ChargeRequest(
            reservation_id=str(reservation_id), amount=amount, description="ask a chat"
        )
        answer = await self._call(self._core.credit.Charge, request)
        return uuid.UUID(answer.transaction.transaction_id) if answer.HasField("transaction") else None

    async def release(self, reservation_id: uuid.UUID, reason: str) -> None:
        """Give the coins back; never fails: what does not get back now does when the reservation expires."""
        await self._release(credit_pb2.ReleaseRequest(reservation_id=str(reservation_id), reason=reason))

    async def _release_earlier(self, turn: ConversationTurn) -> None:
        """Give back what the attempt before had reserved, if it did.

        Closes the race with its own release, which may be under way still. It stores no answer any more: this
        attempt has taken its turn.
        """
        await self._release(
            credit_pb2.ReleaseRequest(
                user_id=turn.user_id,
                reserve_request_id=_request_id(turn, turn.attempt - 1),
                reason="another attempt answers the question",
            )
        )

    async def _release(self, request: credit_pb2.ReleaseRequest) -> None:
        try:
            await self._call(self._core.credit.Release, request)
        except (*COINS_GONE, AccountNotFound):
            return
        except ServiceError as error:
            log.warning(
                "release_unanswered",
                reservation_id=request.reservation_id or request.reserve_request_id,
                reason=error.reason,
            )

    async def _call(self, method: Callable[..., Awaitable[_Response]], request: object) -> _Response:
        timeout_s = self._core.settings.job_credit_timeout_s
        return await self._core.caller.call(method, request, timeout_s=timeout_s)


def _request_id(turn: ConversationTurn, attempt: int) -> str:
    """Answer under which id an attempt reserves."""
    return str(uuid.uuid5(turn.turn_id, f"attempt {attempt}"))
