"""A name for people, made from the name of an exported file."""

import re

#: What the apps put before the name of the other person or the group, in their languages.
_PREFIXES = (
    r"WhatsApp[ -]Chat (?:with|mit|met|-)",
    r"WhatsApp Chat",
    r"Chat de WhatsApp con",
    r"Discussion WhatsApp avec",
    r"Conversa do WhatsApp com",
    r"Chat WhatsApp (?:con|s uživatelem)",
    r"Чат WhatsApp с",
)
_PREFIX = re.compile(rf"(?:{'|'.join(_PREFIXES)})[ _]+", re.IGNORECASE)
_CHINESE = re.compile(r"与(?P<name>.+?)的\s*WhatsApp\s*聊天")
_EXTENSION = re.compile(r"\.(?:txt|md|zip|json|html?)$", re.IGNORECASE)
#: iOS names every file so, whoever the chat is with.
_NAMELESS = "_chat"
_DEFAULT = "Chat"


def display_name_of(file_name: str) -> str:
    """Answer the part of a file's name that says who the chat is with; never empty."""
    stem = _EXTENSION.sub("", file_name).strip()
    chinese = _CHINESE.fullmatch(stem)
    name = chinese["name"] if chinese else _PREFIX.sub("", stem, count=1)
    name = name.strip(" _-")
    return _DEFAULT if not name or stem.lower() == _NAMELESS else name
