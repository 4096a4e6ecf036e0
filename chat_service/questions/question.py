"""A question as it is asked: its checked fields."""

import uuid
from dataclasses import dataclass
from datetime import date, datetime, time

from chat_service.search.retrieval import Filters
from protos.chat.v1 import chat_pb2
from servicekit.errors import InvalidField
from servicekit.validation import int_field, text_field, user_id_field, uuid_field

MAX_QUESTION_CHARS = 2_000
MAX_AUTHORS = 20
MAX_PASSAGES = 20
DEFAULT_PASSAGES = 8
_MAX_AUTHOR_CHARS = 1_024


@dataclass(frozen=True, slots=True)
class Question:
    """A checked AskChatRequest."""

    user_id: str
    chat_id: uuid.UUID
    request_id: uuid.UUID
    text: str
    #: None: it begins a conversation.
    conversation_id: uuid.UUID | None
    #: As named in the request; a limit that is absent here is understood from the text.
    filters: Filters
    passage_count: int
    #: The fields that make a repeated question the same one, as the client sent them.
    as_sent: dict[str, str | int | list[str]]


def checked_question(request: chat_pb2.AskChatRequest) -> Question:
    """Answer the question; raises `InvalidField`."""
    text = text_field("question", request.question, min_chars=1, max_chars=MAX_QUESTION_CHARS)
    if not text.strip():
        raise InvalidField("question", "must not be blank")
    conversation_id = request.conversation_id
    return Question(
        user_id=user_id_field(request.user_id),
        chat_id=uuid_field("chat_id", request.chat_id),
        request_id=uuid_field("request_id", request.request_id),
        text=text,
        conversation_id=uuid_field("conversation_id", conversation_id) if conversation_id else None,
        filters=_filters(request),
        passage_count=int_field("passage_count", request.passage_count, 0, MAX_PASSAGES) or DEFAULT_PASSAGES,
        as_sent={
            "chat_id": request.chat_id.lower(),
            "question": text,
            "conversation_id": conversation_id.lower(),
            "authors": list(request.authors),
            "from_local_time": request.from_local_time,
            "to_local_time": request.to_local_time,
            "passage_count": request.passage_count,
        },
    )


def _filters(request: chat_pb2.AskChatRequest) -> Filters:
    if len(request.authors) > MAX_AUTHORS:
        raise InvalidField("authors", f"must be at most {MAX_AUTHORS}, got {len(request.authors)}")
    authors = (
        text_field("authors", name, min_chars=1, max_chars=_MAX_AUTHOR_CHARS) for name in request.authors
    )
    return Filters(
        authors=tuple(authors),
        from_local_time=_local_time("from_local_time", request.from_local_time),
        to_local_time=_local_time("to_local_time", request.to_local_time),
    )


def _local_time(name: str, value: str) -> datetime | None:
    if not value:
        return None
    try:
        parsed = (
            datetime.fromisoformat(value)
            if len(value) > 10
            else datetime.combine(date.fromisoformat(value), time())
        )
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is not None:
        raise InvalidField(name, "must be a local time such as 2024-06-01T00:00:00 or 2024-06-01")
    return parsed
