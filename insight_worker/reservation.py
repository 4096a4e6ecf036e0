"""Keeps a running job's reservation from expiring."""

import time
from datetime import UTC
from uuid import UUID, uuid5

from insight_worker.credits_client import CreditsClient
from insight_worker.errors import is_transient
from protos.credit.v1 import credit_pb2
from servicekit.errors import ServiceError
from servicekit.logs import get_logger

_log = get_logger(__name__)


class ReservationKeeper:
    """Extends the reservation when less than half of its time is left, or less than two beats.

    This machine's clock decides only when to ask; credit_service's decides what has expired. Used by
    one thread, the heartbeat's.
    """

    def __init__(
        self, credits: CreditsClient, reservation_id: str, job_id: str, attempt: int, ttl_s: int
    ) -> None:
        """Take the reservation of the job, and what an extension gives it, in seconds."""
        self._credits = credits
        self._reservation_id = reservation_id
        self._names = (UUID(job_id), attempt)
        self._ttl_s = ttl_s
        self._extensions = 0
        self._margin_s = ttl_s / 2
        self._expires_s: float | None = None
        #: Free jobs have nothing to extend, and what has expired or was settled cannot be extended.
        self._ended = not reservation_id

    def tend(self, beat_s: float) -> None:
        """Extend when it is time; called again in `beat_s` seconds. Raises nothing: the job goes on.

        A reservation that has expired is found when it is charged: then the payment waits.
        """
        if self._ended:
            return
        try:
            if self._left_s() < max(self._margin_s, 2 * beat_s):
                self._extend()
        except ServiceError as error:
            self._ended = not is_transient(error)
            _log.warning("reservation not extended", reason=error.reason, reservation_id=self._reservation_id)

    def _left_s(self) -> float:
        if self._expires_s is None:
            reservation = self._credits.reservation(self._reservation_id)
            made_s = reservation.create_time.ToDatetime(tzinfo=UTC).timestamp()
            self._expires_s = _expires_s(reservation)
            self._margin_s = (self._expires_s - made_s) / 2
        return self._expires_s - time.time()

    def _extend(self) -> None:
        job_id, attempt = self._names
        request_id = str(uuid5(job_id, f"extend-{attempt}-{self._extensions}"))
        reservation = self._credits.extend(self._reservation_id, self._ttl_s, request_id)
        self._extensions += 1
        self._expires_s = _expires_s(reservation)
        self._margin_s = self._ttl_s / 2
        _log.info("reservation extended", reservation_id=self._reservation_id, ttl_s=self._ttl_s)


def _expires_s(reservation: credit_pb2.Reservation) -> float:
    return reservation.expire_time.ToDatetime(tzinfo=UTC).timestamp()
