"""How well and how fast passages are found: by words, by meaning, and by both ranks fused.

The questions are labelled by hand (`retrieval_questions.toml`), about the chats in docs/examples, in English,
Spanish, French and German. A passage answers one when a message of it holds the labelled text.
"""

import json
import subprocess
import sys
import time
import tomllib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from benchmarks.house import House, conditions, house, peak_memory_mb
from benchmarks.report import Row, Series
from protos.chat.v1 import chat_pb2, chat_pb2_grpc

_QUESTIONS = Path(__file__).with_name("retrieval_questions.toml")
_EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
_USER = "bench"
_WAYS = {"words": "by words", "meaning": "by meaning", "both": "both fused"}
_RECALL_AT = 5
_MESSAGES = 40_000
_CHUNK_BYTES = 1 << 19
_TIMEOUT_S = 900.0
#: Questions before the first one that counts: the model's process has to start, statements to be planned.
_WARM_UP = 8


@dataclass(frozen=True)
class _Question:
    chat: str
    language: str
    text: str
    answer: str


def measure(rounds: int) -> tuple[list[Row], list[str]]:
    """Index the examples and a large chat; answer the quality of each way, and how long a question takes."""
    questions = [_Question(**one) for one in tomllib.loads(_QUESTIONS.read_text())["question"]]
    with house() as running:
        for service in ("credit_service", "chat_service"):
            running.run(service, "migrate")
        running.start("credit_service", "credit_service", "serve")
        chat = running.start("chat_service", "chat_service", "serve")
        target = f"127.0.0.1:{running.env['HOLDFAST_CHAT_PORT']}"
        with grpc.insecure_channel(target) as channel:
            chats = _Chats(channel)
            small = {
                name: chats.upload((_EXAMPLES / f"{name}.txt").read_bytes())
                for name in sorted({question.chat for question in questions})
            }
            large, index_s = chats.upload_and_index(_large())
            rows = _quality(running, chats, small, questions)
            rows += _speed(running, large, questions, rounds)
        rate = Series("index", "messages/s", [_MESSAGES / index_s])
        rows.append(Row(f"make the index of {_MESSAGES:,} messages", rate))
        memory = Series("chat_service", "MB", [peak_memory_mb(chat.pid)])
        rows.append(Row("peak memory of chat_service while it makes the index", memory))
        return rows, conditions(running)


class _Chats:
    """The calls of chat_service that are needed here."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._chats = chat_pb2_grpc.ChatServiceStub(channel)
        users = chat_pb2_grpc.UserServiceStub(channel)
        users.StoreUser(chat_pb2.StoreUserRequest(user_id=_USER), timeout=_TIMEOUT_S)

    def upload(self, content: bytes) -> str:
        header = chat_pb2.ImportChatHeader(user_id=_USER, file_name="chat.txt", request_id=str(uuid.uuid4()))
        parts = [chat_pb2.ImportChatRequest(header=header)]
        parts += [
            chat_pb2.ImportChatRequest(chunk=content[start : start + _CHUNK_BYTES])
            for start in range(0, len(content), _CHUNK_BYTES)
        ]
        return self._chats.ImportChat(iter(parts), timeout=_TIMEOUT_S).chat.chat_id

    def upload_and_index(self, content: bytes) -> tuple[str, float]:
        chat_id = self.upload(content)
        start_s = time.perf_counter()
        self.index(chat_id)
        return chat_id, time.perf_counter() - start_s

    def index(self, chat_id: str) -> None:
        """Ask, which makes the index, until it is there."""
        while True:
            request = chat_pb2.AskChatRequest(
                user_id=_USER, chat_id=chat_id, question="hello?", request_id=str(uuid.uuid4())
            )
            try:
                for _ in self._chats.AskChat(request, timeout=_TIMEOUT_S):
                    pass
                return
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.FAILED_PRECONDITION:
                    raise


def _quality(
    running: House, service: _Chats, chats: dict[str, str], questions: Sequence[_Question]
) -> list[Row]:
    for chat_id in chats.values():
        service.index(chat_id)
    ranks: dict[str, list[tuple[str, int]]] = {way: [] for way in _WAYS}
    for name, chat_id in chats.items():
        asked = [question for question in questions if question.chat == name]
        for way, found in ranks.items():
            answers = _retrieve(running, chat_id, asked, way)
            pairs = zip(asked, answers, strict=True)
            found += [(question.language, _rank(question, answer)) for question, answer in pairs]
    return [row for way in _WAYS for row in _rows(way, ranks[way])]


def _rank(question: _Question, answer: dict[str, Any]) -> int:
    """Answer the place of the first passage that holds the answer, from 1; 0: none does."""
    places = (
        place
        for place, passage in enumerate(answer["passages"], 1)
        if any(question.answer in body for body in passage)
    )
    return next(places, 0)


def _rows(way: str, ranks: Sequence[tuple[str, int]]) -> list[Row]:
    english = [rank for language, rank in ranks if language == "en"]
    others = [rank for language, rank in ranks if language != "en"]
    named = (("English", english), ("across languages", others), ("all", english + others))
    return [
        Row(f"{what}, {_WAYS[way]}: {name} ({len(some)} questions)", Series(what, "", [value]))
        for name, some in named
        for what, value in (("recall@5", _recall(some)), ("MRR", _mrr(some)))
    ]


def _recall(ranks: Sequence[int]) -> float:
    return sum(1 <= rank <= _RECALL_AT for rank in ranks) / len(ranks)


def _mrr(ranks: Sequence[int]) -> float:
    return sum(1 / rank for rank in ranks if rank) / len(ranks)


def _speed(running: House, chat_id: str, questions: Sequence[_Question], rounds: int) -> list[Row]:
    """One caller, one question after another, each with its own embedding."""
    series = Series("p50", "ms")
    warm = [*questions[:_WARM_UP], *questions]
    for _ in range(rounds):
        answers = _retrieve(running, chat_id, warm, "both")[_WARM_UP:]
        took_ms = sorted(answer["duration_ms"] for answer in answers)
        series.values.append(took_ms[len(took_ms) // 2])
    what = f"retrieval for one question, chat of {_MESSAGES:,} messages: p50"
    return [Row(what, series, bar="<= 25 ms")]


def _retrieve(running: House, chat_id: str, questions: Sequence[_Question], way: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "chat_service", "retrieve", _USER, chat_id, "--by", way],
        input="".join(f"{question.text}\n" for question in questions),
        env=running.env,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"retrieve failed:\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"question"')]


def _large() -> bytes:
    """The example of two people, often enough for so many messages."""
    lines = (_EXAMPLES / "anna-and-ben.txt").read_bytes().splitlines(keepends=True)
    begins = [line for line in lines if line[2:3] == b"/" and line[5:6] == b"/"]
    often = -(-_MESSAGES // len(begins))
    return b"".join((begins * often)[:_MESSAGES])
