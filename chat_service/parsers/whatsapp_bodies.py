"""Tells what a WhatsApp message is from its text: words, or what WhatsApp wrote in their place.

Two signs need no language: iOS puts U+200E before everything that it wrote itself, and Android names
its media IMG-20240131-WA0001.jpg and the like. The rest is compared with the phrases by language.
"""

import re
from collections.abc import Container, Iterable
from typing import NamedTuple

from chat_service.parsers import whatsapp_omitted as omitted
from chat_service.parsers import whatsapp_phrases as phrases
from chat_service.parsers.model import MessageKind
from chat_service.parsers.whatsapp_header import INVISIBLE

MARK = "\u200e"
_MENTIONS = ("@", "\u2068@")
# Longer texts behind a mark are notices even in a language that is not listed, ...
_PLACEHOLDER_CHARS = 40
_PLACEHOLDER_WORDS = 4
# ... and still longer ones were pasted by somebody, mark and all.
_NOTICE_CHARS = 1_000
_LONGEST_PHRASE_CHARS = 80
_STOPS = ".。।"


class Reading(NamedTuple):
    """What was found in a text: the kind, and the text without what WhatsApp added."""

    kind: MessageKind
    body: str
    attachment_name: str = ""


def _key(text: str) -> str:
    """What phrases are compared by; a lone full stop is somebody's message."""
    if not 1 < len(text) <= _LONGEST_PHRASE_CHARS:
        return text
    key = text.casefold().rstrip(_STOPS)
    return f"<{key[1:-1].strip()}>" if key.startswith("<") and key.endswith(">") else key


def _any_of(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, words))


_PLACEHOLDER_PHRASES = {
    f"{opening}{phrase}{closing}": kind
    for kind, listed in omitted.OMITTED.items()
    for phrase in listed
    for opening, closing in (("", ""), ("<", ">"))
}
_PLACEHOLDER_PHRASES |= {f"<{phrase}>": MessageKind.OTHER for phrase in omitted.MEDIA_OMITTED}
_PLACEHOLDER_PHRASES |= dict.fromkeys(phrases.DELETED, MessageKind.DELETED)
# Nobody can send nothing: this is what is left of a message for one view.
_PLACEHOLDER_PHRASES[""] = MessageKind.OTHER
_KEPT_PHRASES = dict.fromkeys(phrases.LIVE_LOCATION, MessageKind.LOCATION) | dict.fromkeys(
    phrases.MISSED_CALL, MessageKind.CALL
)
# A typed `null` is far rarer than what WhatsApp could not name.
_KEPT_PHRASES["null"] = MessageKind.OTHER
_PLACEHOLDERS = {_key(phrase): kind for phrase, kind in _PLACEHOLDER_PHRASES.items()}
_KEPT = {_key(phrase): kind for phrase, kind in _KEPT_PHRASES.items()}


def _spellings(phrase: str) -> Iterable[str]:
    """A phrase as it is met: in its usual cases, with and without a full stop, on iOS behind a mark."""
    bare = phrase.rstrip(_STOPS)
    for spelling in {bare, bare.lower(), bare[:1].upper() + bare[1:]}:
        for stop in ("", *_STOPS):
            yield spelling + stop
            if bare:
                yield MARK + spelling + stop


# Ready for one look-up of an untouched text.
WHOLE_BODIES: dict[str, Reading] = {
    spelling: Reading(kind, "")
    for phrase, kind in _PLACEHOLDER_PHRASES.items()
    for spelling in _spellings(phrase)
} | {
    spelling: Reading(kind, spelling.removeprefix(MARK))
    for phrase, kind in _KEPT_PHRASES.items()
    for spelling in _spellings(phrase)
}
for _stop in _STOPS:
    # `Anna: .` are words; whether it was `Anna:.` only the head tells.
    del WHOLE_BODIES[_stop]

