"""Which files of an archive are chats, and which of them is to be read."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import BinaryIO

from chat_service.parsers.archive import Archive
from chat_service.parsers.chats import chosen
from chat_service.parsers.containers import EXPORT_AS_JSON
from chat_service.parsers.errors import ChatChoice, OversizedExport, UnreadableExport
from chat_service.parsers.formats import META_FORMATS, PARSERS, head_of, recognised
from chat_service.parsers.meta_json import PART_NAME, MetaParser, thread_name
from chat_service.parsers.model import ChatFormat, ExportPart, ParsedExport, ParseOptions

# So many files are looked into; an account has some hundred chats, and a chat thousands of photos.
MAX_CHATS = 2_000

# What Telegram and Meta call their files, what iOS calls the text, what Android and people call it, and
# at last any other text or JSON. Files of a later rank are taken for attachments.
_RANKS = (
    re.compile(r"result\.json|message_[0-9]{1,6}\.json", re.IGNORECASE),
    re.compile(r"_chat\.txt", re.IGNORECASE),
    # A look ahead, which is done once: a name in an archive may have 65,535 bytes.
    re.compile(r"(?=.*(?:chat|whatsapp|чат|聊天)).*\.(?:txt|md)", re.IGNORECASE),
    re.compile(r".*\.(?:json|txt|md)", re.IGNORECASE),
)
# Copies that macOS adds of every file's attributes.
_NO_FILE = re.compile(r"(?:^|/)(?:__MACOSX/|\._)")


@dataclass(frozen=True, slots=True)
class _Chat:
    """One chat in an archive: its format and its files."""

    format: ChatFormat
    parts: Sequence[ExportPart]

    @property
    def choice(self) -> ChatChoice:
        """As it is offered."""
        first = self.parts[0]
        if self.format in META_FORMATS:
            name = first.folder.rpartition("/")[2]
            # A damaged thread is a choice like the others; who takes it is told.
            with suppress(UnreadableExport):
                name = thread_name(first.file) or name
            return ChatChoice(first.folder or first.path, name)
        return ChatChoice(first.path, first.name.rpartition(".")[0])

    def open(self, options: ParseOptions) -> ParsedExport:
        """Opens it. Raises UnreadableExport, and SeveralChats for an account within the archive."""
        parser = PARSERS[self.format]
        if isinstance(parser, MetaParser):
            return parser.open_parts(self.parts, options)
        return parser.open(self.parts[0].file, options)


def open_archive(
    file: BinaryIO, options: ParseOptions, chat_format: ChatFormat | None, file_name: str
) -> ParsedExport:
    """Opens the chat of an archive: the best-named file that is one.

    Raises what Archive raises, UnreadableExport where there is no chat, and SeveralChats.
    """
    parts = [part for part in Archive(file, options).parts() if not _NO_FILE.search(part.path)]
    ranked = [[part for part in parts if rank.fullmatch(part.name)] for rank in _RANKS]
    for named in ranked:
        chats = list(_chats(named, chat_format, file_name))
        if len(chats) == 1:
            return chats[0].open(options)
        if chats:
            choices = {chat.choice: chat for chat in chats}
            return choices[chosen(list(choices), options.export_chat)].open(replace(options, export_chat=""))
    best = next((named for named in ranked if named), None)
    if chat_format is None or best is None:
        html = any(part.name.lower().endswith(".html") for part in parts)
        advice = f"; it holds HTML: {EXPORT_AS_JSON}" if html else ""
        raise UnreadableExport(f"the ZIP archive holds no text or JSON that is a chat{advice}")
    # The caller insists; what the parser of that format says about the file is the best answer.
    return _Chat(chat_format, best[:1]).open(options)


def _chats(parts: Sequence[ExportPart], chat_format: ChatFormat | None, file_name: str) -> Iterator[_Chat]:
    """The chats among some files; the numbered files of one folder are one of Meta's threads."""
    threads: dict[str, list[ExportPart]] = {}
    for part in parts:
        numbered = PART_NAME.fullmatch(part.name)
        threads.setdefault(part.folder if numbered else part.path, []).append(part)
    if len(threads) > MAX_CHATS:
        raise OversizedExport("chats", size=len(threads), limit=MAX_CHATS)
    for thread in threads.values():
        first = thread[0]
        found = recognised(head_of(first.file), f"{file_name}/{first.path}")
        if found in META_FORMATS and chat_format in META_FORMATS:
            found = chat_format
        if found is not None and chat_format in (None, found):
            yield _Chat(found, thread)
