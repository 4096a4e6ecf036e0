"""A thin, typed client of the REST API. Copy it: it needs httpx and nothing of this project.

Each method is one operation of the OpenAPI document and has its name; a test keeps the two together.
Errors are raised as `ApiError` with the code, the details and the request id that the API gave.
"""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal, Self, TypedDict, cast

import httpx

JobState = Literal[
    "RESERVING",
    "QUEUED",
    "RUNNING",
    "SETTLING",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "REJECTED",
    "PAYMENT_FAILED",
]
_ENDED = ("COMPLETED", "FAILED", "CANCELLED", "REJECTED")
#: Pause before a job is followed again after its stream ended, and how often in a row that may fail.
_RECONNECT_S = 1.0
_MAX_FAILURES = 30
#: However long an answer asks to wait.
_MAX_PAUSE_S = 60.0
_ERROR_FIELDS = {"code": str, "message": str, "details": dict, "request_id": str}
_EVENT_STREAM = "text/event-stream"


class User(TypedDict):
    """A stored user."""

    user_id: str
    display_name: str
    email: str
    create_time: str | None
    update_time: str | None
    created: bool


class Category(TypedDict):
    """A bundle of insights on sale."""

    category_id: str
    title: str
    description: str
    price: int
    insight_type_count: int


class InsightType(TypedDict):
    """A kind of insight."""

    insight_type_id: str
    title: str
    description: str
    chart: str


class CategoryInsights(TypedDict):
    """What a category holds."""

    category: Category
    insight_types: list[InsightType]


class Balance(TypedDict):
    """The coins of one user."""

    user_id: str
    balance: int
    reserved: int
    available: int
    update_time: str | None


class Transaction(TypedDict):
    """One change of the balance."""

    transaction_id: str
    type: str
    amount: int
    balance_after: int
    description: str
    reservation_id: str | None
    reference_type: str
    reference_id: str
    metadata: dict[str, str]
    create_time: str | None


class Participant(TypedDict):
    """One author of a chat."""

    name: str
    message_count: int


class Chat(TypedDict):
    """An uploaded conversation."""

    chat_id: str
    user_id: str
    display_name: str
    file_name: str
    format: str
    state: str
    message_count: int
    participants: list[Participant]
    participant_count: int
    first_message_local_time: str
    last_message_local_time: str
    time_zone: str
    create_time: str | None
    update_time: str | None
    delete_time: str | None
    purge_time: str | None


class Message(TypedDict):
    """One message or system line of a chat."""

    position: int
    author: str | None
    sent_local_time: str
    body: str
    kind: str
    edited: bool
    attachment_name: str


class Progress(TypedDict):
    """How far a job is."""

    stage_index: int
    stage_count: int
    stage_name: str
    percent: int


class Totals(TypedDict):
    """Results of a job."""

    requested: int
    completed: int
    failed: int


class JobError(TypedDict):
    """Why a job did not succeed."""

    code: str
    message: str
    details: dict[str, str]


class Job(TypedDict):
    """A piece of ordered work."""

    job_id: str
    kind: str
    state: JobState
    chat_id: str
    category_id: str | None
    insight_type_ids: list[str]
    price: int
    progress: Progress
    totals: Totals
    reservation_id: str | None
    transaction_id: str | None
    error: JobError | None
    attempt: int
    cancel_requested: bool
    payment_retry_time: str | None
    create_time: str | None
    update_time: str | None
    start_time: str | None
    finish_time: str | None


class Insight(TypedDict):
    """One insight about one chat."""

    insight_id: str
    type: str
    title: str
    description: str
    chart: str
    data: dict[str, Any]
    sentences: list[str]
    job_id: str
    create_time: str | None
    update_time: str | None


