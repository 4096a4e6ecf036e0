"""What the API answers and takes, as JSON. Times are RFC 3339 in UTC, ids strings, coins numbers."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

#: An instant in UTC, such as "2026-03-01T09:30:00Z".
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-03-01T09:30:00Z"])]


def _encodable(text: str) -> str:
    """Refuse half of a surrogate pair: JSON can spell it, UTF-8 and so the wire cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be Unicode text") from None
    return text


#: A text that a caller sends.
Text = Annotated[str, AfterValidator(_encodable)]

_CHAT_ID = "0197a3c2-8d1e-7b6a-9f43-2c5d8e7f6a10"
_JOB_ID = "0197a3c4-11aa-7c3d-8e55-94b1d0c2f377"
_TOKEN = Field(description="asks for the next page; empty after the last")


def _example(**fields: JsonValue) -> ConfigDict:
    """Answer a model's configuration that shows these fields in the documentation."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class TransactionType(StrEnum):
    """Why a balance changed."""

    PURCHASE = "PURCHASE"
    INSIGHT_UNLOCK = "INSIGHT_UNLOCK"
    REFUND = "REFUND"
    BONUS = "BONUS"
    ADJUSTMENT = "ADJUSTMENT"
    CHARGEBACK = "CHARGEBACK"


class StoreUserRequest(BaseModel):
    """A profile. Who the user is, the token says."""

    model_config = _example(display_name="Alice", email="alice@example.com")

    display_name: Text | None = Field(
        None, description="at most 256 characters; absent leaves what is stored"
    )
    email: Text | None = Field(None, description="at most 320 characters; absent leaves what is stored")


class User(BaseModel):
    """A stored user."""

    model_config = _example(
        user_id="alice",
        display_name="Alice",
        email="alice@example.com",
        create_time="2026-03-01T09:30:00Z",
        update_time="2026-03-01T09:30:00Z",
        created=True,
    )

    user_id: str
    display_name: str
    email: str
    create_time: Time | None
    update_time: Time | None
    created: bool = Field(description="whether this call made the user")


class Category(BaseModel):
    """A bundle of insights on sale."""

    model_config = _example(
        category_id="romantic",
        title="Romantic",
        description="What the two of you write, and when",
        price=400,
        insight_type_count=8,
    )

    category_id: str
    title: str
    description: str
    price: int = Field(description="coins that unlocking it for one chat costs")
    insight_type_count: int


class Categories(BaseModel):
    """The categories on sale, in the catalogue's order."""

    categories: list[Category]


class InsightType(BaseModel):
    """A kind of insight."""

    insight_type_id: str = Field(examples=["response_times"])
    title: str
    description: str
    chart: str = Field(description="how its data wants to be drawn", examples=["heatmap"])


class CategoryInsights(BaseModel):
    """What a category holds, in the catalogue's order."""

    category: Category
    insight_types: list[InsightType]


class Balance(BaseModel):
    """The coins of one user."""

    model_config = _example(
        user_id="alice", balance=850, reserved=400, available=450, update_time="2026-03-01T09:30:00Z"
    )

    user_id: str
    balance: int = Field(description="coins owned, reserved ones included")
    reserved: int = Field(description="coins held for work that was ordered")
    available: int = Field(description="coins that can be spent now: balance - reserved")
    update_time: Time | None


class Transaction(BaseModel):
    """One change of the balance."""

    model_config = _example(
        transaction_id="0197a3c5-52f0-7d5e-a6b7-1f2e3d4c5b6a",
        type="INSIGHT_UNLOCK",
        amount=-400,
        balance_after=450,
        description="romantic",
        reservation_id="0197a3c4-20b1-7a1b-bc0d-6e5f4a3b2c1d",
        reference_type="job",
        reference_id=_JOB_ID,
        metadata={},
        create_time="2026-03-01T09:31:12.480Z",
    )

    transaction_id: str
    type: str = Field(description="PURCHASE, INSIGHT_UNLOCK, REFUND, BONUS, ADJUSTMENT or CHARGEBACK")
    amount: int = Field(description="coins: positive came in, negative went out")
    balance_after: int
    description: str
    reservation_id: str | None
    reference_type: str
    reference_id: str
    metadata: dict[str, str]
    create_time: Time | None


class Transactions(BaseModel):
    """A page of transactions, newest first."""

    transactions: list[Transaction]
    next_page_token: str = _TOKEN


class Package(BaseModel):
    """An amount of coins on sale."""

    model_config = _example(package_id="coins-400", title="400 coins", coins=400)

    package_id: str
    title: str
    coins: int


class Packages(BaseModel):
    """The packages on sale, smallest first."""

    packages: list[Package]


class UnlockRequest(BaseModel):
    """An order."""

    model_config = _example(chat_id=_CHAT_ID, category_id="romantic")

    chat_id: Text = Field(description="UUID of a chat of the user")
    category_id: Text


class Progress(BaseModel):
    """How far a job is."""

    stage_index: int = Field(description="stages done")
    stage_count: int = Field(description="stages in all; 0 before it is known")
    stage_name: str
    percent: int = Field(ge=0, le=100)


