"""Chats and their messages."""

from pydantic import BaseModel, Field, JsonValue

from gateway.models.base import CHAT_ID, NEXT_PAGE_TOKEN, Text, Time, example, length

_HOURS: list[JsonValue] = [*([91] * 23), 109]


class Participant(BaseModel):
    """One author of a chat."""

    name: str
    message_count: int


class ImportReport(BaseModel):
    """How an export was read."""

    date_order: str | None = Field(
        description="DAY_FIRST or MONTH_FIRST; null where the format leaves no choice"
    )
    date_evidence: str | None = Field(
        description="why: GIVEN, YEAR_FIRST, LARGE_NUMBER, ORDER, CHANGES, DEFAULT, FORMAT or SPELLED_MONTH"
    )
    date_order_guessed: bool = Field(
        description="the file did not tell: ask, and upload again with a date_order"
    )
    skipped_count: int = Field(description="lines or entries that were not understood")
    skipped: list[str] = Field(description="the first of them, at most 5, and where they are")


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
        import_report={
            "date_order": "DAY_FIRST",
            "date_evidence": "LARGE_NUMBER",
            "date_order_guessed": False,
            "skipped_count": 0,
            "skipped": [],
        },
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
    first_message_local_time: str = Field(description="YYYY-MM-DDTHH:MM:SS")
    last_message_local_time: str = Field(description="YYYY-MM-DDTHH:MM:SS")
    time_zone: str = Field(description="IANA name; empty when neither the upload nor the file said")
    create_time: Time | None
    update_time: Time | None
    delete_time: Time | None = Field(description="null while it is live")
    purge_time: Time | None = Field(description="until when it can be undeleted; null while it is live")
    import_report: ImportReport


class ChatStats(BaseModel):
    """Counts over a whole chat, for everybody who has its id."""

    model_config = example(
        chat_id=CHAT_ID,
        message_count=2204,
        authored_count=2202,
        participant_count=2,
        kind_counts={"TEXT": 2002, "IMAGE": 150, "AUDIO": 50, "SYSTEM": 2},
        edited_count=12,
        character_count=81_230,
        first_day="2025-01-01",
        last_day="2025-12-31",
        active_day_count=301,
        longest_streak_day_count=77,
        longest_silence_day_count=9,
        weekday_counts=[300, 310, 290, 305, 340, 350, 307],
        hour_counts=_HOURS,
    )

    chat_id: str
    message_count: int = Field(description="system lines included")
    authored_count: int = Field(description="messages that a person sent")
    participant_count: int
    kind_counts: dict[str, int] = Field(description="messages of each kind that occurs, most first")
    edited_count: int
    character_count: int = Field(description="of all authored texts")
    first_day: str = Field(description="YYYY-MM-DD")
    last_day: str = Field(description="YYYY-MM-DD")
    active_day_count: int = Field(description="days with an authored message")
    longest_streak_day_count: int = Field(description="most days in a row with one")
    longest_silence_day_count: int = Field(
        description="most days in a row without one, between two that have"
    )
    weekday_counts: list[int] = Field(description="authored messages, 7 numbers from Monday")
    hour_counts: list[int] = Field(description="authored messages, 24 numbers from midnight")


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
