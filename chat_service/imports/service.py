"""Stores an upload as a chat: all of it or nothing."""

import asyncio
from datetime import datetime
from functools import partial
from typing import BinaryIO

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats.models import Chat
from chat_service.core import Core
from chat_service.errors import ImportChooseChat, ImportEncrypted, ImportTooLarge, ImportUnreadable
from chat_service.imports import repository
from chat_service.imports.display_name import display_name_of
from chat_service.imports.header import ImportHeader
from chat_service.imports.report import stored_report
from chat_service.imports.rows import ReadAhead, message_rows
from chat_service.imports.spool import Spool
from chat_service.imports.tally import Tally
from chat_service.parsers import (
    EncryptedExport,
    OversizedExport,
    ParsedExport,
    ParseOptions,
    SeveralChats,
    UnreadableExport,
    open_export,
)
from chat_service.settings import ChatSettings
from chat_service.users import repository as users
from protos.chat.v1 import chat_pb2
from servicekit.errors import RequestIdReused, ServiceError
from servicekit.ids import uuid7
from servicekit.logs import get_logger
from servicekit.retry import execute_in_transaction, execute_with_lock_retry

log = get_logger(__name__)


class ImportService:
    """Imports files.

    A repeated import (same request id, same header, same bytes) answers with the chat that the
    first one made as it is now: renamed, or deleted with its delete_time. Only once that chat was purged
    is the request id forgotten.
    """

    def __init__(self, core: Core) -> None:
        """Take the service's shared tools."""
        self._sessions = core.sessions
        self._settings = core.settings
        self._workers = asyncio.Semaphore(core.settings.import_workers)

    async def admit(self, header: ImportHeader) -> datetime:
        """Refuse an upload before its bytes are taken; raises `RequestIdReused` and `UserNotFound`.

        Answers the user's create_time: the chat is stored for that user only, and for nobody who has the id
        after the user was deleted.
        """

        async def work(session: AsyncSession) -> datetime:
            user = await users.find(session, header.user_id)
            earlier = await repository.find_import(session, header.user_id, header.request_id)
            if earlier is not None:
                _refuse_other_header(earlier, header)
            return user.create_time

        return await execute_in_transaction(self._sessions, work)

    async def store(self, header: ImportHeader, spool: Spool, user_since: datetime) -> Chat:
        """Store a complete upload and answer its chat; `user_since` is what `admit` answered.

        Raises `ImportUnreadable`, `ImportTooLarge`, `ImportEncrypted`, `ImportChooseChat`,
        `RequestIdReused`, `UserNotFound` when the user was deleted meanwhile, and `LockTimeout` while the
        same request is being stored elsewhere for long. `ScratchFailed` when the disk does not take what the
        parser cannot keep in memory.
        """
        find = partial(repository.find_import, user_id=header.user_id, request_id=header.request_id)
        earlier = await execute_in_transaction(self._sessions, find)
        if earlier is not None:
            return _replayed(earlier, header, spool)
        try:
            async with self._workers, asyncio.timeout(self._settings.import_store_timeout_s):
                export = await asyncio.to_thread(_open, spool.file, header, self._settings)
                work = partial(self._store, header=header, spool=spool, export=export, user_since=user_since)
                chat = await execute_with_lock_retry(self._sessions, work)
        except UnreadableExport as error:
            raise _import_error(header.file_name, error) from error
        log.info("chat_imported", chat_id=str(chat.chat_id), messages=chat.message_count, bytes=spool.size)
        return chat

    async def _store(
        self,
        session: AsyncSession,
        header: ImportHeader,
        spool: Spool,
        export: ParsedExport,
        user_since: datetime,
    ) -> Chat:
        await repository.lock_import(session, header.user_id, header.request_id)
        earlier = await repository.find_import(session, header.user_id, header.request_id)
        if earlier is not None:
            return _replayed(earlier, header, spool)
        await repository.allow_long_statement(session, self._settings.import_store_timeout_s)
        chat_id, tally = uuid7(), Tally()
        async with ReadAhead(message_rows(export, header.user_id, chat_id, tally)) as rows:
            await repository.copy_messages(session, rows)
        # In a thread: a hostile file can make counting its days take a good part of a second.
        chat = await asyncio.to_thread(_chat, header, spool, export, tally)
        chat.chat_id = chat_id
        # Not before: whoever deletes the user would wait for all of the above.
        await users.require_since(session, header.user_id, user_since)
        return await repository.add_chat(session, chat)


def _open(file: BinaryIO, header: ImportHeader, settings: ChatSettings) -> ParsedExport:
    """Look the file over: the first of the two passes. Raises `UnreadableExport`."""
    options = ParseOptions(
        date_order=header.date_order,
        time_zone=header.time_zone,
        export_chat=header.export_chat,
        max_line_chars=settings.import_max_message_chars,
        max_message_chars=settings.import_max_message_chars,
        max_messages=settings.import_max_messages,
        max_archive_entries=settings.import_zip_max_entries,
        max_unpacked_bytes=settings.import_zip_max_unpacked_bytes,
        max_archive_ratio=settings.import_zip_max_ratio,
        scratch_dir=settings.import_spool_dir,
    )
    return open_export(file, options, header.format, header.file_name)


def _chat(header: ImportHeader, spool: Spool, export: ParsedExport, tally: Tally) -> Chat:
    report = export.report
    return Chat(
        user_id=header.user_id,
        request_id=header.request_id,
        display_name=header.display_name or report.chat_name.strip() or display_name_of(header.file_name),
        file_name=header.file_name,
        format=int(report.format),
        state=chat_pb2.CHAT_STATE_READY,
        message_count=tally.message_count,
        participants=tally.participants(),
        participant_count=tally.participant_count,
        first_message_local_time=tally.first,
        last_message_local_time=tally.last,
        time_zone=report.time_zone or header.time_zone,
        import_report=stored_report(report),
        stats=tally.stats.as_row(),
        import_header=header.as_sent,
        file_sha256=spool.sha256,
    )


def _replayed(earlier: Chat, header: ImportHeader, spool: Spool) -> Chat:
    _refuse_other_header(earlier, header)
    if earlier.file_sha256 != spool.sha256:
        raise RequestIdReused(header.request_id, "chunk")
    return earlier


def _refuse_other_header(earlier: Chat, header: ImportHeader) -> None:
    for name, value in header.as_sent.items():
        # Headers of before a field existed lack it, which says as much as its being empty.
        if earlier.import_header.get(name, "") != value:
            raise RequestIdReused(header.request_id, name)


def _import_error(file_name: str, error: UnreadableExport) -> ServiceError:
    if isinstance(error, SeveralChats):
        return ImportChooseChat(file_name, error.problem, error.chats)
    if isinstance(error, EncryptedExport):
        return ImportEncrypted(file_name)
    if isinstance(error, OversizedExport):
        return ImportTooLarge(file_name, error.size, error.limit, error.unit)
    return ImportUnreadable(file_name, error.line, error.problem)
