"""The Dramatiq broker: Redis, with every middleware named."""

import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware, Retries, ShutdownNotifications, TimeLimit

from insight_worker.draining import Draining
from insight_worker.settings import WorkerSettings

#: A message that cannot be handled is kept for a day, to be looked at.
_DEAD_MESSAGE_TTL_MS = 86_400_000
_HEALTH_CHECK_S = 30
_TIME_LIMIT_INTERVAL_MS = 1_000


def make_broker(settings: WorkerSettings, draining: Draining, own: list[Middleware]) -> RedisBroker:
    """Answer a broker that has not connected yet, with this room's `own` middleware last.

    AgeLimit is left out: an old message is as good as a new one, the job's row decides.
    """
    client = redis.Redis.from_url(
        settings.redis_url,
        socket_timeout=settings.redis_timeout_s,
        socket_connect_timeout=settings.redis_timeout_s,
        health_check_interval=_HEALTH_CHECK_S,
    )
    limits = TimeLimit(time_limit=settings.worker_job_limit_s * 1000, interval=_TIME_LIMIT_INTERVAL_MS)
    middleware = [draining, limits, ShutdownNotifications(), Retries(max_retries=0), *own]
    return RedisBroker(  # type: ignore[no-untyped-call]  # Dramatiq leaves this class untyped
        client=client, middleware=middleware, dead_message_ttl=_DEAD_MESSAGE_TTL_MS
    )
