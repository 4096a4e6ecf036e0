"""A claimed job's lease: renewed by a thread as long as the job runs."""

import contextvars
import threading
import time
from types import TracebackType
from typing import Self

from insight_worker.errors import JobCancelled, StaleLease
from insight_worker.jobs_client import JobsClient
from insight_worker.reservation import ReservationKeeper
from protos.insight.v1 import insight_pb2
from servicekit.errors import ServiceError
from servicekit.logs import get_logger

_log = get_logger(__name__)

#: How long the last heartbeat may take before the thread is left behind; a daemon, it ends by itself.
_JOIN_S = 5.0
#: Giving up is a courtesy: a service that does not answer by then finds out when the lease runs out.
_GIVE_UP_TIMEOUT_S = 2.0
#: A job that has ended by then spends no call on its reservation.
_FIRST_TEND_S = 1.0


class Lease:
    """The right to run one attempt of one job. A context manager: inside it the heart beats.

    What the service answers (cancelled, stale) is kept in flags that only ever go up, set by the
    heartbeat thread or by the saves of the job's own thread, and read by `check`.
    """

    def __init__(
        self,
        jobs: JobsClient,
        claim: insight_pb2.ClaimJobResponse,
        keeper: ReservationKeeper,
        heartbeat_s: float,
        limit_s: float,
    ) -> None:
        """Take a claim that succeeded; the heart beats every `heartbeat_s` and for `limit_s` at most."""
        self.job_id = claim.job.job_id
        self.attempt = claim.lease.attempt
        self._jobs = jobs
        self._keeper = keeper
        self._beat_s = min(heartbeat_s, claim.lease.lease_s / 3)
        self._limit_s = limit_s
        self._stale: StaleLease | None = None
        self._untold: insight_pb2.JobProgress | None = None
        self._telling = threading.Lock()
        self._cancelled = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        # The copy carries the request id and the job's ids into the thread's calls and logs.
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._beat_until_stopped,), name="heartbeat", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the heart; twice does no harm."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)

    def note(self, cancelled: bool) -> None:
        """Keep what a call of the job's thread answered. Raises JobCancelled."""
        if cancelled:
            self._cancelled.set()
            raise JobCancelled

    def check(self) -> None:
        """Raise StaleLease or JobCancelled when the heartbeat has heard of it. Cheap."""
        if self._stale is not None:
            raise self._stale
        if self._cancelled.is_set():
            raise JobCancelled

    def tell_later(self, progress: insight_pb2.JobProgress) -> None:
        """Have the next heartbeat tell how far the job is, unless `outdate` is called before."""
        with self._telling:
            self._untold = progress

    def outdate(self) -> None:
        """Forget what the next heartbeat would tell: the caller is about to tell more.

        It closes the race of the two: a heartbeat that is telling is waited for, so that a job never goes
        back in the eyes of who watches it.
        """
        with self._telling:
            self._untold = None

    def report(self, progress: insight_pb2.JobProgress) -> None:
        """Tell how far the job is. Raises JobCancelled, StaleLease, and what a call raises."""
        self.outdate()
        request = insight_pb2.HeartbeatRequest(job_id=self.job_id, attempt=self.attempt, progress=progress)
        self.note(self._jobs.heartbeat(request).cancelled)

    def begin_settling(self) -> insight_pb2.HeartbeatResponse:
        """Say that settling begins; the answer says whether the job was cancelled before that."""
        request = insight_pb2.HeartbeatRequest(job_id=self.job_id, attempt=self.attempt, settling=True)
        return self._jobs.heartbeat(request)

    def confirm(self) -> bool:
        """Have the service say that this attempt still has the job; answer whether it is to be dropped.

        Raises StaleLease, and what a call raises.
        """
        request = insight_pb2.HeartbeatRequest(job_id=self.job_id, attempt=self.attempt)
        return self._jobs.heartbeat(request).cancelled

    def give_up(self, *, draining: bool = False) -> bool:
        """Stop the heart and end the lease now, so that the job goes on elsewhere at once.

        `draining` says that this worker stops, for which the job is not to blame. Answers whether the service
        knows; when it does not, the lease runs out by itself.
        """
        self.stop()
        request = insight_pb2.HeartbeatRequest(
            job_id=self.job_id, attempt=self.attempt, giving_up=True, draining=draining
        )
        try:
            self._jobs.heartbeat(request, timeout_s=_GIVE_UP_TIMEOUT_S)
        except ServiceError as error:
            _log.warning("lease not given up, it runs out by itself", reason=error.reason)
            return False
        return True

    def _beat_until_stopped(self) -> None:
        """Beat every `_beat_s`, and tend the reservation after each beat.

        Neither call may take longer than the time between two beats, and the pause is shortened by what
        they took: a credit_service that hangs cannot cost the lease. The reservation is first tended before
        the first beat, but not at once: most jobs have ended by then.
        """
        started = time.monotonic()
        if self._stopped.wait(min(self._beat_s, _FIRST_TEND_S)):
            return
        self._keeper.tend(self._beat_s)
        next_beat = started + self._beat_s
        while next_beat < started + self._limit_s + self._beat_s:
            if self._stopped.wait(max(0.0, next_beat - time.monotonic())) or not self._beat():
                return
            self._keeper.tend(self._beat_s)
            next_beat = max(next_beat + self._beat_s, time.monotonic())

    def _beat(self) -> bool:
        """Renew the lease once; answer whether it makes sense to go on."""
        with self._telling:
            if self._untold is not None:
                progress, self._untold = self._untold, None
                return self._renew(progress)
        return self._renew(None)

    def _renew(self, progress: insight_pb2.JobProgress | None) -> bool:
        request = insight_pb2.HeartbeatRequest(job_id=self.job_id, attempt=self.attempt, progress=progress)
        try:
            response = self._jobs.heartbeat(request, timeout_s=self._beat_s)
        except StaleLease as error:
            self._stale = error
            return False
        except ServiceError as error:
            _log.warning("heartbeat failed", reason=error.reason)
            return True
        if response.cancelled:
            self._cancelled.set()
        return True
