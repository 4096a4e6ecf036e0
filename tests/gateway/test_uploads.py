"""Uploads through the real gateway into the real chat_service."""

import socket
from collections.abc import Callable, Iterator

import psutil
import pytest
from structlog.testing import capture_logs

from tests.eventually import eventually
from tests.gateway.house import EXPORT, Api, RunningGateway, error, good, token

Connect = Callable[..., Api]
Start = Callable[..., RunningGateway]

_HEAD = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="chat.txt"\r\n\r\n'
_TAIL = b"\r\n--XX--\r\n"
_FORM = {"Content-Type": "multipart/form-data; boundary=XX"}
_MIB = 1 << 20


def lines(count_bytes: int) -> Iterator[bytes]:
    """Answer an export of about this size, in pieces that are made as they are sent."""
    number = sent = 0
    while sent < count_bytes:
        piece = b"".join(
            b"14/03/2024, 10:%02d - %s: a message that is not short, number %d\n"
            % (minute, (b"Alice", b"Bob")[minute % 2], number + minute)
            for minute in range(60)
        )
        number += 60
        sent += len(piece)
        yield piece


def form(count_bytes: int, end: bytes = _TAIL) -> Iterator[bytes]:
    yield _HEAD
    yield from lines(count_bytes)
    yield end


def start_upload(gateway: RunningGateway, user_id: str) -> socket.socket:
    """Send the head of an upload and the first messages, and leave it at that."""
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
    head = f"POST /api/chats/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token(user_id)}\r\n"
    length = f"Content-Type: {_FORM['Content-Type']}\r\nContent-Length: 1000000\r\n\r\n"
    connection.sendall(head.encode() + length.encode() + _HEAD + EXPORT)
    return connection


def chats(user: Api) -> list[object]:
    listed: list[object] = good(user.get("/api/chats"))["chats"]
    return listed


def test_an_upload_becomes_a_chat_that_can_be_read(user: Api) -> None:
    # given a stored user
    user.store()
    # when they upload an export with what they know of it
    made = user.upload(display_name="We two", format="WHATSAPP_TEXT", date_order="day_first", time_zone="UTC")
    chat = good(made, 201)
    # then the chat is there with all of it
    assert made.headers["Location"] == f"/api/chats/{chat['chat_id']}"
    assert good(user.get(made.headers["Location"])) == chat
    assert (chat["display_name"], chat["format"], chat["state"]) == ("We two", "WHATSAPP_TEXT", "READY")
    assert (chat["message_count"], chat["participant_count"], chat["time_zone"]) == (6, 2, "UTC")
    assert chat["first_message_local_time"] == "2024-03-13T10:00:00"
    assert (chat["delete_time"], chat["purge_time"]) == (None, None)
    # and so are its messages, to page and to search
    page = good(user.get(f"/api/chats/{chat['chat_id']}/messages", params={"page_size": 4}))
    assert [message["position"] for message in page["messages"]] == [1, 2, 3, 4]
    rest = {"page_size": 4, "page_token": page["next_page_token"]}
    last = good(user.get(f"/api/chats/{chat['chat_id']}/messages", params=rest))
    assert ([message["position"] for message in last["messages"]], last["next_page_token"]) == ([5, 6], "")
    found = good(user.get(f"/api/chats/{chat['chat_id']}/messages", params={"query": "NUMBER 3"}))
    assert [message["author"] for message in found["messages"]] == ["Bob"]


def test_the_same_key_uploads_once(user: Api) -> None:
    user.store()
    first, again = (good(user.upload(key="upload-1"), 201) for _ in range(2))
    assert first["chat_id"] == again["chat_id"]
    assert len(chats(user)) == 1
    other_file = EXPORT + b"20/03/2024, 10:00 - Bob: more\n"
    details = error(user.upload(other_file, key="upload-1"), 409, "REQUEST_ID_REUSED")
    assert details == {"idempotency_key": "upload-1", "field": "file"}


