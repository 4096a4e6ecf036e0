"""The real service in a thread of this process."""

import asyncio
import threading
from typing import Self

from credit_service.bootstrap import build
from credit_service.settings import CreditSettings
from servicekit.grpc_server import RunningServer

_START_TIMEOUT_S = 20
_STOP_TIMEOUT_S = 20


class Server:
    """credit_service on a free port; a context manager."""

    def __init__(self, url: str, **settings: object) -> None:
        given = {"credit_database_url": url, "credit_port": 0, "drain_s": 1.0, **settings}
        self._settings = CreditSettings.model_validate(given)
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0

    @property
    def target(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(_START_TIMEOUT_S), "the server did not start"
        if self._error is not None:
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_STOP_TIMEOUT_S)
        assert not self._thread.is_alive(), "the server did not stop"

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # handed over to the thread that waits
            self._error = error
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        application = build(self._settings)
        server = RunningServer(application.spec)
        try:
            await server.start()
            self.port = server.port
            self._started.set()
            await self._stop.wait()
            await server.stop()
        finally:
            await application.coalescer.drain()
            await application.engine.dispose()
