"""A worker starts when Redis answers, and is ready when all its processes consume."""

import os
import time
from pathlib import Path
from typing import Any

import redis
from dramatiq import Broker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware, MiddlewareError

from insight_worker.settings import WorkerSettings
from servicekit import ready
from servicekit.logs import get_logger

_log = get_logger(__name__)
_POLL_S = 0.2


class RedisAway(MiddlewareError):
    """Redis did not answer at the start. Of all exceptions, Dramatiq lets only this kind end the process."""


class Readiness(Middleware):
    """Waits for Redis before the worker's threads start, and announces when the last process has started."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Nothing is asked yet."""
        self._settings = settings

    def before_worker_boot(self, broker: Broker, worker: Any) -> None:
        """Wait for Redis. Raises RedisAway after the start timeout."""
        assert isinstance(broker, RedisBroker)
        deadline = time.monotonic() + self._settings.worker_start_timeout_s
        while not _answers(broker.client):
            if time.monotonic() > deadline:
                raise RedisAway("Redis does not answer; HOLDFAST_REDIS_URL says where it is")
            time.sleep(_POLL_S)

    def after_worker_boot(self, broker: Broker, worker: Any) -> None:
        """Count this process, and announce when it was the last."""
        _log.info("worker consumes", threads=self._settings.worker_threads)
        if _count_process() >= self._settings.worker_processes:
            ready.announce()


def forget_processes() -> None:
    """Begin to count anew; called once before the processes start."""
    path = _counter()
    if path is not None:
        path.unlink(missing_ok=True)


def _answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _count_process() -> int:
    """Add one to the processes that consume, and answer how many they are.

    Each appends a byte to one file. Appending is atomic, so the last of them sees them all, however
    they race; that more than one may see it is harmless.
    """
    path = _counter()
    if path is None:
        return 0
    with path.open("ab", buffering=0) as file:
        file.write(b".")
        return os.fstat(file.fileno()).st_size


def _counter() -> Path | None:
    """Answer the file that counts; None when nobody waits for this worker."""
    waited_for = os.environ.get(ready.READY_FILE_VARIABLE)
    return Path(f"{waited_for}.processes") if waited_for else None
