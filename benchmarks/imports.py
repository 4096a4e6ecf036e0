"""Parsing WhatsApp exports beside other parsers, and uploading them through REST until the chat is READY."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks import peers
from benchmarks.exports import write_android, write_ios
from benchmarks.house import House, conditions, house, peak_memory_mb
from benchmarks.report import Row, Series

_SIZES = (40_000, 400_000)
_TIMEOUT_S = 120.0
_USER = "bench"


@dataclass
class _Export:
    """A file to read, and what was measured with it; the rounds go through all of them."""

    name: str
    messages: int
    path: Path
    parse: Series = field(default_factory=lambda: Series("parse alone", "s"))
    cpu: Series = field(default_factory=lambda: Series("parse", "s of CPU"))
    memory: Series = field(default_factory=lambda: Series("parse", "MB"))
    upload: Series = field(default_factory=lambda: Series("upload", "s"))
    peer_parse: dict[str, Series] = field(default_factory=dict)
    peer_cpu: dict[str, Series] = field(default_factory=dict)
    peer_memory: dict[str, Series] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What it is, for the table."""
        return f"{self.name}, {self.messages:,} messages"


def measure(rounds: int) -> tuple[list[Row], list[str]]:
    """Alternate our parser, the others and the whole upload; answer the rows and the conditions."""
    with house() as running:
        exports = _exports(running.folder)
        others = [peers.npm_parser(), peers.whatstk()]
        for service in ("credit_service", "chat_service"):
            running.run(service, "migrate")
        running.start("credit_service", "credit_service", "serve")
        chat = running.start("chat_service", "chat_service", "serve")
        running.start("gateway", "gateway", "serve")
        with _app(running) as app:
            app.post("/api/users/store", json={}).raise_for_status()
            for _ in range(rounds):
                for export in exports:
                    _round(running, app, export, [peer for peer in others if isinstance(peer, peers.Peer)])
        _check(running, exports)
        memory = Series("chat_service", "MB", [peak_memory_mb(chat.pid)])
        found = conditions(running) + [f"not measured: {why}" for why in others if isinstance(why, str)]
    rows = [row for export in exports for row in _rows(export)]
    rows.append(Row(f"peak memory of chat_service, {_SIZES[-1]:,} messages", memory, bar="<= 250 MB"))
    return [*rows, *_growth(exports)], found


def _exports(folder: Path) -> list[_Export]:
    writers: dict[str, Callable[[Path, int], Path]] = {"Android": write_android, "iOS": write_ios}
    return [
        _Export(name, messages, write(folder / f"{name}-{messages}.txt", messages))
        for name, write in writers.items()
        for messages in _SIZES
    ]


def _app(running: House) -> httpx.Client:
    token = running.run("gateway", "token", _USER).strip()
    address = f"http://127.0.0.1:{running.env['HOLDFAST_GATEWAY_PORT']}"
    return httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT_S)


def _round(running: House, app: httpx.Client, export: _Export, others: list[peers.Peer]) -> None:
    """One of each, one after the other."""
    ours = peers.timed([*peers.OURS, str(export.path)], running.env)
    if ours.messages != export.messages:
        raise RuntimeError(f"{export.messages} messages were written, {ours.messages} were parsed")
    export.parse.values.append(ours.duration_s)
    export.cpu.values.append(ours.cpu_s)
    export.memory.values.append(ours.peak_memory_mb)
    for peer in others:
        theirs = peers.timed([*peer.command, str(export.path)])
        if theirs.messages != export.messages:
            raise RuntimeError(f"{peer.name} found {theirs.messages} of {export.messages} messages")
        export.peer_parse.setdefault(peer.name, Series(peer.name, "s")).values.append(theirs.duration_s)
        export.peer_cpu.setdefault(peer.name, Series(peer.name, "s of CPU")).values.append(theirs.cpu_s)
        memory = export.peer_memory.setdefault(peer.name, Series(peer.name, "MB"))
        memory.values.append(theirs.peak_memory_mb)
    export.upload.values.append(_upload_s(app, export))


def _upload_s(app: httpx.Client, export: _Export) -> float:
    start = time.perf_counter()
    with export.path.open("rb") as file:
        answer = app.post(
            "/api/chats/upload",
            files={"file": (export.path.name, file, "text/plain")},
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )
    took_s = time.perf_counter() - start
    answer.raise_for_status()
    if (answer.json()["state"], answer.json()["message_count"]) != ("READY", export.messages):
        raise RuntimeError(f"the upload is not complete: {answer.text[:500]}")
    return took_s


def _check(running: House, exports: list[_Export]) -> None:
    """Raise unless every message of every upload is a committed row."""
    sent = sum(export.messages * len(export.upload.values) for export in exports)
    stored = running.sql("chat", "SELECT count(*) FROM messages")
    if stored != str(sent):
        raise RuntimeError(f"{sent} messages were uploaded, but there are {stored} rows")


def _rows(export: _Export) -> list[Row]:
    what = export.label
    rate = _rate(export, "parse", export.parse)
    rows = []
    for name, series in export.peer_parse.items():
        bar = ">= 1.2 times" if name.startswith("npm") else ">= 6 times"
        note = f"CPU time {export.cpu.median:.3f} s, theirs {export.peer_cpu[name].median:.3f} s"
        title = f"parse {what}, beside {name.split()[0]}"
        rows.append(Row(title, rate, _rate(export, name, series), bar, note))
    for name, series in export.peer_memory.items():
        if name.startswith("whatstk"):
            rows.append(Row(f"peak memory to parse {what}", export.memory, series, "<= 0.25 times"))
    rows = rows or [Row(f"parse {what}", rate)]
    rows.append(Row(f"upload until READY, {what}", export.upload, export.parse, "<= 2.5 x the parse alone"))
    return rows


def _rate(export: _Export, name: str, series: Series) -> Series:
    return Series(name, "messages/s", [export.messages / took_s for took_s in series.values])


def _growth(exports: list[_Export]) -> list[Row]:
    """The same at 10 times the messages: what one message takes, in terms of what it took before."""
    rows = []
    for small, large in zip(exports[::2], exports[1::2], strict=True):
        for what, one, ten in (
            ("parse", small.parse, large.parse),
            ("upload until READY", small.upload, large.upload),
        ):
            per_message = [
                Series(export.label, "us a message", [s / export.messages * 1e6 for s in series.values])
                for export, series in ((small, one), (large, ten))
            ]
            rows.append(Row(f"{what}, {small.name}, 10 times the messages", per_message[1], per_message[0]))
    return rows
