"""The names in front of the messages."""

import re

from chat_service.parsers.whatsapp_bodies import quotes_like_a_notice
from chat_service.parsers.whatsapp_header import INVISIBLE

MAX_AUTHOR_CHARS = 256
_MAX_REMEMBERED = 10_000
_INVISIBLE = re.compile(f"[{INVISIBLE}]+")
_PHONE_NUMBER = re.compile(r"\+?[0-9][0-9 ().\-\u00a0\u2009\u2011\u202f]{5,}")
_PHONE_BLANK = re.compile("[\u00a0\u2009\u202f]")


class Authors(dict[str | None, str | None]):
    """Remembers whose name stands in the raw text before a body; None where it is no name.

    Marks of direction are no part of a name: the same number is written with and without them. The
    tilde that WhatsApp puts before the name of somebody who is not in the address book stays, as it
    may be all that tells two people of one name apart.
    """

    def __missing__(self, raw: str | None) -> str | None:
        if len(self) >= _MAX_REMEMBERED:
            self.clear()
        self[raw] = name = _name(raw) if raw is not None else None
        return name


def _name(raw: str) -> str | None:
    name = _INVISIBLE.sub("", raw).rstrip(" ").removesuffix(":").strip()
    if not name or len(name) > MAX_AUTHOR_CHARS or quotes_like_a_notice(name):
        return None
    if name.startswith("~"):
        return f"~ {name[1:].strip()}"
    if _PHONE_NUMBER.fullmatch(name):
        return _PHONE_BLANK.sub(" ", name).replace("\u2011", "-")
    return name
