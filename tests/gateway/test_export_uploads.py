"""Exports of every platform through REST, as an app uploads them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chat_service.accounts import meta_download, telegram_account
from tests.chat_service.parsers.test_archives import IOS, archive, overlapping
from tests.chat_service.parsers.test_exports import EXPORTS, packed
from tests.gateway.house import Api, RunningGateway, error, good

ACCOUNT = EXPORTS / "telegram_account.json"


def upload(user: Api, file_name: str, content: bytes, **fields: str) -> Any:
    return user.post("/api/chats/upload", data=fields, files={"file": (file_name, content)})


@pytest.mark.parametrize(
    ("file_name", "content", "chat_format", "name", "count"),
    [
        ("result.json", EXPORTS / "telegram_chat.json", "TELEGRAM_JSON", "Trip to Porto", 12),
        ("facebook-x.zip", EXPORTS / "messenger", "MESSENGER_JSON", "Renée & co ❤", 13),
        ("message_1.json", EXPORTS / "instagram.json", "INSTAGRAM_JSON", "mia.🌻", 5),
        ("chat.md", EXPORTS / "signal_new.md", "SIGNAL_TEXT", "chat", 9),
        ("a.json", EXPORTS / "discord.json", "DISCORD_JSON", "Chess club – openings", 6),
        ("WhatsApp Chat - Anna.zip", archive({"_chat.txt": IOS}), "WHATSAPP_TEXT", "Anna", 1),
    ],
)
def test_an_export_becomes_a_chat(
    user: Api, file_name: str, content: Path | bytes, chat_format: str, name: str, count: int
) -> None:
    user.store()
    if isinstance(content, Path):
        content = packed(content) if content.is_dir() else content.read_bytes()

    chat = good(upload(user, file_name, content), 201)

    assert (chat["format"], chat["display_name"], chat["message_count"]) == (chat_format, name, count)
    page = good(user.get(f"/api/chats/{chat['chat_id']}/messages"))
    assert len(page["messages"]) == count


def test_how_a_whatsapp_export_was_read_is_told(user: Api) -> None:
    user.store()
    content = (EXPORTS / "whatsapp" / "34-lines-not-understood.txt").read_bytes()

    chat = good(upload(user, "WhatsApp Chat with Ben.txt", content), 201)

    assert chat["import_report"] == {
        "date_order": "DAY_FIRST",
        "date_evidence": "LARGE_NUMBER",
        "date_order_guessed": False,
        "skipped_count": 3,
        "skipped": [
            "line 1: exported by somebody",
            "line 4: 31/02/2022, 10:00 - Anna: in no calendar",
            "line 5: 26/03/2022, 25:61 - Ben: on no clock",
        ],
    }


def test_what_was_not_understood_is_told(user: Api) -> None:
    user.store()

    chat = good(upload(user, "result.json", (EXPORTS / "telegram_chat.json").read_bytes()), 201)

    assert chat["import_report"] == {
        "date_order": None,
        "date_evidence": "FORMAT",
        "date_order_guessed": False,
        "skipped_count": 3,
        "skipped": [
            'entry 11: expected an entry of the type "message" or "service"',
            'entry 12: expected a "date" or "date_unixtime"',
            "entry 13: expected an object",
        ],
    }


def test_one_chat_of_an_account_is_chosen_from_the_list_in_the_error(user: Api) -> None:
    user.store()
    details = error(upload(user, "result.json", ACCOUNT.read_bytes()), 400, "IMPORT_CHOOSE_CHAT")
    assert details["chats"][0] == {"id": "22", "name": "Bert", "message_count": 2}

    chosen = details["chats"][0]["id"]
    chat = good(upload(user, "result.json", ACCOUNT.read_bytes(), export_chat=chosen), 201)

    assert (chat["display_name"], chat["message_count"]) == ("Bert", 2)


@pytest.mark.parametrize(
    ("content", "count"),
    [
        pytest.param(meta_download(13), 13, id="13 threads of Meta"),
        pytest.param(
            telegram_account([f"chat {number}" for number in range(18)]), 18, id="18 Telegram chats"
        ),
        pytest.param(telegram_account(["😀" * 30, "🇩🇪" * 15, "👩‍👩‍👧" * 10]), 3, id="names of emoji"),
        pytest.param(
            telegram_account(['"}], \u2028"x": [{"', "\\" * 200, "[" * 250]), 3, id="names of marks"
        ),
    ],
)
def test_every_chat_of_a_file_can_be_chosen_from_the_list(user: Api, content: bytes, count: int) -> None:
    user.store()
    # when a file with several chats is uploaded
    details = error(upload(user, "export", content), 400, "IMPORT_CHOOSE_CHAT")
    # then the error has all of them
    assert (details["chat_count"], details["chats_left_out"]) == (count, 0)
    assert len(details["chats"]) == count
    # and the last one can be chosen by what the list says
    last = details["chats"][-1]
    chat = good(upload(user, "export", content, export_chat=last["id"]), 201)
    assert chat["display_name"] == last["name"]


@pytest.mark.parametrize("name", ["chat", "名" * 200], ids=["short names", "long names"])
def test_of_chats_without_end_the_largest_are_listed_and_the_others_counted(user: Api, name: str) -> None:
    user.store()
    content = telegram_account([f"{name} {number}" for number in range(1_000)])
    # when a file has more chats than an error can hold
    details = error(upload(user, "result.json", content), 400, "IMPORT_CHOOSE_CHAT")
    # then it says how many it does not list
    listed = details["chats"]
    assert 1 <= len(listed) < 1_000
    assert (details["chat_count"], details["chats_left_out"]) == (1_000, 1_000 - len(listed))
    counts = [chat["message_count"] for chat in listed]
    assert (counts[0], counts) == (5, sorted(counts, reverse=True))
    # and a part of a name lists those that have it
    wanted = f"{name[1:].upper()} 99"
    narrowed = error(upload(user, "result.json", content, export_chat=wanted), 400, "IMPORT_CHOOSE_CHAT")
    assert narrowed["chat_count"] == 11
    assert all(f"{name} 99" in chat["name"] for chat in narrowed["chats"])


def test_the_format_the_zone_and_the_order_of_dates_can_be_said(user: Api) -> None:
    user.store()
    content = (EXPORTS / "instagram.json").read_bytes()

    chat = good(upload(user, "x.json", content, format="messenger_json", time_zone="Europe/Rome"), 201)

    assert (chat["format"], chat["time_zone"]) == ("MESSENGER_JSON", "Europe/Rome")
    assert chat["first_message_local_time"] == "2024-07-02T13:31:00"
    details = error(upload(user, "x.json", content, format="DISCORD_JSON"), 400, "IMPORT_UNREADABLE")
    assert "expected a channel in JSON as DiscordChatExporter writes it" in details["problem"]


def test_harmful_archives_are_refused(user: Api) -> None:
    user.store()
    bomb = archive({"_chat.txt": IOS + b"0" * (2 << 20)})
    encrypted = bytearray(archive({"_chat.txt": IOS}))
    encrypted[6] |= 1

    details = error(upload(user, "bomb.zip", bomb), 413, "IMPORT_TOO_LARGE")
    assert (details["unit"], details["limit"]) == ("times its packed size", 250)
    error(upload(user, "x.zip", bytes(encrypted)), 400, "IMPORT_ENCRYPTED")
    error(upload(user, "x.zip", overlapping()), 400, "IMPORT_UNREADABLE")
    assert good(user.get("/api/chats"))["chats"] == []


def test_anybody_with_the_id_sees_counts(
    user: Api, gateway: RunningGateway, connect: Callable[..., Api]
) -> None:
    user.store()
    nobody = connect(gateway)
    chat = good(upload(user, "a.json", (EXPORTS / "discord.json").read_bytes()), 201)

    answer = nobody.get(f"/api/chats/public/{chat['chat_id']}/stats")

    stats = good(answer)
    assert (stats["message_count"], stats["authored_count"], stats["participant_count"]) == (6, 5, 3)
    assert stats["kind_counts"] == {"TEXT": 2, "SYSTEM": 1, "IMAGE": 1, "STICKER": 1, "CALL": 1}
    assert (stats["first_day"], stats["last_day"]) == ("2024-10-01", "2024-10-01")
    assert stats["hour_counts"][20] == sum(stats["weekday_counts"]) == 5
    # Not "e4", which one message says: an id may hold it too.
    assert not any(word in answer.text for word in ("Garry", "Chess", "openings", ":pawn:", user.user_id))

    user.request("DELETE", f"/api/chats/{chat['chat_id']}")
    error(nobody.get(f"/api/chats/public/{chat['chat_id']}/stats"), 404, "CHAT_NOT_FOUND")
