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
# Reactions that are written as messages of their own. Nobody is known to type exactly this.
_REACTION = re.compile(r"Liked a message|Reacted (?:.{1,40} )?to your message ?")
# What the platform writes behind the name of whoever did something: that something was attached, ...
_SENT = re.compile(
    r"sent (?:an?|[0-9]+) (?:attachment|photo|video|voice message|sticker|GIF|file|link|(?:live )?location"
    r"|post|reel|story)s?\.?",
    re.IGNORECASE,
)
# ... or that something happened in the group.
_HAPPENED = re.compile(
    r"(?:named the group|changed the (?:group|chat)|set the (?:emoji|quick reaction|nickname)"
    r"|added .+ to the group|removed .+ from the group|left the group|joined the (?:call|video chat|group)"
    r"|started a (?:call|video chat)|created (?:the group|a poll)|voted for|turned (?:on|off)"
    r"|unsent a message|set (?:his|her|their|your) own|pinned a message|missed (?:a|your) (?:call|video))\b"
)
_ENDS_OF_SENTENCES = (".", "。", "।", "۔")


class MetaReader:
    """Reads entries of `messages`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._people = People()

    def read(self, entry: Entry) -> ParsedMessage:
        """The message that an entry is. Raises NotUnderstood."""
        clean = "senderName" in entry
        name = text_of(entry, "senderName") if clean else escaped_text_of(entry, "sender_name")
        author = self._people.name_of("", name)
        moment = self._clock.of_instant(_seconds(entry))
        if entry.get("isUnsent" if clean else "is_unsent") is True:
            return ParsedMessage(author, moment, "", MessageKind.DELETED)
        content = text_of(entry, "text") if clean else escaped_text_of(entry, "content")
        kind, attachment = _attachment(entry)
        if kind is MessageKind.CALL:
            return ParsedMessage(author, moment, content, kind)
        attached = kind is not MessageKind.TEXT or bool(object_of(entry, "share"))
        if _is_notice(entry, content, author, attached):
            said = content if content.startswith(author) else f"{author}: {content}"
            return ParsedMessage(None, moment, said.removesuffix(": "), MessageKind.SYSTEM)
        if _is_placeholder(content, author, attached):
            content = ""
        body = _with_share(content, object_of(entry, "share"))
        if kind is MessageKind.TEXT and not body:
            kind = MessageKind.OTHER
        return ParsedMessage(author, moment, body, kind, attachment_name=attachment)


def escaped_text_of(entry: Entry, key: str) -> str:
    """A text of the download of the account, with its escapes undone; empty where there is none."""
    value = entry.get(key)
    return storable(undone(value)) if isinstance(value, str) else ""


def _seconds(entry: Entry) -> int:
    milliseconds = whole_of(entry.get("timestamp_ms", entry.get("timestamp")))
    if milliseconds is None:
        raise NotUnderstood('a "timestamp_ms"')
    return milliseconds // 1000


def undone(text: str) -> str:
    """A text whose characters are the bytes of its UTF-8, as that UTF-8; any other text as it is."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _is_notice(entry: Entry, content: str, author: str, attached: bool) -> bool:
    """Whether the platform wrote it, about something that happened."""
    if text_of(entry, "type").lower() in _SYSTEM_TYPES or _REACTION.fullmatch(content):
        return True
    done = _done(content, author)
    if attached or not done or _SENT.fullmatch(done):
        return False
    return bool(_HAPPENED.match(done)) or _is_sentence_about(content, author)


def _is_placeholder(content: str, author: str, attached: bool) -> bool:
    """Whether a text only says that something was attached."""
    done = _done(content, author)
    return bool(_SENT.fullmatch(done)) or (attached and _is_sentence_about(content, author))


def _done(content: str, author: str) -> str:
    """What a text says behind the name of its author, or behind "You"; empty where it does not begin so."""
    for who in (author, "You"):
        if content.startswith(f"{who} "):
            return content[len(who) + 1 :]
    return ""


def _is_sentence_about(content: str, author: str) -> bool:
    """Whether a text is a sentence that begins with the full name of its author.

    "Anna Berg hat die Gruppe verlassen." tells so in any language, as nobody writes about themselves
    like that; behind a single name, which may be any word, only known words tell.
    """
    return (
        " " in author and content.startswith(f"{author} ") and content.rstrip().endswith(_ENDS_OF_SENTENCES)
    )


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
    return [path for item in items if (path := escaped_text_of(item, "uri"))]


def _with_share(content: str, share: Entry) -> str:
    """A text with what was shared under it, unless that is part of it already."""
    shared = [escaped_text_of(share, key) for key in ("share_text", "link")]
    return "\n".join([part for part in (content, *(part for part in shared if part not in content)) if part])
