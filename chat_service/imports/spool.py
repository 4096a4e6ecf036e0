"""Keeps an upload in a temporary file until it is complete."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from chat_service.errors import ImportTooLarge
from chat_service.parsers import Scratch
from servicekit.errors import DeadlineExceeded


@dataclass(frozen=True)
class SpoolLimits:
    """How much an upload may bring, and how slowly."""

    max_bytes: int
    idle_timeout_s: float
    upload_timeout_s: float


@dataclass
class Spool:
    """An upload on disk."""

    scratch: Scratch
    size: int = 0
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def file(self) -> BinaryIO:
        """The complete upload, for readers."""
        return self.scratch.file

    @property
    def sha256(self) -> bytes:
        """The digest of all bytes so far."""
        return self._hash.digest()

    async def add(self, chunk: bytes) -> None:
        """Append bytes; disk and digest work in a thread, not on the event loop. Raises `ScratchFailed`."""
        self.size += len(chunk)
        await asyncio.to_thread(self._write, chunk)

    def _write(self, chunk: bytes) -> None:
        self.scratch.write(chunk)
        self._hash.update(chunk)


@asynccontextmanager
async def spooled(
    chunks: AsyncIterator[bytes], file_name: str, limits: SpoolLimits, directory: Path | None
) -> AsyncIterator[Spool]:
    """Give the complete upload. The file has no name: the system removes it even when the process is killed.

    Raises `ImportTooLarge` as soon as the limit is passed, `DeadlineExceeded` when the client pauses too
    long between two chunks or needs too long in all, and `ScratchFailed` when the disk does not take it.
    """
    with closing(Scratch(directory)) as scratch:
        spool = Spool(scratch)
        try:
            async with asyncio.timeout(limits.upload_timeout_s):
                await _receive(chunks, spool, file_name, limits)
        except TimeoutError:
            raise DeadlineExceeded(f"the upload took longer than {limits.upload_timeout_s:g} s") from None
        yield spool


async def _receive(chunks: AsyncIterator[bytes], spool: Spool, file_name: str, limits: SpoolLimits) -> None:
    while (chunk := await _next_chunk(chunks, limits.idle_timeout_s)) is not None:
        if spool.size + len(chunk) > limits.max_bytes:
            raise ImportTooLarge(file_name, spool.size + len(chunk), limits.max_bytes)
        await spool.add(chunk)


async def _next_chunk(chunks: AsyncIterator[bytes], idle_timeout_s: float) -> bytes | None:
    idle = asyncio.timeout(idle_timeout_s)
    try:
        async with idle:
            return await anext(chunks, None)
    except TimeoutError:
        if not idle.expired():
            raise
        raise DeadlineExceeded(f"no chunk came for {idle_timeout_s:g} s") from None
