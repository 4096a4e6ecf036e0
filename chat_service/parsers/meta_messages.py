"""Entries of Messenger and Instagram: what Meta's download writes about one message, read into one of ours.

Two dialects: the download of the account (`sender_name`, `timestamp_ms`, `content`), whose texts are
UTF-8 bytes written as Latin-1 escapes, and the one of end-to-end encrypted chats (`senderName`,
`timestamp`, `text`), which is clean.
"""

import re
from collections.abc import Iterable

from chat_service.parsers.clock import Clock
from chat_service.parsers.entries import (
    Entry,
    NotUnderstood,
    People,
    joined_names,
    object_of,
    objects_of,
    storable,
    text_of,
    whole_of,
)
from chat_service.parsers.media_kinds import kind_of_file_name
from chat_service.parsers.model import MessageKind, ParsedMessage

# Lists of attachments, and what they hold; None: the name of the file tells.
_ATTACHMENTS = {
    "photos": MessageKind.IMAGE,
    "videos": MessageKind.VIDEO,
    "audio_files": MessageKind.AUDIO,
    "gifs": MessageKind.GIF,
    "files": MessageKind.DOCUMENT,
    "media": None,
}
_SYSTEM_TYPES = frozenset({"subscribe", "unsubscribe", "plan", "payment"})
# What stands in place of a text when something was attached: it says so and nothing more.
_ATTACHED = re.compile(r"(?:\S.{0,200}? )?sent (?:an?|\d+|the) [\w ]{1,30}\.?", re.IGNORECASE)
# Reactions that are written as messages of their own. Nobody is known to type exactly this.
_REACTION = re.compile(r"Liked a message|Reacted (?:.{1,40} )?to your message ?")
_NOTICE = re.compile(
    r"(?:named the group|changed the (?:group|chat)|set the (?:emoji|quick reaction|nickname)"
    r"|added .+ to the group|removed .+ from the group|left the group|joined the (?:call|video chat|group)"
    r"|started a (?:call|video chat)|created (?:the group|a poll)|voted for|turned (?:on|off)"
    r"|unsent a message|set (?:his|her|their|your) own|pinned a message|missed (?:a|your) (?:call|video))\b"
)


class MetaReader:
    """Reads entries of `messages`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._people = People()

    def read(self, entry: Entry) -> ParsedMessage:
        """The message that an entry is. Raises NotUnderstood."""
        name = meta_text(entry, "sender_name", "senderName")
        author = self._people.name_of("", name)
        milliseconds = whole_of(entry.get("timestamp_ms", entry.get("timestamp")))
        if milliseconds is None:
            raise NotUnderstood('a "timestamp_ms"')
        moment = self._clock.of_instant(milliseconds // 1000)
        content = meta_text(entry, "content", "text")
        if entry.get("is_unsent") is True or entry.get("isUnsent") is True:
            return ParsedMessage(author, moment, "", MessageKind.DELETED)
        if _is_notice(entry, content, author):
            said = content if content.startswith(author) else f"{author}: {content}"
            return ParsedMessage(None, moment, said.removesuffix(": "), MessageKind.SYSTEM)
        kind, attachment = _attachment(entry)
        body = _body(entry, content, kind)
        if kind is MessageKind.TEXT and not body:
            kind = MessageKind.OTHER
        return ParsedMessage(author, moment, body, kind, attachment_name=attachment)


def meta_text(entry: Entry, *keys: str) -> str:
    """The first text there is under these keys, with Meta's escapes undone."""
    return next((undone(text) for key in keys if (text := text_of(entry, key))), "")


def undone(text: str) -> str:
    """A text whose characters are the bytes of its UTF-8, as that UTF-8; any other text as it is."""
    if text.isascii():
        return text
    try:
        return storable(text.encode("latin-1").decode())
    except UnicodeError:
        return text


def _is_notice(entry: Entry, content: str, author: str) -> bool:
    """Whether the platform wrote it.

    A full name at the start, "Anna Berg hat die Gruppe verlassen", tells so in any language, as
    nobody begins a message with their own; behind a single name the words must be known as well.
    """
    if text_of(entry, "type").lower() in _SYSTEM_TYPES or _REACTION.fullmatch(content):
        return True
    if _is_call(entry) or not content:
        return False
    said = content.removeprefix(f"{author} ")
    if said == content:
        said = content.removeprefix("You ")
        return said != content and bool(_NOTICE.match(said)) and content.endswith(".")
    return not _ATTACHED.fullmatch(content) and (" " in author or bool(_NOTICE.match(said)))


def _is_call(entry: Entry) -> bool:
    return "call_duration" in entry or text_of(entry, "type").lower() == "call"


def _attachment(entry: Entry) -> tuple[MessageKind, str]:
    """The kind of a message by what is attached to it, and the names of the files."""
    if _is_call(entry):
        return MessageKind.CALL, ""
    sticker = object_of(entry, "sticker")
    if sticker:
        return MessageKind.STICKER, joined_names(_paths([sticker]))
    for key, known in _ATTACHMENTS.items():
        items = objects_of(entry, key)
        if items:
            names = joined_names(_paths(items))
            return known or kind_of_file_name(names), names
    return MessageKind.TEXT, ""


def _paths(items: Iterable[Entry]) -> list[str]:
    return [path for item in items if (path := meta_text(item, "uri"))]


def _body(entry: Entry, content: str, kind: MessageKind) -> str:
    share = object_of(entry, "share")
    link, shared = meta_text(share, "link"), meta_text(share, "share_text")
    if (
        (share or kind is not MessageKind.TEXT)
        and kind is not MessageKind.CALL
        and _ATTACHED.fullmatch(content)
    ):
        content = ""
    return "\n".join(
        part for at, part in enumerate((content, shared, link)) if part and (at == 0 or part not in content)
    )
