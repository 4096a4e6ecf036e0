"""Both ways to find passages, at once."""

import asyncio
import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from chat_service.search import service
from chat_service.search.retrieval import Search
from chat_service.search.service import IndexService


class Broken(Exception):
    """What ranking by meaning raises."""


class Embedder:
    """Gives a vector that nobody looks at."""

    async def embed(self, texts: list[str], kind: str) -> list[bytes]:
        return [b""]


async def test_when_one_ranking_fails_the_other_does_not_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a ranking that takes for ever, and one that fails meanwhile
    began, ended = asyncio.Event(), asyncio.Event()

    async def for_ever(*_: object) -> list[int]:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return []

    async def failing(*_: object) -> list[int]:
        await began.wait()
        raise Broken

    monkeypatch.setattr(service, "by_words", for_ever)
    monkeypatch.setattr(service, "by_meaning", failing)
    parts: list[Any] = [SimpleNamespace(engine=None), Embedder(), None]
    wanted = Search("user", uuid.uuid4(), "who?", chunk_count=1, vector_count=1, participants=[])
    # when they are asked for, then the failure comes, and nothing is left running
    with pytest.raises(Broken):
        await IndexService(*parts).search(wanted)
    assert ended.is_set()
