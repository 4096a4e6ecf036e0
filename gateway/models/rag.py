"""Questions about a chat, what is found, and what is answered."""

from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from gateway.models.base import CHAT_ID, Text, Time, example, length
from gateway.models.chats import Message

_CONVERSATION_ID = "0197a3c9-0c5e-7d52-9b1c-3f8e2a6d4b70"
_TURN_ID = "0197a3c9-0c61-7e0a-8f2d-5b7c9e1a3d64"
_MESSAGE: dict[str, JsonValue] = {
    "position": 17,
    "author": "Alice",
    "sent_local_time": "2025-07-04T18:03:11",
    "body": "The lighthouse was closed, so we had ice cream instead.",
    "kind": "TEXT",
    "edited": False,
    "attachment_name": "",
}


_Author = Annotated[Text, Field(json_schema_extra=length(1, 1_024))]
#: A time without a zone, or none.
_LOCAL_TIME: dict[str, JsonValue] = {
    "maxLength": 26,
    "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+)?)?$",
}


class VectorStatus(BaseModel):
    """How far the search index of a chat is."""

    model_config = example(
        chat_id=CHAT_ID,
        state="BUILDING",
        percent=40,
        indexed_message_count=880,
        message_count=2202,
        model="use-multilingual-3",
        error_message="",
        update_time="2026-03-01T09:30:02Z",
    )

    chat_id: str
    state: str = Field(description="NONE (the first question makes it), PENDING, BUILDING, READY or FAILED")
    percent: int = Field(ge=0, le=100, description="100 only when READY")
    indexed_message_count: int
    message_count: int
    model: str = Field(description="the embedding model; empty for NONE")
    error_message: str = Field(description="why it FAILED; empty otherwise")
    update_time: Time | None


class QueryRequest(BaseModel):
    """A question."""

    model_config = example(chat_id=CHAT_ID, question="What did Alice say about the lighthouse last summer?")

    chat_id: Text = Field(description="UUID of a chat of the user", json_schema_extra={"format": "uuid"})
    question: Text = Field(
        description="1 to 2,000 characters, in any language", json_schema_extra=length(1, 2_000)
    )
    conversation_id: Text = Field(
        "",
        description="UUID of the conversation that it goes on; absent or empty begins a new one",
        json_schema_extra={"maxLength": 36},
    )
    authors: list[_Author] = Field(
        default_factory=list,
        description="only passages in which one of these wrote, as written in the file; at most 20; "
        "absent: understood from the question",
        json_schema_extra={"maxItems": 20},
    )
    from_local_time: Text = Field(
        "",
        description="only passages of this time or later, such as 2024-06-01T00:00:00 or 2024-06-01; "
        "absent: understood from the question",
        json_schema_extra=_LOCAL_TIME,
    )
    to_local_time: Text = Field(
        "",
        description="only passages before this time; absent: understood from the question",
        json_schema_extra=_LOCAL_TIME,
    )
    passage_count: int = Field(
        0,
        ge=-(2**31),
        lt=2**31,
        description="most passages to find: 1 to 20; 0 means 8",
        json_schema_extra={"minimum": 0, "maximum": 20},
    )


class Passage(BaseModel):
    """A piece of a conversation that answers a question."""

    score: float = Field(description="how well it fits; comparable within one answer only")
    messages: list[Message]


class Passages(BaseModel):
    """What was found, the best first, and what the search was limited to."""

    conversation_id: str
    turn_id: str
    passages: list[Passage]
    authors: list[str] = Field(description="empty: all")
    from_local_time: str = Field(description="empty: no limit")
    to_local_time: str = Field(description="empty: no limit")


class Usage(BaseModel):
    """What an answer took."""

    model: str = Field(description="empty where no model is configured")
    input_tokens: int
    output_tokens: int
    charged_amount: int = Field(description="coins")
    transaction_id: str | None = Field(description="null where nothing was charged")


class QueryAnswer(Passages):
    """An answer. As server-sent events: `index`*, `passages`, `token`*, `usage`, or `error` where it ends."""

    model_config = example(
        conversation_id=_CONVERSATION_ID,
        turn_id=_TURN_ID,
        answer="That it was closed, so they had ice cream instead [17].",
        passages=[{"score": 0.0325, "messages": [_MESSAGE]}],
        authors=["Alice"],
        from_local_time="2025-06-01T00:00:00",
        to_local_time="2025-09-01T00:00:00",
        usage={
            "model": "gpt-5-mini",
            "input_tokens": 812,
            "output_tokens": 24,
            "charged_amount": 5,
            "transaction_id": "0197a3c9-1d02-7a3b-8c4d-5e6f7a8b9c0d",
        },
    )

    answer: str | None = Field(description="null where no model is configured: the passages are the answer")
    usage: Usage


class GenerateRequest(BaseModel):
    """An order of a category for the sake of one of its insights."""

    model_config = example(chat_id=CHAT_ID, category_id="romantic", insight_type_id="response_times")

    chat_id: Text = Field(description="UUID of a chat of the user", json_schema_extra={"format": "uuid"})
    category_id: Text = Field(description="what is unlocked, at its price", json_schema_extra=length(1, 64))
    insight_type_id: Text = Field(
        description="the insight of it that is answered", json_schema_extra=length(1, 64)
    )
