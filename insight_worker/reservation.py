"""Keeps a running job's reservation from expiring."""

import time
from uuid import UUID, uuid5

from insight_worker.credits_client import CreditsClient
from insight_worker.errors import ReservationAlreadyCharged, is_transient
from servicekit.errors import ServiceError
from servicekit.logs import get_logger

_log = get_logger(__name__)


class ReservationKeeper:
    """Extends the reservation when it is first tended, and then whenever half of what that gave has passed.

    How much time is left at the beginning is not asked: it would be compared with this machine's clock,
    which may be wrong. Used by one thread, the heartbeat's.
    """

    def __init__(
        self, credits: CreditsClient, reservation_id: str, job_id: str, attempt: int, ttl_s: int
    ) -> None:
        """Take the reservation of the job (empty: there is none), and what an extension gives, in seconds."""
        self._credits = credits
        self._reservation_id = reservation_id
        self._names = (UUID(job_id), attempt)
        self._ttl_s = ttl_s
        self._tries = 0
        self._due_s = 0.0
        self._ended = not reservation_id

    def tend(self, timeout_s: float) -> None:
        """Extend when it is time, in `timeout_s` at most; what fails is tried again at the next call.

        Raises nothing: the job goes on. A reservation that has expired is found when it is charged: then the
        payment waits.
        """
        now_s = time.monotonic()
        if self._ended or now_s < self._due_s:
            return
        try:
            self._extend(timeout_s)
        except ReservationAlreadyCharged:
            # The job's own thread was faster: it has come to its end.
            self._ended = True
        except ServiceError as error:
            # What has expired or was settled cannot be extended any more.
            self._ended = not is_transient(error)
            _log.warning("reservation not extended", reason=error.reason, reservation_id=self._reservation_id)
        else:
            self._due_s = now_s + self._ttl_s / 2

    def _extend(self, timeout_s: float) -> None:
        """Every try has an id of its own: repeating an old one would answer how long that one was to hold."""
        job_id, attempt = self._names
        request_id = str(uuid5(job_id, f"extend-{attempt}-{self._tries}"))
        self._tries += 1
        self._credits.extend(self._reservation_id, self._ttl_s, request_id, timeout_s)
        _log.info("reservation extended", reservation_id=self._reservation_id, ttl_s=self._ttl_s)