class Totals(BaseModel):
    """Results of a job."""

    requested: int
    completed: int
    failed: int


class JobError(BaseModel):
    """Why a job did not succeed."""

    code: str
    message: str
    details: dict[str, str]


class Job(BaseModel):
    """A piece of ordered work."""

    model_config = _example(
        job_id=_JOB_ID,
        kind="chat_insights",
        state="RUNNING",
        chat_id=_CHAT_ID,
        category_id="romantic",
        insight_type_ids=["message_balance", "response_times"],
        price=400,
        progress={"stage_index": 3, "stage_count": 6, "stage_name": "response_times", "percent": 50},
        totals={"requested": 2, "completed": 1, "failed": 0},
        reservation_id="0197a3c4-20b1-7a1b-bc0d-6e5f4a3b2c1d",
        transaction_id=None,
        error=None,
        attempt=1,
        cancel_requested=False,
        payment_retry_time=None,
        create_time="2026-03-01T09:31:10Z",
        update_time="2026-03-01T09:31:11Z",
        start_time="2026-03-01T09:31:10.050Z",
        finish_time=None,
    )

    job_id: str
    kind: str
    state: str = Field(
        description="RESERVING, QUEUED, RUNNING, SETTLING, COMPLETED, FAILED, CANCELLED, REJECTED or "
        "PAYMENT_FAILED"
    )
    chat_id: str = Field(description="the chat that it is about")
    category_id: str | None
    insight_type_ids: list[str]
    price: int = Field(description="coins that it costs")
    progress: Progress
    totals: Totals
    reservation_id: str | None = Field(description="what holds its coins; null before there is one")
    transaction_id: str | None = Field(description="what charged its coins; null before")
    error: JobError | None
    attempt: int = Field(description="how often a worker took it")
    cancel_requested: bool
    payment_retry_time: Time | None = Field(description="when a failed payment is tried again")
    create_time: Time | None
    update_time: Time | None
    start_time: Time | None
    finish_time: Time | None


class Insight(BaseModel):
    """One insight about one chat."""

    model_config = _example(
        insight_id="0197a3c5-4b2a-7e11-8c9d-0a1b2c3d4e5f",
        type="message_balance",
        title="Who writes how much",
        description="Messages and words of each person",
        chart="bars",
        data={"bars": [{"label": "Alice", "value": 1204}, {"label": "Bob", "value": 998}]},
        sentences=["Alice writes a little more than Bob."],
        job_id=_JOB_ID,
        create_time="2026-03-01T09:31:11Z",
        update_time="2026-03-01T09:31:11Z",
    )

    insight_id: str
    type: str = Field(description="the insight type's id")
    title: str
    description: str
    chart: str = Field(description="how the data wants to be drawn")
    data: dict[str, Any]
    sentences: list[str] = Field(description="for people")
    job_id: str
    create_time: Time | None
    update_time: Time | None


class ChatInsights(BaseModel):
    """The unlocked insights of a chat, in the catalogue's order."""

    chat_id: str
    insights: list[Insight]


class Participant(BaseModel):
    """One author of a chat."""

    name: str
    message_count: int


class Chat(BaseModel):
    """An uploaded conversation."""

    model_config = _example(
        chat_id=_CHAT_ID,
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
    next_page_token: str = _TOKEN


class Message(BaseModel):
    """One message or system line of a chat."""

    model_config = _example(
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
    next_page_token: str = _TOKEN


class RenameRequest(BaseModel):
    """A new name."""

    model_config = _example(display_name="The two of us")

    display_name: Text = Field(description="1 to 256 characters")


class ServiceHealth(BaseModel):
    """One service's state."""

    status: str = Field(description="SERVING, NOT_SERVING, or UNREACHABLE when it does not answer")
    services: dict[str, str] = Field(description="the state of each of its gRPC services")


class Health(BaseModel):
    """Whether the system can work."""

    model_config = _example(
        status="SERVING",
        services={
            "credit_service": {"status": "SERVING", "services": {"credit.v1.CreditService": "SERVING"}},
            "chat_service": {"status": "SERVING", "services": {"chat.v1.ChatService": "SERVING"}},
        },
    )

    status: str = Field(description="SERVING when both services serve, else NOT_SERVING")
    services: dict[str, ServiceHealth]


class Pool(BaseModel):
    """The database connection pool of one service."""

    model_config = _example(
        service="credit_service", size=10, in_use=2, overflow=0, max_overflow=5, waiting=0
    )

    service: str
    size: int = Field(description="connections kept at most")
    in_use: int
    overflow: int = Field(description="connections open beyond size now")
    max_overflow: int
    waiting: int = Field(description="callers that wait for a connection now")


class Pools(BaseModel):
    """The pools of both services."""

    pools: list[Pool]


class Root(BaseModel):
    """What this is."""

    model_config = _example(
        name="Holdfast",
        version="0.1.0",
        links={"openapi": "/openapi.json", "docs": "/docs", "health": "/health"},
    )

    name: str
    version: str
    links: dict[str, str]
