"""Telegram's entries: what Telegram Desktop writes about one message, read into one of ours."""

from typing import Any

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
from chat_service.parsers.model import MessageKind, ParsedMessage

# What Telegram itself shows for somebody who is gone.
DELETED_ACCOUNT = "Deleted Account"

_KIND_OF_MEDIA = {
    "sticker": MessageKind.STICKER,
    "animation": MessageKind.GIF,
    "video_file": MessageKind.VIDEO,
    "video_message": MessageKind.VIDEO,
    "voice_message": MessageKind.AUDIO,
    "audio_file": MessageKind.AUDIO,
}
_CALLS = frozenset({"phone_call", "group_call", "conference_call"})
# Fields of a service entry that say who, when and how it looks, not what happened.
_NO_DETAIL = frozenset(
    {"type", "date", "date_unixtime", "edited", "edited_unixtime", "action", "actor", "actor_id", "from_id"}
    | {"photo", "text_entities", "thumbnail", "emoticon_document"}
)


class TelegramReader:
    """Reads entries of `messages`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._people = People()

    def read(self, entry: Entry) -> ParsedMessage:
        """The message that an entry is. Raises NotUnderstood."""
        kind = entry.get("type", "message")
        if kind not in ("message", "service"):
            raise NotUnderstood('an entry of the type "message" or "service"')
        return self._service(entry) if kind == "service" else self._message(entry)

    def _message(self, entry: Entry) -> ParsedMessage:
        author = self._person(entry, "from")
        moment = self._moment(entry)
        kind, details, attachment = _content(entry)
        text = plain_text(entry.get("text", ""))
        body = "\n".join(part for part in (*details, text) if part)
        if kind is MessageKind.TEXT and not body:
            kind = MessageKind.OTHER
        edited = "edited" in entry or "edited_unixtime" in entry
        return ParsedMessage(author, moment, body, kind, edited, attachment)

    def _service(self, entry: Entry) -> ParsedMessage:
        action = text_of(entry, "action")
        moment = self._moment(entry)
        words = action.replace("_", " ")
        details = ", ".join(_details(entry))
        said = f"{words}: {details}" if details else words
        if action in _CALLS:
            return ParsedMessage(self._person(entry, "actor"), moment, said, MessageKind.CALL)
        actor = text_of(entry, "actor")
        return ParsedMessage(None, moment, f"{actor} {said}".strip(), MessageKind.SYSTEM)

    def _person(self, entry: Entry, key: str) -> str:
        person_id = entry.get(f"{key}_id")
        known = storable(person_id) if isinstance(person_id, str) else str(whole_of(person_id) or "")
        return self._people.name_of(known, text_of(entry, key) or known or DELETED_ACCOUNT)

    def _moment(self, entry: Entry) -> Any:
        """The instant in the zone that was asked for, else the exporter's local time as written."""
        instant, written = whole_of(entry.get("date_unixtime")), entry.get("date")
        if instant is not None and (self._clock.has_zone or not isinstance(written, str)):
            return self._clock.of_instant(instant)
        if not isinstance(written, str):
            raise NotUnderstood('a "date" or "date_unixtime"')
        return self._clock.of_local(written)


def plain_text(text: object) -> str:
    """A text, or a list of texts and formatted pieces, as one text. Raises NotUnderstood."""
    if isinstance(text, str):
        return storable(text)
    if not isinstance(text, list):
        raise NotUnderstood('a "text" that is a text or a list')
    pieces = [piece.get("text") if isinstance(piece, dict) else piece for piece in text]
    if not all(isinstance(piece, str) for piece in pieces):
        raise NotUnderstood('a "text" whose pieces are texts')
    return storable("".join(map(str, pieces)))


def _content(entry: Entry) -> tuple[MessageKind, list[str], str]:
    """The kind of a message, what its attachment says in words, and the name of its file."""
    if "location_information" in entry:
        return MessageKind.LOCATION, _place(entry), ""
    if "contact_information" in entry:
        return MessageKind.CONTACT, _contact(object_of(entry, "contact_information")), ""
    if "poll" in entry:
        return MessageKind.POLL, _poll(object_of(entry, "poll")), ""
    if "photo" in entry:
        return MessageKind.IMAGE, [], _file(entry, "photo")
    if "file" in entry or "media_type" in entry:
        kind = _KIND_OF_MEDIA.get(text_of(entry, "media_type"), MessageKind.DOCUMENT)
        return kind, [], text_of(entry, "file_name") or _file(entry, "file")
    others = [text_of(entry, "game_title"), *_todo_list(object_of(entry, "todo_list"))]
    unlike_text = any(others) or any(
        key in entry for key in ("invoice_information", "giveaway_information", "giveaway_results")
    )
    return (MessageKind.OTHER if unlike_text else MessageKind.TEXT), others, ""


def _file(entry: Entry, key: str) -> str:
    """The name of a file; what was not exported has a sentence in brackets for a path."""
    path = text_of(entry, key)
    return "" if path.startswith("(") else joined_names([path])


def _place(entry: Entry) -> list[str]:
    point = object_of(entry, "location_information")
    latitude, longitude = point.get("latitude"), point.get("longitude")
    link = f"https://maps.google.com/?q={latitude},{longitude}" if point else ""
    return [text_of(entry, "place_name"), text_of(entry, "address"), link]


def _contact(person: Entry) -> list[str]:
    name = f"{text_of(person, 'first_name')} {text_of(person, 'last_name')}".strip()
    return [", ".join(part for part in (name, text_of(person, "phone_number")) if part)]


def _poll(poll: Entry) -> list[str]:
    """A poll as WhatsApp writes one, so that everything behind the parsers knows one way."""
    options = [
        f"OPTION: {plain_text(answer.get('text', ''))} ({whole_of(answer.get('voters')) or 0} votes)"
        for answer in objects_of(poll, "answers")
    ]
    return ["POLL:", plain_text(poll.get("question", "")), *options]


def _todo_list(todo: Entry) -> list[str]:
    items = [plain_text(item.get("text", "")) for item in objects_of(todo, "answers")]
    return [plain_text(todo.get("title", "")), *items] if todo else []


def _details(entry: Entry) -> list[str]:
    """All texts of a service entry that say what happened, whatever the action is."""
    details = []
    for key, value in entry.items():
        if key == "duration_seconds":
            details.append(f"{whole_of(value) or 0} s")
        elif key == "members" and isinstance(value, list):
            details += [storable(name) if isinstance(name, str) else DELETED_ACCOUNT for name in value]
        elif key not in _NO_DETAIL and isinstance(value, str) and value:
            details.append(storable(value))
    return details
