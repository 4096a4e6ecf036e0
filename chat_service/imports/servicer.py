"""The upload of chat.v1.ChatService: takes the stream apart and bounds what runs at once."""

import asyncio
from collections.abc import AsyncIterator

from chat_service.chats.messages import chat_message
from chat_service.core import Core
from chat_service.imports.header import checked_header
from chat_service.imports.service import ImportService
from chat_service.imports.spool import SpoolLimits, spooled
from chat_service.parsers import ScratchFailed
from protos.chat.v1 import chat_pb2
from servicekit.errors import DeadlineExceeded, InvalidField, RateLimited, Unavailable
from servicekit.logs import get_logger

log = get_logger(__name__)

#: Largest piece of a file in one message of the stream.
MAX_CHUNK_BYTES = 1 << 20

Parts = AsyncIterator[chat_pb2.ImportChatRequest]


class ImportServicer:
    """Serves uploads."""

    def __init__(self, core: Core, service: ImportService) -> None:
        """Take what does the work."""
        settings = core.settings
        self._service = service
        self._max_concurrent = settings.import_max_concurrent
        self._running = 0
        self._spool_dir = settings.import_spool_dir
        self._limits = SpoolLimits(
            max_bytes=settings.import_max_bytes,
            idle_timeout_s=settings.import_idle_timeout_s,
            upload_timeout_s=settings.import_upload_timeout_s,
        )

    async def import_chat(self, parts: Parts) -> chat_pb2.ImportChatResponse:
        """Store an uploaded file; raises `RateLimited` when too many uploads run already."""
        if self._running >= self._max_concurrent:
            raise RateLimited(f"{self._max_concurrent} imports at once")
        self._running += 1
        try:
            return await self._import(parts)
        finally:
            self._running -= 1

    async def _import(self, parts: Parts) -> chat_pb2.ImportChatResponse:
        header = checked_header(await _first_part(parts, self._limits.idle_timeout_s))
        user_since = await self._service.admit(header)
        try:
            async with spooled(_chunks(parts), header.file_name, self._limits, self._spool_dir) as spool:
                chat = await self._service.store(header, spool, user_since)
        except ScratchFailed as error:
            # The disk's fault, not the client's, whether it came with the upload or while it was read.
            log.exception("spool_failed")
            raise Unavailable("the upload cannot be kept; try again later") from error
        return chat_pb2.ImportChatResponse(chat=chat_message(chat))


async def _first_part(parts: Parts, idle_timeout_s: float) -> chat_pb2.ImportChatHeader:
    try:
        async with asyncio.timeout(idle_timeout_s):
            first = await anext(parts, None)
    except TimeoutError:
        raise DeadlineExceeded(f"no header came for {idle_timeout_s:g} s") from None
    if first is None or first.WhichOneof("part") != "header":
        raise InvalidField("header", "must be the first part of the stream")
    return first.header


async def _chunks(parts: Parts) -> AsyncIterator[bytes]:
    async for part in parts:
        kind = part.WhichOneof("part")
        if kind != "chunk":
            raise InvalidField(kind or "part", "must not come after the header; chunks are expected")
        if not 1 <= len(part.chunk) <= MAX_CHUNK_BYTES:
            raise InvalidField("chunk", f"must have 1 to {MAX_CHUNK_BYTES} bytes, got {len(part.chunk)}")
        yield part.chunk
