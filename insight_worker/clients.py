"""The gRPC clients of a worker process: made after the fork, shared by its threads, closed at shutdown."""

import os
import socket
from dataclasses import dataclass
from typing import Any

import dramatiq
import grpc
from dramatiq.middleware import Middleware, MiddlewareError

from insight_worker.chats_client import ChatsClient
from insight_worker.credits_client import CreditsClient
from insight_worker.errors import KNOWN
from insight_worker.jobs_client import JobsClient
from insight_worker.model import LanguageModel
from insight_worker.settings import WorkerSettings
from insight_worker.stream_channel import stream_channel
from servicekit.grpc_clients import Caller, sync_channel
from servicekit.logs import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True)
class Clients:
    """What a job needs of the services, over channels that all its threads share."""

    jobs: JobsClient
    chats: ChatsClient
    credits: CreditsClient
    model: LanguageModel
    channels: tuple[grpc.Channel, ...]

    @classmethod
    def connect(cls, settings: WorkerSettings) -> "Clients":
        """Make the channels; they connect by themselves at the first call. Not before the last fork."""
        chat = sync_channel(settings.chat_target, settings)
        credit = sync_channel(settings.credit_target, settings)
        streams = stream_channel(settings.chat_target, settings)
        caller = Caller(settings, KNOWN)
        return cls(
            jobs=JobsClient(chat, caller, f"{socket.gethostname()}:{os.getpid()}"),
            chats=ChatsClient(streams, caller, settings.worker_stream_timeout_s),
            credits=CreditsClient(credit, caller),
            model=LanguageModel(settings),
            channels=(chat, credit, streams),
        )

    def close(self) -> None:
        """Close the channels and the model's connections; calls that still run are cancelled."""
        self.model.close()
        for channel in self.channels:
            channel.close()


class ClientsFailed(MiddlewareError):
    """The clients could not be made. Of all exceptions, Dramatiq lets only this kind end the process."""


class ProcessClients(Middleware):
    """Gives each worker process its clients.

    Dramatiq swallows what a middleware raises and would go on with a worker that can do nothing, so
    a failure here is a MiddlewareError, and `get` raises when there are no clients.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        """Nothing is connected here: this runs before the process is the one that works."""
        self._settings = settings
        self._clients: Clients | None = None

    def get(self) -> Clients:
        """Answer the clients of this process. Raises RuntimeError outside of a running worker."""
        if self._clients is None:
            raise RuntimeError(
                "there are no clients: they are made when a worker boots, and closed when it stops"
            )
        return self._clients

    def before_worker_boot(self, broker: dramatiq.Broker, worker: Any) -> None:
        """Connect. Raises ClientsFailed, which ends the process."""
        try:
            self._clients = Clients.connect(self._settings)
        except Exception as error:
            raise ClientsFailed(f"the gRPC clients cannot be made: {error}") from error
        _log.info("clients made", chat=self._settings.chat_target, credit=self._settings.credit_target)

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: Any) -> None:
        """Close the channels: the worker's threads have ended."""
        clients, self._clients = self._clients, None
        if clients is not None:
            clients.close()