_EDITED = re.compile(
    rf"[ \n]?(?:[{INVISIBLE}]*<(?i:{_any_of(phrases.EDITED)})\.?>|{MARK}<[^<>:\n]{{5,80}}>)$"
)
_IOS_ATTACHED = re.compile(
    rf"<(?:(?:{_any_of(phrases.ATTACHED)}):|[^<>:\n]{{2,40}}:(?= ?[0-9]{{8}}-)|(?<={MARK}<)[^<>:\n]{{2,40}}:)"
    r" ?(?P<name>[^<>/\n]+)>",
    re.IGNORECASE,
)
_OLD_ATTACHED = re.compile(
    rf"[{INVISIBLE}]*+(?P<name>[^/\n]{{1,255}}\.\w{{1,10}}) <(?:{_any_of(phrases.ATTACHED)})>", re.IGNORECASE
)
# Android: a name that WhatsApp gave or that stands behind its mark with any words behind it, or any
# name with the known words.
_FILE_ATTACHED = re.compile(
    rf"(?P<marked>[{INVISIBLE}]++)?(?P<name>(?P<given>(?:IMG|VID|AUD|PTT|STK|DOC)-[0-9]{{8}}-WA[0-9]+)?"
    r"[^/\n]{0,255}\.\w{1,10})"
    rf" \((?(given)[^()\n]+|(?(marked)[^()\n]+|(?:{_any_of(phrases.FILE_ATTACHED)})))\)"
    r"(?:\n(?P<caption>(?s:.*)))?",
    re.IGNORECASE,
)
_FILE_NAME = re.compile(r"[^/\n<>:]{1,255}\.(?=\w{1,5}$)\w*[A-Za-z]\w*")
# A document's name, and the number of its pages in any language.
_TITLE = re.compile(rf"([^/\n<>]{{1,255}}\.\w{{1,10}})(?: • [{INVISIBLE}]*[^\n<>]{{1,30}})?")
_LOCATION = re.compile(
    r"(?:[^:\n]{1,40}: ?https://maps\.google\.com/(?:maps)?\?q=-?[0-9.]+,-?[0-9.]+"
    r"|[^\n]+(?:: |\n(?:[^\n]+\n)?)https://foursquare\.com/v/[0-9a-f]+)$"
)
_POLL = re.compile(rf"(?:{_any_of(phrases.POLL)}):\n", re.IGNORECASE)
# The question, and options that begin with the same word and end with their votes, in any language.
# Possessive and with one digit, as more of them would share a long number in every possible way.
_VOTES = rf"[^\n]*\([{INVISIBLE}]*+\d[^()\n]*+\)"
_POLL_LINES = re.compile(
    rf"[^\W\d_][^:\n]{{1,30}}:\n[^\n]+\n[{INVISIBLE}]*(?P<option>[^\W\d_][^:\n]{{1,30}}): {_VOTES}"
    rf"(?:\n[{INVISIBLE}]*(?P=option): {_VOTES})*"
)
_CALL = re.compile(rf"(?:{_any_of((*phrases.MISSED_CALL, *phrases.CALL))})(?=$|[.,·\n ])", re.IGNORECASE)
# What became of a call stands behind a second mark.
_MARKED_TWICE = re.compile(rf"[^\n{INVISIBLE}]{{3,30}}[.,] {MARK}[^\n{INVISIBLE}]{{1,30}}")
_BY_ADMIN = re.compile(_any_of(phrases.DELETED_BY_ADMIN), re.IGNORECASE)
_UNSEEN = re.compile(_any_of(phrases.UNSEEN), re.IGNORECASE)
_NOTICE = re.compile(rf"(?:^|\W)(?:{_any_of(phrases.NOTICE)})(?:\W|$)", re.IGNORECASE)
_QUOTING = re.compile(rf"\W(?:{_any_of(phrases.QUOTING_NOTICE)})(?:\W|$)", re.IGNORECASE)

