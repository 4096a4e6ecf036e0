"""The clients of a language model, through the vendor's SDK, against a fake that speaks its wire format."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import jsonschema
import openai
import pytest
from pydantic import ValidationError

from servicekit.language_model import (
    ModelSettings,
    TokenUse,
    async_model_client,
    model_client,
    model_configured,
)
from tests.fakes.openai_server import Behaviour, FakeOpenAI

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "minLength": 10},
        "mood": {"enum": ["warm", "cool"]},
        "quotes": {
            "type": "array",
            "minItems": 2,
            "items": {
                "type": "object",
                "properties": {
                    "text": {"type": "string"},
                    "positions": {"type": "array", "items": {"type": "integer"}},
                },
                "required": ["text", "positions"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["summary", "mood", "quotes"],
    "additionalProperties": False,
}
_PROMPT = 'Messages:\n{"position": 7, "text": "see you at noon"}\n{"position": 9, "text": "fine"}'
_ASKED: dict[str, Any] = {
    "model": "fake-model",
    "messages": [{"role": "user", "content": _PROMPT}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "letters", "schema": _SCHEMA}},
}


@pytest.fixture(scope="module")
def running() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        yield server


@pytest.fixture
def fake(running: FakeOpenAI) -> FakeOpenAI:
    """The fake, behaving well and asked nothing yet."""
    running.forget()
    return running


def settings(fake: FakeOpenAI, **given: Any) -> ModelSettings:
    return ModelSettings.model_validate(
        {"model_base_url": fake.base_url, "model_name": "fake-model", "model_max_retries": 0, **given}
    )


@pytest.fixture
def client(fake: FakeOpenAI) -> Iterator[openai.OpenAI]:
    with model_client(settings(fake)) as client:
        yield client


def test_without_a_name_there_is_no_model() -> None:
    assert not model_configured(ModelSettings())
    assert model_configured(ModelSettings(model_name="llama", model_base_url="http://127.0.0.1:1/v1"))


def test_openai_itself_is_not_asked_without_a_key() -> None:
    with pytest.raises(ValidationError, match="HOLDFAST_MODEL_API_KEY"):
        ModelSettings(model_name="gpt-5")


def test_a_key_stands_in_no_representation_of_the_settings(fake: FakeOpenAI) -> None:
    assert "sesame" not in repr(settings(fake, model_api_key="sesame"))


@pytest.mark.parametrize(
    ("use", "cost"), [(TokenUse(1_000, 100), 1_000), (TokenUse(1, 0), 0), (TokenUse(), 0)]
)
def test_an_answer_costs_what_the_prices_say(use: TokenUse, cost: int) -> None:
    # Given prices of 0.40 and 6 dollars a million: 0.4 and 6 millionths a token
    prices = ModelSettings(
        model_input_usd_per_million=Decimal("0.4"), model_output_usd_per_million=Decimal(6)
    )
    # Then the cost is rounded to whole millionths
    assert use.cost_micro_usd(prices) == cost


def test_the_sdk_is_imported_only_when_a_client_is_made() -> None:
    code = "import sys, insight_worker.bootstrap;sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_structured_answer_fits_its_schema_and_quotes_the_prompt(
    fake: FakeOpenAI, client: openai.OpenAI
) -> None:
    # When an answer is asked for that fits a schema
    answer = client.chat.completions.create(**_ASKED)
    # Then it does, and what it quotes stands in the prompt
    value = json.loads(answer.choices[0].message.content or "")
    jsonschema.validate(value, _SCHEMA)
    assert value["quotes"] == [
        {"text": "see you at noon", "positions": [7]},
        {"text": "fine", "positions": [9]},
    ]
    # And it says what it took
    assert answer.usage is not None
    assert min(answer.usage.prompt_tokens, answer.usage.completion_tokens) > 0
    assert fake.counts() == {"letters": 1}


def test_a_stream_brings_text_then_the_usage(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="fake-model",
        messages=[{"role": "user", "content": "What did Ana say?"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "The passages say what they say [1]."
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


def test_embeddings_of_like_texts_are_near(client: openai.OpenAI) -> None:
    texts = ["we meet at noon", "meet at noon", "the cat sleeps"]
    answer = client.embeddings.create(model="fake-model", input=texts, dimensions=32)
    near, far = (
        [a * b for a, b in zip(answer.data[0].embedding, answer.data[n].embedding, strict=True)]
        for n in (1, 2)
    )
    assert sum(near) > sum(far)


def test_a_limited_rate_is_waited_for_as_long_as_it_says(fake: FakeOpenAI) -> None:
    # Given an endpoint that says twice to come back later
    fake.behave(Behaviour("rate_limited", times=2, retry_after_s=0.01))
    # When it is asked with two tries more, then it answers
    with model_client(settings(fake, model_max_retries=2)) as client:
        client.chat.completions.create(**_ASKED)
    assert [one.kind for one in fake.requests] == ["rate_limited", "rate_limited", "answer"]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("rate_limited", openai.RateLimitError),
        ("error", openai.InternalServerError),
        ("cut", openai.APIConnectionError),
        ("slow", openai.APITimeoutError),
    ],
)
def test_what_goes_wrong_is_an_error_of_the_sdk(fake: FakeOpenAI, kind: Any, error: type[Exception]) -> None:
    fake.behave(Behaviour(kind, delay_s=1.0 if kind == "slow" else 0.0))
    with model_client(settings(fake, model_timeout_s=0.2)) as client, pytest.raises(error):
        client.chat.completions.create(**_ASKED)


@pytest.mark.parametrize("kind", ["truncated", "refusal", "invalid_json", "lying"])
def test_an_answer_that_is_none_looks_like_the_vendors(
    fake: FakeOpenAI, client: openai.OpenAI, kind: Any
) -> None:
    # Given a model that breaks off, refuses, sends no JSON, or makes quotes up, for this schema alone
    fake.behave(Behaviour(kind, only="letters"))
    choice = client.chat.completions.create(**_ASKED).choices[0]
    # Then each is told as the wire format tells it
    assert (choice.finish_reason == "length") == (kind == "truncated")
    assert (choice.message.refusal is not None) == (kind == "refusal")
    lied = "nobody ever wrote" in (choice.message.content or "")
    assert lied == (kind == "lying")


async def test_an_event_loop_has_a_client_of_its_own(fake: FakeOpenAI) -> None:
    async with async_model_client(settings(fake, model_api_key="sesame")) as client:
        await client.chat.completions.create(**_ASKED)
    assert fake.requests[0].authorization == "Bearer sesame"


def test_the_fake_serves_as_a_process_that_is_told_how_to_behave() -> None:
    # Given the fake as a process
    command = [sys.executable, "-m", "tests.fakes.openai_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().split()[-1]
        root = base_url.removesuffix("/v1")
        try:
            # When it is told to fail once
            _http("PUT", f"{root}/fake/behaviours", {"behaviours": [{"kind": "error", "times": 1}]})
            given = ModelSettings(model_base_url=base_url, model_name="fake-model", model_max_retries=1)
            with model_client(given) as client:
                client.chat.completions.create(**_ASKED)
            # Then it does, and tells of both calls
            told = _http("GET", f"{root}/fake/requests")["requests"]
            assert [one["kind"] for one in told] == ["error", "answer"]
        finally:
            process.terminate()


def _http(method: str, url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=10) as answer:  # noqa: S310  # the fake's own address
        return json.loads(answer.read())
