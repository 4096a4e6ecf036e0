"""Redis, as a place to leave job ids for workers, whose actors are known by name only."""

import asyncio
from collections.abc import Sequence

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

from chat_service.jobs.outbox import Sending

QUEUE_NAME = "jobs"


class QueueUnavailable(Exception):
    """Redis did not take the messages, or not all of them; sending them again does no harm."""


class JobQueue:
    """Sends messages to the workers' actors."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Connect to nothing yet; `timeout_s` is the longest that one command may take."""
        self._timeout_s = timeout_s
        # The dispatcher repeats by itself; a client that did so too would only make it slow to notice.
        self._client = redis.Redis.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 0)
        )
        self._broker = RedisBroker(client=self._client, middleware=[])  # type: ignore[no-untyped-call]  # it has no types

    async def send(self, sendings: Sequence[Sending]) -> None:
        """Leave one message a job, off the event loop: the client blocks. Raises `QueueUnavailable`."""
        try:
            async with asyncio.timeout(self._timeout_s * 2):
                await asyncio.to_thread(self._send, sendings)
        except (redis.RedisError, OSError, TimeoutError) as error:
            raise QueueUnavailable(repr(error)) from error

    def _send(self, sendings: Sequence[Sending]) -> None:
        for sending in sendings:
            self._broker.enqueue(_message(sending))

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()


def _message(sending: Sending) -> "dramatiq.Message[None]":
    return dramatiq.Message(
        queue_name=QUEUE_NAME,
        actor_name=sending.actor,
        args=(str(sending.job_id),),
        kwargs={},
        options={},
    )
