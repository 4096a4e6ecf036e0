"""Parsing a WhatsApp export of 40,000 messages, and uploading it through REST until the chat is READY."""

import json
import time
import uuid
from pathlib import Path

import httpx

from benchmarks.house import House, conditions, house, peak_memory_mb
from benchmarks.report import Row, Series

_MESSAGES = 40_000
_WORDS = [
    "the",
    "house",
    "by",
    "the",
    "sea",
    "is",
    "open",
    "and",
    "we",
    "should",
    "bring",
    "bread,",
    "cheese",
    "and",
    "the",
    "red",
    "blanket",
]
_TIMEOUT_S = 120.0
_USER = "bench"


def measure(rounds: int) -> tuple[list[Row], list[str]]:
    """Alternate parsing alone and the whole upload; answer the rows and the conditions."""
    with house() as running:
        export = _export(running.folder / "export.txt")
        for service in ("credit_service", "chat_service"):
            running.run(service, "migrate")
        running.start("credit_service", "credit_service", "serve")
        chat = running.start("chat_service", "chat_service", "serve")
        running.start("gateway", "gateway", "serve")
        parse, upload = _measure(running, export, rounds)
        _check(running, rounds)
        memory = Series("chat_service", "MB", [peak_memory_mb(chat.pid)])
        size_mb = export.stat().st_size / 1e6
        found = conditions(running)
    rate = Series("parse", "messages/s", [_MESSAGES / took_s for took_s in parse.values])
    return [
        Row(f"parse, {_MESSAGES:,} messages ({size_mb:.1f} MB)", rate),
        Row(f"upload until READY, {_MESSAGES:,} messages", upload, parse, "<= 2.5 x the parse alone"),
        Row(f"peak memory of chat_service, {_MESSAGES:,} messages", memory, bar="<= 250 MB at 400,000"),
    ], found


def _measure(running: House, export: Path, rounds: int) -> tuple[Series, Series]:
    parse, upload = Series("parse alone", "s"), Series("upload", "s")
    token = running.run("gateway", "token", _USER).strip()
    address = f"http://127.0.0.1:{running.env['HOLDFAST_GATEWAY_PORT']}"
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=address, headers=headers, timeout=_TIMEOUT_S) as app:
        app.post("/api/users/store", json={}).raise_for_status()
        for _ in range(rounds):
            parsed = json.loads(running.run("chat_service", "parse", str(export)))
            if parsed["messages"] != _MESSAGES:
                raise RuntimeError(f"{_MESSAGES} messages were written, {parsed['messages']} were parsed")
            parse.values.append(parsed["duration_s"])
            upload.values.append(_upload_s(app, export))
    return parse, upload


def _upload_s(app: httpx.Client, export: Path) -> float:
    start = time.perf_counter()
    with export.open("rb") as file:
        answer = app.post(
            "/api/chats/upload",
            files={"file": (export.name, file, "text/plain")},
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )
    took_s = time.perf_counter() - start
    answer.raise_for_status()
    if (answer.json()["state"], answer.json()["message_count"]) != ("READY", _MESSAGES):
        raise RuntimeError(f"the upload is not complete: {answer.text[:500]}")
    return took_s


def _check(running: House, chats: int) -> None:
    """Raise unless every message of every upload is a committed row."""
    stored = running.sql("chat", "SELECT count(*) FROM messages")
    if stored != str(chats * _MESSAGES):
        raise RuntimeError(f"{chats} uploads of {_MESSAGES} messages, but {stored} rows")


def _line(number: int) -> str:
    minutes = number * 3
    day, hour, minute = minutes // 1440, minutes // 60 % 24, minutes % 60
    month, year = 1 + day // 28 % 12, 2019 + day // 336
    author = "Anna" if number % 5 < 3 else "Ben"
    body = " ".join(_WORDS[number % 7 : 8 + number % 10])
    return f"{1 + day % 28:02}/{month:02}/{year}, {hour:02}:{minute:02} - {author}: {body}\n"


def _export(path: Path) -> Path:
    path.write_text("".join(_line(number) for number in range(_MESSAGES)))
    return path