class ApiError(Exception):
    """What the API refused, or could not do."""

    def __init__(self, response: httpx.Response) -> None:
        """Read the error of a response, also of one that something in front of the API gave."""
        error = _error(response)
        self.status = response.status_code
        self.code: str = error["code"]
        self.details: dict[str, Any] = error["details"]
        self.request_id: str = error["request_id"]
        #: When to try again, in seconds; None where the answer does not say.
        self.retry_after_s = _retry_after_s(response.headers.get("Retry-After", ""))
        super().__init__(f"{self.status} {self.code}: {error['message']}")

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed in a while: too many, too slow, or somebody is not there."""
        return self.status in (408, 429) or self.status > 500


class Client:
    """The API as one user. A context manager."""

    def __init__(self, address: str, token: str = "", timeout_s: float = 30.0) -> None:
        """Take where the API is and the user's bearer token; without one only public operations work."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        """Answer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._http.close()

    def store_user(self, display_name: str | None = None, email: str | None = None) -> User:
        """Store the user of the token."""
        given = {"display_name": display_name, "email": email}
        body = {name: value for name, value in given.items() if value is not None}
        return cast(User, self._ask("POST", "/api/users/store", json=body))

    def list_categories(self) -> list[Category]:
        """List the categories on sale."""
        return cast(list[Category], self._ask("GET", "/api/categories")["categories"])

    def list_insight_types(self, category_id: str) -> CategoryInsights:
        """List what a category holds."""
        return cast(CategoryInsights, self._ask("GET", f"/api/categories/{category_id}/insights"))

    def get_balance(self) -> Balance:
        """Answer the user's coins."""
        return cast(Balance, self._ask("GET", "/api/credits/balance"))

    def list_transactions(self, **filters: str) -> Iterator[Transaction]:
        """Iterate what changed the balance, newest first; filters are `type`, `from_time`, `to_time`."""
        return cast(Iterator[Transaction], self._pages("/api/credits/transactions", "transactions", filters))

    def list_packages(self) -> list[dict[str, Any]]:
        """List the coin packages on sale."""
        return cast(list[dict[str, Any]], self._ask("GET", "/api/credits/packages")["packages"])

    def upload_chat(self, path: Path, key: str | None = None, **fields: str) -> Chat:
        """Upload an export; fields are such as `display_name`, `time_zone`. A repeated key uploads once."""
        with path.open("rb") as file:
            files = {"file": (path.name, file, "application/octet-stream")}
            return cast(
                Chat, self._ask("POST", "/api/chats/upload", files=files, data=fields, headers=_key(key))
            )

    def list_chats(self) -> Iterator[Chat]:
        """Iterate the user's chats, newest first."""
        return cast(Iterator[Chat], self._pages("/api/chats", "chats", {}))

    def get_chat(self, chat_id: str) -> Chat:
        """Answer one chat."""
        return cast(Chat, self._ask("GET", f"/api/chats/{chat_id}"))

    def list_messages(self, chat_id: str, **filters: str) -> Iterator[Message]:
        """Iterate the messages of a chat in the order of the file; filters are `query` and `author`."""
        return cast(Iterator[Message], self._pages(f"/api/chats/{chat_id}/messages", "messages", filters))

    def rename_chat(self, chat_id: str, display_name: str) -> Chat:
        """Give a chat another name."""
        body = {"display_name": display_name}
        return cast(Chat, self._ask("PUT", f"/api/chats/{chat_id}/display-name", json=body))

    def delete_chat(self, chat_id: str) -> None:
        """Delete a chat; it can be undeleted for a while."""
        self._ask("DELETE", f"/api/chats/{chat_id}")

    def undelete_chat(self, chat_id: str) -> Chat:
        """Bring a deleted chat back."""
        return cast(Chat, self._ask("POST", f"/api/chats/{chat_id}/undelete"))

    def unlock_category(self, chat_id: str, category_id: str, key: str | None = None) -> Job:
        """Order a category's insights for a chat. A repeated key orders once."""
        body = {"chat_id": chat_id, "category_id": category_id}
        return cast(Job, self._ask("POST", "/api/insights/unlock", json=body, headers=_key(key)))

    def get_job_status(self, job_id: str) -> Job:
        """Answer a job as it is now."""
        return cast(Job, self._ask("GET", f"/api/insights/jobs/{job_id}/status"))

    def cancel_job(self, job_id: str) -> Job:
        """Ask a job to stop."""
        return cast(Job, self._ask("POST", f"/api/insights/jobs/{job_id}/cancel"))

    def follow_job(self, job_id: str) -> Iterator[Job]:
        """Iterate the job as it is and after every change, until it has ended.

        A connection that breaks is made again, also after errors that pass, and what was seen is not seen
        twice.
        """
        last_id, failures = "", 0
        job: Job | None = None
        while job is None or not _has_ended(job):
            pause_s = _RECONNECT_S
            try:
                for event_id, seen in self._events(job_id, last_id):
                    last_id, job, failures = event_id, seen, 0
                    yield seen
            except (httpx.TransportError, ApiError) as error:
                failures += 1
                gone = isinstance(error, ApiError) and not error.passes
                if gone or failures == _MAX_FAILURES:
                    raise
                pause_s = _pause_s(error)
            if job is None or not _has_ended(job):
                time.sleep(pause_s)

    def list_chat_insights(self, chat_id: str) -> list[Insight]:
        """List the unlocked insights of a chat."""
        return cast(list[Insight], self._ask("GET", f"/api/insights/chats/{chat_id}")["insights"])

    def _events(self, job_id: str, last_id: str) -> Iterator[tuple[str, Job]]:
        """Iterate the ids and jobs of one stream of events, from where the last one ended."""
        headers = {"Accept": _EVENT_STREAM, "Last-Event-ID": last_id}
        path = f"/api/insights/jobs/{job_id}/events"
        with self._http.stream("GET", path, headers=headers) as response:
            if not response.is_success:
                response.read()
                raise ApiError(response)
            fields: dict[str, str] = {}
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                elif fields.pop("event", "") == "job":
                    yield fields["id"], cast(Job, json.loads(fields["data"]))

    def _pages(self, path: str, name: str, filters: Mapping[str, str]) -> Iterator[Any]:
        token = ""
        while True:
            page = self._ask("GET", path, params={**filters, "page_token": token})
            yield from page[name]
            if not (token := page["next_page_token"]):
                return

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        response = self._http.request(method, path, **request)
        if not response.is_success:
            raise ApiError(response)
        return response.json() if response.content else None