_NAMED_KIND = re.compile(
    r"(?:(?P<android>IMG|VID|AUD|PTT|STK|DOC)-[0-9]{8}-WA|[0-9]{8}-(?P<ios>PHOTO|VIDEO|AUDIO|STICKER|GIF)-)"
)
_KIND_OF_NAME = {
    "IMG": MessageKind.IMAGE,
    "PHOTO": MessageKind.IMAGE,
    "VID": MessageKind.VIDEO,
    "VIDEO": MessageKind.VIDEO,
    "AUD": MessageKind.AUDIO,
    "PTT": MessageKind.AUDIO,
    "AUDIO": MessageKind.AUDIO,
    "STK": MessageKind.STICKER,
    "STICKER": MessageKind.STICKER,
    "GIF": MessageKind.GIF,
    "DOC": MessageKind.DOCUMENT,
}
_KIND_OF_EXTENSION = {
    extension: kind
    for kind, extensions in (
        (MessageKind.IMAGE, "jpg jpeg png heic heif bmp tiff"),
        (MessageKind.VIDEO, "mp4 mov 3gp mkv avi webm"),
        (MessageKind.AUDIO, "opus ogg mp3 m4a aac wav amr flac"),
        (MessageKind.STICKER, "webp"),
        (MessageKind.GIF, "gif"),
        (MessageKind.CONTACT, "vcf"),
    )
    for extension in extensions.split()
}


# What every text has that may hold more than words: it is a phrase as a whole, or has a bracket or a mark in
# it, or one of these, which patterns find several times faster than `in` does in a text with many colons.
_WHOLE = frozenset(WHOLE_BODIES) | {"."}
_RARE_SIGNS = {sign: re.compile(re.escape(sign)) for sign in (":\n", "//maps.g", "//foursquare")}


def needing_reading(bodies: list[str], text: str) -> Iterable[int]:
    """Which bodies may hold more than words, by their numbers; `text` is all of them, decoded or not.

    Cheap, as it is asked of every message: a rare sign that the whole text lacks is looked for in no body.
    """
    found = [
        number
        for number, body in enumerate(bodies)
        if "<" in body or "(" in body or MARK in body or body in _WHOLE
    ]
    for sign, pattern in _RARE_SIGNS.items():
        if pattern.search(text):
            found += [number for number, body in enumerate(bodies) if sign in body]
    return sorted(set(found))


def needs_reading(body: str) -> bool:
    """The same of one text."""
    return bool(needing_reading([body], body))


def read_authored(body: str, author: str, names: Container[str] = ()) -> Reading:
    """Reads the text of a message that carries a name; SYSTEM means that the name is not its author.

    `names` are those of the chat: a notice begins with one of them.
    """
    bare = body.lstrip(INVISIBLE)
    reading = _whole(bare) or _attachment(body) or _omitted(body) or _structured(bare)
    if reading is not None:
        return reading
    if body.startswith(MARK) and len(bare) <= _NOTICE_CHARS and not bare.startswith(_MENTIONS):
        return Reading(_kind_of_marked(bare, author, names), bare)
    return Reading(MessageKind.TEXT, body)


def read_unauthored(body: str) -> Reading:
    """Reads a line without a name: the platform wrote it."""
    bare = body.lstrip(INVISIBLE)
    return Reading(MessageKind.CALL if _CALL.match(bare) else MessageKind.SYSTEM, bare)


def without_edit_mark(body: str) -> tuple[str, bool]:
    """The text without the mark of an edit, and whether there was one."""
    if not body.endswith(">"):
        return body, False
    start = body.rfind("<")
    mark = _EDITED.search(body, max(0, start - 4))
    return (body[: mark.start()], True) if mark else (body, False)


def quotes_like_a_notice(name: str) -> bool:
    """Whether what stands before a colon is the beginning of a notice rather than a name.

    A quotation that begins in a name and does not end there tells so in any language.
    """
    closes = "“" if "„" in name else "”"
    opens = "„" if "„" in name else "“"
    open_quotation = name.count('"') % 2 or name.count(opens) > name.count(closes)
    return bool(open_quotation or name.count("«") > name.count("»") or _QUOTING.search(name))


