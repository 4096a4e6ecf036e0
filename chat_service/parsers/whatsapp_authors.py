"""The names in front of the messages."""

import re

from chat_service.parsers.text_blocks import decoded
from chat_service.parsers.whatsapp_bodies import quotes_like_a_notice
from chat_service.parsers.whatsapp_header import INVISIBLE

MAX_AUTHOR_CHARS = 256
_MAX_REMEMBERED = 10_000
_INVISIBLE = re.compile(f"[{INVISIBLE}]+")
# What WhatsApp puts around a name: marks of direction, and one blank or another.
_AROUND = INVISIBLE + " \t\u00a0\u2007\u2009\u202f"
_PHONE_NUMBER = re.compile(r"\+?[0-9][0-9 ().\-\u00a0\u2009\u2011\u202f]{5,}")
_PHONE_BLANK = re.compile("[\u00a0\u2009\u202f]")


class Authors(dict[str, str | None]):
    """Remembers whose name stands in the raw text before a body; None where it is no name.

    Marks of direction around it are no part of a name: the same number is written with and without
    them. The tilde that WhatsApp puts before the name of somebody who is not in the address book
    stays, as it may be all that tells two people of one name apart.
    """

    def __init__(self, *, undecoded: bool = False) -> None:
        """Begin with nobody; the texts may be undecoded."""
        super().__init__()
        self._undecoded = undecoded
        self.names: set[str] = set()

    def __missing__(self, raw: str) -> str | None:
        if len(self) >= _MAX_REMEMBERED:
            self.clear()
            self.names.clear()
        self[raw] = name = _name(self.meaning(raw))
        if name is not None:
            self.names.add(name)
        return name

    def meaning(self, raw: str) -> str:
        """What the text says. Raises UnicodeDecodeError."""
        return decoded(raw) if self._undecoded else raw


def _name(raw: str) -> str | None:
    name = raw.rstrip(" ").removesuffix(":").strip(_AROUND)
    if not name or len(name) > MAX_AUTHOR_CHARS or quotes_like_a_notice(name):
        return None
    if name.startswith("~"):
        return f"~ {name[1:].strip(_AROUND)}"
    number = _INVISIBLE.sub("", name)
    if _PHONE_NUMBER.fullmatch(number):
        return _PHONE_BLANK.sub(" ", number).replace("\u2011", "-")
    return name