def test_a_deleted_chat_is_gone_and_comes_back(user: Api) -> None:
    chat_id = user.chat()
    # when it is deleted
    deleted = user.request("DELETE", f"/api/chats/{chat_id}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    # then no read shows it
    for path in ("", "/messages"):
        error(user.get(f"/api/chats/{chat_id}{path}"), 404, "CHAT_NOT_FOUND")
    error(user.get(f"/api/insights/chats/{chat_id}"), 404, "CHAT_NOT_FOUND")
    assert chats(user) == []
    # until it is brought back
    assert good(user.post(f"/api/chats/{chat_id}/undelete"))["chat_id"] == chat_id
    assert len(chats(user)) == 1


def test_a_chat_can_be_renamed(user: Api) -> None:
    path = f"/api/chats/{user.chat()}"
    renamed = good(user.request("PUT", f"{path}/display-name", json={"display_name": "Wir"}))
    assert renamed["display_name"] == good(user.get(path))["display_name"] == "Wir"
    empty = user.request("PUT", f"{path}/display-name", json={"display_name": ""})
    assert error(empty, 400, "INVALID_FIELD")["field"] == "display_name"


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"format": "telegram-from-the-future"}, 422, "format"),
        ({"date_order": "UNSPECIFIED"}, 422, "date_order"),
        ({"timezone": "Europe/Berlin"}, 422, "timezone"),
        ({"user_id": "bob"}, 422, "user_id"),
        ({"time_zone": "Mars/Olympus"}, 400, "time_zone"),
        ({"display_name": "x" * 257}, 400, "display_name"),
    ],
)
def test_a_bad_field_stores_nothing(user: Api, fields: dict[str, str], status: int, field: str) -> None:
    user.store()
    assert error(user.upload(EXPORT, None, **fields), status, "INVALID_FIELD")["field"] == field
    assert chats(user) == []


@pytest.mark.parametrize("export", [b"", b"\x00\x01\x02" * 100, b"no messages at all\n", b"\xff\xfe\xfa" * 9])
def test_a_file_that_is_no_export_stores_nothing(user: Api, export: bytes) -> None:
    user.store()
    details = error(user.upload(export), 400, "IMPORT_UNREADABLE")
    assert details["file_name"] == "WhatsApp Chat with Bob.txt"
    assert chats(user) == []


def test_an_upload_of_a_user_who_was_not_stored_is_404(user: Api) -> None:
    error(user.upload(), 404, "USER_NOT_FOUND")


def test_the_services_refusal_of_a_large_upload_arrives_as_it_is(user: Api) -> None:
    # given a user who was not stored: the service refuses at the header, while the body still comes
    for _ in range(10):
        refused = user.post("/api/chats/upload", content=form(3 * _MIB), headers=_FORM)
        # then the answer is the service's, whatever the race of its answer with our next write
        error(refused, 404, "USER_NOT_FOUND")


def test_a_large_upload_does_not_stay_in_memory(user: Api) -> None:
    # given a process that has done a small one
    user.store()
    good(user.post("/api/chats/upload", content=form(_MIB), headers=_FORM), 201)
    process = psutil.Process()
    before = process.memory_info().rss
    peak = before

    def watched() -> Iterator[bytes]:
        nonlocal peak
        for piece in form(30 * _MIB, end=b"\r\n--XX"):
            peak = max(peak, process.memory_info().rss)
            yield piece

    # when 30 MB come, and then an end that is none, so that the service has nothing to store
    refused = user.post("/api/chats/upload", content=watched(), headers=_FORM)
    # then the process, which is the gateway, the service and the client at once, has grown by little
    error(refused, 422, "INVALID_FIELD")
    assert peak - before < 12 * _MIB, f"{(peak - before) / _MIB:.1f} MiB"


def test_a_client_that_goes_away_leaves_no_chat(gateway: RunningGateway, user: Api) -> None:
    # given uploads that stop in the middle: what came so far would be a readable export
    user.store()
    with capture_logs() as logged:
        for _ in range(5):
            start_upload(gateway, user.user_id).close()
        # when the gateway has ended all of them
        eventually(lambda: [line.get("status") for line in logged].count(499) == 5)
    # then there is no chat, and a whole upload works
    assert chats(user) == []
    good(user.upload(), 201)
    assert len(chats(user)) == 1


