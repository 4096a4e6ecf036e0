"""Real servers for tests: each in a thread of its own with its own event loop, on a free port."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from servicekit.grpc_server import RunningServer, ServerSpec

_Result = TypeVar("_Result")

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 30.0


class App(Protocol):
    """What a room's `bootstrap.build` answers."""

    @property
    def spec(self) -> ServerSpec:
        """What is served."""


class ServedApp:
    """A running server. A context manager; `target` is where clients find it."""

    def __init__(self, build: Callable[[], App], close: Callable[[Any], Awaitable[None]]) -> None:
        """Take what builds the app and what closes it; both are called on the server's own event loop."""
        self._build = build
        self._close = close
        self._started: Future[int] = Future()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="served-app", daemon=True)
        self.app: Any = None

    def __enter__(self) -> "ServedApp":
        self._thread.start()
        self.port = self._started.result(_START_TIMEOUT_S)
        self.target = f"127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_STOP_TIMEOUT_S)
        assert not self._thread.is_alive(), "the server did not stop"

    def run(self, work: Callable[[], Awaitable[_Result]], timeout_s: float = 30.0) -> _Result:
        """Run a coroutine on the server's event loop, where its engine and channel live, and wait for it."""

        async def call() -> _Result:
            return await work()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(timeout_s)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        try:
            self.app = self._build()
            server = RunningServer(self.app.spec)
            await server.start()
        except BaseException as error:
            self._started.set_exception(error)
            raise
        self._started.set_result(server.port)
        await self._stop.wait()
        await server.stop()
        await self._close(self.app)
