"""The model that comes along, in its own process, and models behind an endpoint."""

import asyncio
import json
import threading

import psutil
import pytest
import uvloop

from chat_service.search.embedding import (
    MAX_DIMENSION,
    EmbeddingUnavailable,
    dimension,
    make_embedder,
    to_text,
    to_vector,
)
from chat_service.search.local_embedder import LocalEmbedder
from chat_service.settings import ChatSettings
from tests.eventually import eventually_async
from tests.fakes.openai_server import Behaviour, FakeOpenAI


def settings(**given: object) -> ChatSettings:
    """Settings with what embedders need."""
    return ChatSettings.model_validate({"chat_database_url": "postgresql://nowhere/chat", **given})


def fit(one: bytes, other: bytes) -> float:
    """How near two vectors are."""
    numbers = [[float(part) for part in to_text(vector)[1:-1].split(",")] for vector in (one, other)]
    return sum(a * b for a, b in zip(numbers[0], numbers[1], strict=True))


def test_the_model_that_comes_along_knows_meaning_across_languages_and_ends_when_idle() -> None:
    # On the loop that the service runs on, which starts processes in its own way.
    uvloop.run(_ask_the_model())


async def _ask_the_model() -> None:
    embedder = LocalEmbedder(settings(embedding_idle_s=0.3))
    try:
        sought, other = await embedder.embed(["the boiler is dead", "happy birthday, my dear"], "passage")
        (question,) = await embedder.embed(["¿Qué pasó con la caldera?"], "question")
        assert dimension(question) == 512
        assert fit(sought, question) > fit(other, question) + 0.1
        pid = embedder._child.pid
        assert pid is not None
        # when nobody asks for a while its process ends
        await eventually_async(lambda: _ended(pid), 30.0)
    finally:
        await embedder.close()


async def _ended(pid: int) -> bool:
    return not psutil.pid_exists(pid)


async def test_a_process_that_dies_fails_one_call_and_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a process that echoes no vectors but ends at its first request
    embedder = LocalEmbedder(settings())
    monkeypatch.setattr("chat_service.search.local_embedder.dying_with_parent", lambda _: ["head", "-c", "1"])
    try:
        for _ in range(2):
            with pytest.raises(EmbeddingUnavailable):
                await embedder.embed(["x"], "passage")
    finally:
        await embedder.close()


async def test_an_endpoint_is_asked_with_the_settings_model_and_key(fake: FakeOpenAI) -> None:
    fake.forget()
    embedder = make_embedder(
        settings(
            embedding_base_url=fake.base_url,
            embedding_model="small",
            embedding_api_key="key",
            embedding_dimensions=16,
            embedding_max_retries=0,
        )
    )
    try:
        vectors = await embedder.embed(["bread and butter", "bread and butter", "x"], "passage")
        assert [dimension(vector) for vector in vectors] == [16, 16, 16]
        assert vectors[0] == vectors[1] != vectors[2]
        assert embedder.model == f"small@{fake.base_url}/16"
        (request,) = fake.requests
        assert (request.body["model"], request.body["dimensions"]) == ("small", 16)
        assert request.authorization == "Bearer key"
        assert await embedder.embed([], "passage") == []
        fake.behave(Behaviour("error"))
        with pytest.raises(EmbeddingUnavailable) as raised:
            await embedder.embed(["x"], "passage")
        assert "InternalServerError" in raised.value.message
    finally:
        await embedder.close()


async def test_who_goes_away_while_others_are_embedded_leaves_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a process that does not answer, and callers who wait for their turn
    asked: list[bytes] = []
    blocked, go_on = threading.Event(), threading.Event()

    def exchange(_: object, request: bytes) -> bytes:
        asked.append(request)
        blocked.set()
        go_on.wait(30)
        return b"vector"

    monkeypatch.setattr("chat_service.search.local_embedder._EmbedderChild.exchange", exchange)
    embedder = LocalEmbedder(settings())
    first = asyncio.create_task(embedder.embed(["first"], "passage"))
    await asyncio.to_thread(blocked.wait, 30)
    waiting = [asyncio.create_task(embedder.embed([f"{n}"], "question")) for n in range(20)]
    await asyncio.sleep(0)
    # when they go away
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    go_on.set()
    await first
    # then nobody's text is embedded for nothing, and the next caller has the process at once
    await embedder.embed(["last"], "question")
    assert [json.loads(request)["texts"] for request in asked] == [["first"], ["last"]]
    await embedder.close()


async def test_vectors_that_no_row_can_hold_are_refused_with_what_helps(fake: FakeOpenAI) -> None:
    fake.forget()
    given = settings(embedding_base_url=fake.base_url, embedding_model="small", embedding_max_retries=0)
    embedder = make_embedder(given.model_copy(update={"embedding_dimensions": MAX_DIMENSION + 1}))
    try:
        with pytest.raises(EmbeddingUnavailable, match="HOLDFAST_EMBEDDING_DIMENSIONS"):
            await embedder.embed(["x"], "passage")
    finally:
        await embedder.close()


def test_an_endpoint_without_a_model_is_refused() -> None:
    with pytest.raises(ValueError, match="HOLDFAST_EMBEDDING_MODEL"):
        settings(embedding_base_url="http://127.0.0.1:1/v1")


def test_a_vector_is_written_as_pgvector_reads_it() -> None:
    assert to_vector([1.0, -0.5]) == bytes.fromhex("0002 0000 3c00 b800")
    assert to_text(to_vector([1.0, -0.5])) == "[1,-0.5]"