def test_a_form_that_is_cut_leaves_no_chat(user: Api) -> None:
    user.store()
    cut = user.post("/api/chats/upload", content=iter([_HEAD, EXPORT]), headers=_FORM)
    assert error(cut, 422, "INVALID_FIELD")["field"] == "body"
    late = b'\r\n--XX\r\nContent-Disposition: form-data; name="time_zone"\r\n\r\nUTC'
    after = user.post("/api/chats/upload", content=iter([_HEAD, EXPORT, late, _TAIL]), headers=_FORM)
    assert error(after, 422, "INVALID_FIELD")["field"] == "time_zone"
    unknown = late.replace(b"time_zone", b"timezone")
    after = user.post("/api/chats/upload", content=iter([_HEAD, EXPORT, unknown, _TAIL]), headers=_FORM)
    violation = error(after, 422, "INVALID_FIELD")["violations"][0]
    assert violation["field"] == "timezone"
    assert "display_name, export_chat, format, time_zone, file" in violation["problem"]
    assert chats(user) == []


def test_a_slow_upload_is_cut_off_and_leaves_no_chat(
    start: Start, connect: Connect, user: Api, credit_target: str, chat_target: str
) -> None:
    # given a gateway that waits a moment for the next piece
    user.store()
    quick = start(credit_target=credit_target, chat_target=chat_target, gateway_idle_timeout_s=0.3)
    # when an upload stops without going away
    with start_upload(quick, user.user_id) as connection:
        answer = connection.recv(65_536)
    # then it is told so, and nothing is stored
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert chats(user) == []


def test_a_user_has_a_bounded_number_of_uploads_at_once(
    start: Start, connect: Connect, user: Api, other: Api, credit_target: str, chat_target: str
) -> None:
    # given a gateway that takes one upload of a user, and two in all
    user.store()
    other.store()
    few = start(
        credit_target=credit_target,
        chat_target=chat_target,
        gateway_uploads_per_user=1,
        gateway_max_uploads=2,
    )
    with start_upload(few, user.user_id), start_upload(few, "third"):
        # then a second one of the same user is refused, and any other one while all are taken
        eventually(lambda: connect(few, user.user_id).upload().status_code == 429)
        eventually(lambda: connect(few, other.user_id).upload().status_code == 503)
    # and they are free again when the clients have gone
    eventually(lambda: connect(few, other.user_id).upload().status_code == 201)


def test_the_same_key_with_another_file_is_409(user: Api) -> None:
    user.store()
    first = good(user.upload(key="my-upload"), 201)
    # when it is repeated, then it is the same chat
    assert good(user.upload(key="my-upload"), 201)["chat_id"] == first["chat_id"]
    # and with another file under the key it is refused, and nothing is stored
    again = user.upload(EXPORT + b"20/03/2024, 10:07 - Bob: one more\n", key="my-upload")
    error(again, 409, "REQUEST_ID_REUSED")
    assert len(chats(user)) == 1


def test_a_file_over_the_limit_is_413(
    start: Start, connect: Connect, user: Api, credit_target: str, chat_target: str
) -> None:
    # given a gateway that takes a MiB
    user.store()
    small = connect(
        start(credit_target=credit_target, chat_target=chat_target, import_max_bytes=_MIB), user.user_id
    )
    # then more is refused, with the length told beforehand and without
    told = small.upload(b"".join(lines(2 * _MIB)))
    assert error(told, 413, "IMPORT_TOO_LARGE")["limit"] == _MIB
    untold = small.post("/api/chats/upload", content=form(2 * _MIB), headers=_FORM)
    assert error(untold, 413, "IMPORT_TOO_LARGE")["limit"] == _MIB
    assert chats(user) == []


def test_a_file_over_the_limit_is_413_before_it_is_sent(alone: RunningGateway) -> None:
    with socket.create_connection(("127.0.0.1", alone.port), timeout=10) as connection:
        head = f"POST /api/chats/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token('a')}\r\n"
        connection.sendall(f"{head}Content-Length: 10000000000\r\n\r\n".encode())
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")