def _error(response: httpx.Response) -> dict[str, Any]:
    """Answer the API's error; one made of the status where the body is somebody else's."""
    try:
        error = response.json()["error"]
        if all(isinstance(error[name], kind) for name, kind in _ERROR_FIELDS.items()):
            return cast(dict[str, Any], error)
    except (ValueError, LookupError, TypeError, RecursionError):
        pass
    return {
        "code": f"HTTP_{response.status_code}",
        "message": response.reason_phrase or "no error of the API",
        "details": {},
        "request_id": response.headers.get("X-Request-ID", ""),
    }


def _retry_after_s(given: str) -> float | None:
    """Read a Retry-After, which is seconds or a date; None for one that is neither."""
    try:
        if given.isdecimal():
            return float(given)
        then = parsedate_to_datetime(given)
    except (ValueError, OverflowError):
        return None
    # A date without a zone is in UTC, as all dates of HTTP are.
    return max(0.0, (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp() - time.time())


def _pause_s(error: Exception) -> float:
    """Answer how long to wait after an error that passes."""
    asked_s = error.retry_after_s if isinstance(error, ApiError) else None
    return min(max(_RECONNECT_S, asked_s or 0.0), _MAX_PAUSE_S)


def _key(key: str | None) -> dict[str, str]:
    """Name a request, so that one whose answer was lost can be repeated without being done twice."""
    return {"Idempotency-Key": key or str(uuid.uuid4())}


def _has_ended(job: Job) -> bool:
    return job["state"] in _ENDED or (job["state"] == "PAYMENT_FAILED" and not job["payment_retry_time"])
