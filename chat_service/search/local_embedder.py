"""The built-in embedding model, in a process of its own that ends when nobody has asked it for a while."""

import asyncio
import contextlib
import json
import os
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

from chat_service.search.embedding import EmbeddingUnavailable, Sort, Vector
from chat_service.settings import ChatSettings
from servicekit.logs import get_logger
from servicekit.processes import dying_with_parent

log = get_logger(__name__)

_ROOT = Path(__file__).parent.parent.parent
#: Loading takes a second, a batch a tenth; on a busy machine many times that.
_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 5.0
_HEAD_BYTES = 4


class LocalEmbedder:
    """Starts the process when it is needed. Its requests are answered one after another, in turn."""

    model = "use-multilingual-3"

    def __init__(self, settings: ChatSettings) -> None:
        """Take how long the process may be idle; nothing is started yet."""
        self._idle_s = settings.embedding_idle_s
        self._threads = settings.embedding_threads
        # One exchange at a time: answers have no names, they come in the order of the requests.
        self._lock = asyncio.Lock()
        self._process: Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    async def embed(self, texts: Sequence[str], sort: Sort) -> list[Vector]:
        """Answer a vector a text; raises `EmbeddingUnavailable`."""
        if not texts:
            return []
        # A caller who goes away must not leave half an exchange to the next one.
        return await asyncio.shield(asyncio.ensure_future(self._exchange(texts, sort)))

    async def close(self) -> None:
        """Stop the process."""
        async with self._lock:
            await self._stop()

    async def _exchange(self, texts: Sequence[str], sort: Sort) -> list[Vector]:
        async with self._lock:
            if self._idle is not None:
                self._idle.cancel()
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    answer = await self._ask(json.dumps({"sort": sort, "texts": list(texts)}).encode())
            except (OSError, EOFError, TimeoutError) as error:
                await self._stop()
                log.warning("embedder_failed", error=repr(error))
                raise EmbeddingUnavailable("its process ended or did not answer") from None
            except BaseException:
                await self._stop()
                raise
            self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._begin_stop)
        size = len(answer) // len(texts)
        return [answer[start : start + size] for start in range(0, len(answer), size)]

    async def _ask(self, request: bytes) -> bytes:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(struct.pack(">I", len(request)) + request)
        await process.stdin.drain()
        head = await process.stdout.readexactly(_HEAD_BYTES)
        return await process.stdout.readexactly(struct.unpack(">I", head)[0])

    async def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            module = ["-m", "chat_service.search.embedder_process", str(self._threads)]
            self._process = await asyncio.create_subprocess_exec(
                *dying_with_parent([sys.executable, *module]),
                stdin=PIPE,
                stdout=PIPE,
                env=_environment(self._threads),
                # Ctrl-C in a terminal is for the service, which ends this process when it is done.
                start_new_session=True,
            )
        return self._process

    def _begin_stop(self) -> None:
        self._stopping = asyncio.ensure_future(self._stop_when_idle())

    async def _stop_when_idle(self) -> None:
        if not self._lock.locked():
            await self.close()

    async def _stop(self) -> None:
        """End the process: it ends by itself when its input does, unless it hangs."""
        if self._idle is not None:
            self._idle.cancel()
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _environment(threads: int) -> Mapping[str, str]:
    """Keep the numerics to their threads, and find the package wherever the service was started."""
    path = os.pathsep.join(part for part in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if part)
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": str(threads)}
