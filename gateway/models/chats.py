"""Chats and their messages."""

from pydantic import BaseModel, Field

from gateway.models.base import CHAT_ID, NEXT_PAGE_TOKEN, Text, Time, example, length


class Participant(BaseModel):
    """One author of a chat."""

    name: str
    message_count: int


class Chat(BaseModel):
    """An uploaded conversation."""

    model_config = example(
        chat_id=CHAT_ID,
        user_id="alice",
        display_name="Alice and Bob",
        file_name="_chat.txt",
        format="WHATSAPP_TEXT",
        state="READY",
        message_count=2202,
        participants=[{"name": "Alice", "message_count": 1204}, {"name": "Bob", "message_count": 998}],
        participant_count=2,
        first_message_local_time="2025-01-01T00:03:11",
        last_message_local_time="2025-12-31T23:58:40",
        time_zone="Europe/Berlin",
        create_time="2026-03-01T09:30:00Z",
        update_time="2026-03-01T09:30:00Z",
        delete_time=None,
        purge_time=None,
    )

    chat_id: str
    user_id: str
    display_name: str
    file_name: str
    format: str = Field(description="what the file was read as")
    state: str
    message_count: int = Field(description="system lines included")
    participants: list[Participant] = Field(description="most messages first; at most 1,000")
    participant_count: int
    first_message_local_time: str = Field(description="YYYY-MM-DDTHH:MM:SS as in the file")
    last_message_local_time: str = Field(description="YYYY-MM-DDTHH:MM:SS as in the file")
    time_zone: str = Field(description="IANA name; empty when nobody said")
    create_time: Time | None
    update_time: Time | None
    delete_time: Time | None = Field(description="null while it is live")
    purge_time: Time | None = Field(description="until when it can be undeleted; null while it is live")


class Chats(BaseModel):
    """A page of chats, newest first."""

    chats: list[Chat]
    next_page_token: str = NEXT_PAGE_TOKEN


class Message(BaseModel):
    """One message or system line of a chat."""

    model_config = example(
        position=17,
        author="Alice",
        sent_local_time="2025-01-01T00:03:11",
        body="Happy new year!",
        kind="TEXT",
        edited=False,
        attachment_name="",
    )

    position: int = Field(description="place in the file, from 1: the message's id within the chat")
    author: str | None = Field(description="null for a system line")
    sent_local_time: str
    body: str
    kind: str = Field(description="TEXT, SYSTEM, IMAGE, VIDEO, AUDIO, …")
    edited: bool
    attachment_name: str


class Messages(BaseModel):
    """A page of messages, in the order of the file."""

    messages: list[Message]
    next_page_token: str = NEXT_PAGE_TOKEN


class RenameRequest(BaseModel):
    """A new name."""

    model_config = example(display_name="The two of us")

    display_name: Text = Field(description="1 to 256 characters", json_schema_extra=length(1, 256))