def kind_of_file(name: str) -> MessageKind:
    """The kind of an attachment by its name."""
    named = _NAMED_KIND.match(name)
    if named:
        return _KIND_OF_NAME[named["android"] or named["ios"]]
    return _KIND_OF_EXTENSION.get(name.rpartition(".")[2].lower(), MessageKind.DOCUMENT)


def _whole(bare: str) -> Reading | None:
    key = _key(bare)
    if key in _PLACEHOLDERS:
        return Reading(_PLACEHOLDERS[key], "")
    return Reading(_KEPT[key], bare) if key in _KEPT else None


def _attachment(body: str) -> Reading | None:
    # Looked at first, because most texts with a bracket are words.
    named = body.partition("\n")[0].endswith(")")
    if not named and not body.endswith(">"):
        return None
    android = (_FILE_ATTACHED.fullmatch(body) if named else None) or _OLD_ATTACHED.fullmatch(body)
    if android:
        name = android["name"]
        return Reading(kind_of_file(name), android.groupdict().get("caption") or "", name)
    start = body.rfind("<")
    ios = _IOS_ATTACHED.fullmatch(body, start) if start >= 0 else None
    if ios is None:
        return None
    name, caption = ios["name"], body[:start].strip(f"{INVISIBLE} \n")
    # A document's title stands before its name and says nothing more than the number of pages.
    title = caption.split(" • ")[0]
    if title and "\n" not in caption and (name == title or name.endswith(f"-{title}")):
        caption = ""
    return Reading(kind_of_file(name), caption, name)


def _omitted(body: str) -> Reading | None:
    """What was left out beside words: a caption, or the title of a document."""
    before, mark, last = body.rpartition(MARK)
    if mark and last:
        return _omitted_behind(before.strip(f"{INVISIBLE} \n"), last)
    first, feed, caption = body.partition("\n")
    if not feed or not first.startswith("<") or _PLACEHOLDERS.get(_key(first)) is None:
        return None
    if _FILE_NAME.fullmatch(caption):
        return Reading(kind_of_file(caption), "", caption)
    return Reading(_PLACEHOLDERS[_key(first)], caption)


def _omitted_behind(before: str, last: str) -> Reading | None:
    """`caption <mark>image omitted`, or `Title.pdf • 3 pages <mark>document omitted`."""
    kind = _PLACEHOLDERS.get(_key(last))
    if kind is MessageKind.DOCUMENT or (
        kind is None and len(last) <= _PLACEHOLDER_CHARS and "\n" not in last
    ):
        title = _TITLE.fullmatch(before)
        if title:
            return Reading(MessageKind.DOCUMENT, "", title[1])
    return None if kind is None else Reading(kind, before)


def _structured(bare: str) -> Reading | None:
    if ("//maps.g" in bare or "//foursquare" in bare) and _LOCATION.match(bare):
        return Reading(MessageKind.LOCATION, bare)
    if ":\n" not in bare:
        return None
    if _POLL.match(bare) or _POLL_LINES.fullmatch(bare.rstrip("\n")):
        return Reading(MessageKind.POLL, bare)
    return None


def _kind_of_marked(bare: str, author: str, names: Container[str]) -> MessageKind:
    """The kind of a text that WhatsApp wrote and that is no placeholder of the listed languages."""
    if _CALL.match(bare) or _MARKED_TWICE.fullmatch(bare):
        return MessageKind.CALL
    if _BY_ADMIN.match(bare):
        return MessageKind.DELETED
    if _UNSEEN.match(bare):
        return MessageKind.OTHER
    if bare.startswith((author, "~")) or _NOTICE.search(bare) or _begins_with_name(bare, names):
        return MessageKind.SYSTEM
    if len(bare) <= _PLACEHOLDER_CHARS and len(bare.split()) <= _PLACEHOLDER_WORDS:
        return MessageKind.OTHER
    return MessageKind.SYSTEM


def _begins_with_name(bare: str, names: Container[str]) -> bool:
    """Whether the first one, two or three words are a name of the chat."""
    words = bare.split(" ", 3)
    return any(" ".join(words[:count]) in names for count in range(1, len(words)))
