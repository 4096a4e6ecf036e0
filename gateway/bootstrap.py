"""Serving: the application on uvicorn, started on one socket or two, and stopped gracefully."""

import asyncio
import contextlib
import errno
import logging
import math
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence

import uvicorn

from gateway.app import create_app
from gateway.http_protocol import bounded
from gateway.pages import Pages
from gateway.settings import GatewaySettings
from servicekit import ready
from servicekit.logs import configure, get_logger

log = get_logger(__name__)

_BACKLOG = 1_024
#: An idle connection is kept this long, so that a client's next request needs no new one.
_KEEP_ALIVE_S = 30


class PortInUse(Exception):
    """The port is taken by another process."""


class Server(uvicorn.Server):
    """uvicorn that says when it serves and leaves signals and exit codes to `serve`."""

    def __init__(self, config: uvicorn.Config, serving: Callable[[], None]) -> None:
        """Take what to call once connections are accepted."""
        super().__init__(config)
        self._serving = serving
        self._draining: asyncio.Event = config.app.state.draining  # type: ignore[union-attr]  # it is an app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application and listen, then say so."""
        await super().startup(sockets)
        self._serving()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, which would hold up the drain for its whole time, and then drain."""
        self._draining.set()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: uvicorn would raise them again at the end, and the exit code would not be 0."""
        yield


def listen(settings: GatewaySettings) -> list[socket.socket]:
    """Return the bound sockets: that of the gateway's port, and of the second one if there is one.

    Raises `PortInUse`.
    """
    listeners = [_bound(settings.bind_host, settings.gateway_port, "HOLDFAST_GATEWAY_PORT")]
    second = settings.gateway_operations_port
    if second is None:
        return listeners
    host = settings.gateway_operations_host or settings.bind_host
    try:
        return [*listeners, _bound(host, second, "HOLDFAST_GATEWAY_OPERATIONS_PORT")]
    except BaseException:
        listeners[0].close()
        raise


def _bound(host: str, port: int, variable: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    # A port whose last connections still linger is free; one where somebody listens is not.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortInUse(f"port {port} is in use: set {variable}") from error
    return listener


def server_config(settings: GatewaySettings, listeners: Sequence[socket.socket]) -> uvicorn.Config:
    """Return how uvicorn runs the application on the sockets that `listen` bound."""
    app = create_app(settings)
    pages: Pages = app.state.pages
    pages.operations_port = next((port_of(second) for second in listeners[1:]), None)
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=bounded(settings),
        ws="none",
        lifespan="on",
        # Our own layer logs requests, and proxies' headers name nobody that we trust.
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(settings.drain_s),
    )


def port_of(listener: socket.socket) -> int:
    """Return the port that a bound socket has."""
    port: int = listener.getsockname()[1]
    return port


def serve(settings: GatewaySettings) -> int:
    """Serve until SIGTERM or SIGINT and answer the process's exit code."""
    configure(settings, "gateway")
    # Its start and stop lines say what ours say.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        listeners = listen(settings)
    except PortInUse as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1

    def serving() -> None:
        port, *second = map(port_of, listeners)
        log.info("serving", port=port, **({"operations_port": second[0]} if second else {}))
        ready.announce()

    server = Server(server_config(settings, listeners), serving)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    server.run(sockets=listeners)
    log.info("stopped")
    return 0
