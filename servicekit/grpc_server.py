"""The gRPC server that every service runs: health per service, reflection, interceptors, drain on SIGTERM."""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from servicekit import ready
from servicekit.interceptors import RpcInterceptor, Slots
from servicekit.logs import get_logger
from servicekit.settings import KitSettings
from servicekit.tls import server_credentials

log = get_logger(__name__)

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
#: How often a server looks whether its database is there.
_HEALTH_INTERVAL_S = 2.0
_HEALTH_TIMEOUT_S = 2.0
#: A server that drains closes once it has turned nobody away for so long, at the latest after the second.
_TURN_AWAY_S = 0.1
_TURN_AWAY_MAX_S = 2.0


@dataclass(frozen=True)
class ServerSpec:
    """What one server serves."""

    #: The process's name in logs, such as "credit_service".
    name: str
    settings: KitSettings
    port: int
    #: The setting that moves the port, for the message when it is taken.
    port_variable: str
    #: Adds the servicers to the server and answers their full names, such as "credit.v1.CreditService".
    register: Callable[[grpc.aio.Server], Sequence[str]]
    #: Raises when the service cannot work, such as without its database.
    check: Callable[[], Awaitable[None]]
    #: Tasks that run beside the server until it stops, such as a sweeper.
    background: Sequence[Callable[[], Awaitable[None]]] = ()
    #: Called when the server begins to drain: streams that wait for news, perhaps for ever, end themselves.
    draining: Callable[[], None] = lambda: None


class PortInUse(Exception):
    """The port is taken by another process."""


class RunningServer:
    """A started server; `port` is the real one when 0 was asked for."""

    def __init__(self, spec: ServerSpec) -> None:
        """Build the server inside the running loop; nothing listens yet."""
        self.spec = spec
        self.port = spec.port
        self._draining = False
        settings = spec.settings
        self._interceptor = RpcInterceptor(
            calls=Slots(settings.rpc_max_concurrent, settings.rpc_max_deadline_s),
            streams=Slots(settings.rpc_max_streams, settings.rpc_max_stream_s),
            service_token=settings.service_token,
            accept_new=lambda: not self._draining,
        )
        self._server = grpc.aio.server(interceptors=[self._interceptor], options=_options(settings))
        self._health: Any = health.aio.HealthServicer()  # type: ignore[attr-defined]  # the stubs miss aio
        self._tasks: list[asyncio.Task[None]] = []
        self._names: Sequence[str] = ()

    async def start(self) -> None:
        """Listen, and start the background tasks. Raises `PortInUse`."""
        self._names = self.spec.register(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        self.port = self._listen()
        await self._look()
        await self._server.start()
        self._tasks = [asyncio.ensure_future(self._watch_health())]
        self._tasks += [asyncio.ensure_future(_guarded(task)) for task in self.spec.background]
        log.info("serving", port=self.port, services=list(self._names))

    def _listen(self) -> int:
        address = f"{self.spec.settings.bind_host}:{self.spec.port}"
        credentials = server_credentials(self.spec.settings)
        try:
            if credentials is None:
                return self._server.add_insecure_port(address)
            return self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise PortInUse(f"port {self.spec.port} is in use: set {self.spec.port_variable}") from error

    async def stop(self) -> None:
        """Drain: NOT_SERVING at once, running RPCs finish within the drain time, then everything stops."""
        self._draining = True
        await self._health.enter_graceful_shutdown()
        self.spec.draining()
        await self._turn_away()
        await self._server.stop(self.spec.settings.drain_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        log.info("stopped")

    async def _turn_away(self) -> None:
        """Answer UNAVAILABLE to callers who still come, until none does.

        gRPC drops what it has read and not yet handed over, as CANCELLED, which not every client repeats.
        Callers who hear UNAVAILABLE go elsewhere. How long the last of them take depends on how busy the
        machine is.
        """
        for _ in range(round(_TURN_AWAY_MAX_S / _TURN_AWAY_S)):
            before = self._interceptor.turned_away
            await asyncio.sleep(_TURN_AWAY_S)
            if self._interceptor.turned_away == before:
                return

    async def _watch_health(self) -> None:
        while True:
            await asyncio.sleep(_HEALTH_INTERVAL_S)
            await self._look()

    async def _look(self) -> None:
        status = _SERVING
        try:
            async with asyncio.timeout(_HEALTH_TIMEOUT_S):
                await self.spec.check()
        except Exception as error:  # noqa: BLE001  # whatever the check raises, the service cannot work
            log.warning("not_serving", error=repr(error))
            status = _NOT_SERVING
        for name in ("", *self._names):
            await self._health.set(name, status)


async def _guarded(task: Callable[[], Awaitable[None]]) -> None:
    """Run a background task and start it again after a crash: a sweeper must not stay dead for one error."""
    while True:
        try:
            await task()
            return
        except Exception:
            log.exception("background_task_crashed", task=getattr(task, "__qualname__", str(task)))
            await asyncio.sleep(1.0)


def _options(settings: KitSettings) -> list[tuple[str, int]]:
    size = settings.rpc_max_message_bytes
    return [
        # Two servers on one port would each get half of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", size),
        ("grpc.max_send_message_length", size),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 5),
    ]


def _tune_garbage_collection() -> None:
    """Leave what was made at the start out of every later collection, and collect more seldom.

    Calls make many objects that reference counts free at once; with Python's own thresholds a busy server
    spends a tenth of its time looking through them for cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def run(spec: ServerSpec) -> int:
    """Serve until SIGTERM or SIGINT and answer the process's exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = RunningServer(spec)
    try:
        await server.start()
    except PortInUse as error:
        print(f"{spec.name}: {error}", file=sys.stderr)
        return 1
    _tune_garbage_collection()
    ready.announce()
    await stop.wait()
    await server.stop()
    return 0
