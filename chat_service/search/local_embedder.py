"""The built-in embedding model, in a process of its own that ends when nobody has asked it for a while.

The process is started and spoken to by a thread, so that nothing of it depends on the event loop's own way to
start processes.
"""

import asyncio
import json
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from chat_service.search.embedding import EmbeddingUnavailable, Sort, Vector
from chat_service.settings import ChatSettings
from servicekit.logs import get_logger
from servicekit.processes import dying_with_parent

log = get_logger(__name__)

_ROOT = Path(__file__).parent.parent.parent
#: Loading takes a second, a batch a tenth; on a busy machine many times that. Then it counts as hanging.
_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 5.0
_HEAD_BYTES = 4


class LocalEmbedder:
    """Starts the process when it is needed. Its requests are answered one after another, in turn."""

    model = "use-multilingual-3"

    def __init__(self, settings: ChatSettings) -> None:
        """Take how long the process may be idle; nothing is started yet."""
        self._idle_s = settings.embedding_idle_s
        self._child = _EmbedderChild(settings.embedding_threads)
        # One exchange at a time: answers have no names, they come in the order of the requests.
        self._lock = asyncio.Lock()
        self._used_s = 0.0
        self._reaper: asyncio.Task[None] | None = None

    async def embed(self, texts: Sequence[str], sort: Sort) -> list[Vector]:
        """Answer a vector a text; raises `EmbeddingUnavailable`."""
        if not texts:
            return []
        # Whoever goes away while others have their turn leaves the queue, and nothing of theirs to be done.
        await self._lock.acquire()
        exchange = asyncio.ensure_future(self._exchange(texts, sort))
        exchange.add_done_callback(lambda _: self._lock.release())
        # A caller who goes away later must not leave half an exchange to the next one.
        return await asyncio.shield(exchange)

    async def close(self) -> None:
        """Stop the process; what it is at is given up."""
        if self._reaper is not None:
            self._reaper.cancel()
        if self._lock.locked():
            self._child.kill()
        async with self._lock:
            await asyncio.to_thread(self._child.stop)

    async def _exchange(self, texts: Sequence[str], sort: Sort) -> list[Vector]:
        """Ask the process; the caller holds the lock."""
        request = json.dumps({"sort": sort, "texts": list(texts)}).encode()
        hanging = asyncio.get_running_loop().call_later(_TIMEOUT_S, self._child.kill)
        try:
            answer = await asyncio.to_thread(self._child.exchange, request)
        except (OSError, EOFError) as error:
            log.warning("embedder_failed", error=repr(error))
            raise EmbeddingUnavailable("its process ended or did not answer") from None
        finally:
            hanging.cancel()
        self._used_s = time.monotonic()
        if self._reaper is None or self._reaper.done():
            self._reaper = asyncio.ensure_future(self._stop_when_idle())
        size = len(answer) // len(texts)
        return [answer[start : start + size] for start in range(0, len(answer), size)]

    async def _stop_when_idle(self) -> None:
        while True:
            async with self._lock:
                left_s = self._used_s + self._idle_s - time.monotonic()
                if left_s <= 0:
                    await asyncio.to_thread(self._child.stop)
                    return
            await asyncio.sleep(left_s)


class _EmbedderChild:
    """The process. `exchange` and `stop` are called by one thread at a time, `kill` by any."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        # Closes the race of a kill with a process that is just being started or given up.
        self._guard = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None else None

    def exchange(self, request: bytes) -> bytes:
        """Send one request and answer what comes back; raises OSError or EOFError when the process ends."""
        try:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(struct.pack(">I", len(request)) + request)
            process.stdin.flush()
            size: int = struct.unpack(">I", _read(process.stdout, _HEAD_BYTES))[0]
            return _read(process.stdout, size)
        except BaseException:
            self.kill()
            self.stop()
            raise

    def kill(self) -> None:
        """End it at once, also in the middle of an exchange."""
        with self._guard:
            if self._process is not None:
                self._process.kill()

    def stop(self) -> None:
        """End the process: it ends by itself when its input does, unless it hangs."""
        with self._guard:
            process, self._process = self._process, None
        if process is None:
            return
        try:
            process.communicate(timeout=_STOP_TIMEOUT_S)
        except (subprocess.TimeoutExpired, OSError):
            process.kill()
            process.communicate()

    def _running(self) -> subprocess.Popen[bytes]:
        with self._guard:
            if self._process is None:
                command = [sys.executable, "-m", "chat_service.search.embedder_process", str(self._threads)]
                self._process = subprocess.Popen(
                    dying_with_parent(command),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=_environment(self._threads),
                    # Ctrl-C in a terminal is for the service, which ends this process when it is done.
                    process_group=0,
                )
            return self._process


def _read(source: IO[bytes], size: int) -> bytes:
    """Answer so many bytes; raises EOFError when the other side ends before."""
    read = source.read(size)
    if len(read) < size:
        raise EOFError(f"{size} bytes were expected, {len(read)} came")
    return read


def _environment(threads: int) -> Mapping[str, str]:
    """Keep the numerics to their threads, and find the package wherever the service was started."""
    path = os.pathsep.join(part for part in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if part)
    numerics = {
        "OPENBLAS_NUM_THREADS": str(threads),
        # Idle threads spin for two to the so many cycles: by default a tenth of a second, in which they hold
        # the core that the database needs to rank what was just embedded.
        "OPENBLAS_THREAD_TIMEOUT": "4",
    }
    return {**os.environ, "PYTHONPATH": path, **numerics}
