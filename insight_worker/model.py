"""The language model as a worker sees it: one question, one answer, typed errors."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from insight_worker.pipelines.interface import ModelAnswer, ModelQuestion, ModelUnavailable, ModelUse
from servicekit.errors import ServiceError
from servicekit.language_model import ModelSettings, TokenUse, model_client, model_configured
from servicekit.logs import get_logger

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletion

_log = get_logger(__name__)

#: What is kept of an answer: less than a step may hold in any script, or it would be paid for and lost.
_MAX_ANSWER_BYTES = 200_000
_MAX_MODEL_CHARS = 128


class ModelAway(ServiceError):
    """The endpoint did not answer, had an error, or limits the rate; it may answer in a moment."""

    reason = "MODEL_AWAY"
    code = grpc.StatusCode.UNAVAILABLE


class LanguageModel:
    """An OpenAI-compatible endpoint. Safe for threads; the SDK is imported at the first question."""

    def __init__(self, settings: ModelSettings) -> None:
        """Take the settings; nothing connects before the first question."""
        self._settings = settings
        self._client: OpenAI | None = None
        self._making = threading.Lock()

    @property
    def configured(self) -> bool:
        """Whether there is a model."""
        return model_configured(self._settings)

    def ask(self, question: ModelQuestion) -> ModelAnswer:
        """Ask once, with the tries of the settings. Raises ModelAway where another try makes sense, and
        ModelUnavailable where it does not: there is no model, or it refuses the request or the key.
        """
        if not self.configured:
            raise ModelUnavailable("no language model is configured")
        started = time.monotonic()
        with _typed_errors(question.name):
            completion: ChatCompletion = self._connected().chat.completions.create(**self._request(question))
        answer = self._answer(completion)
        _log.info(
            "model answered",
            name=question.name,
            ended=answer.ended,
            duration_ms=round((time.monotonic() - started) * 1000, 1),
            model=answer.use.model,
            input_tokens=answer.use.input_tokens,
            output_tokens=answer.use.output_tokens,
            cost_micro_usd=answer.use.cost_micro_usd,
        )
        return answer

    def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            self._client.close()

    def _connected(self) -> "OpenAI":
        """Answer the client. The lock keeps two threads from making two, of which one would stay open."""
        with self._making:
            if self._client is None:
                self._client = model_client(self._settings)
            return self._client

    def _request(self, question: ModelQuestion) -> dict[str, Any]:
        settings = self._settings
        messages = [{"role": role, "content": text} for role, text in question.messages]
        request: dict[str, Any] = {
            "model": settings.model_name,
            "messages": messages,
            settings.model_output_limit_field: settings.model_max_output_tokens,
        }
        if settings.model_response_format == "json_schema":
            schema = {"name": question.name, "schema": dict(question.schema), "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
            return request
        described = json.dumps(question.schema, ensure_ascii=False)
        messages[-1]["content"] += f"\n\nAnswer with one JSON object that fits this JSON schema:\n{described}"
        if settings.model_response_format == "json_object":
            request["response_format"] = {"type": "json_object"}
        return request

    def _answer(self, completion: "ChatCompletion") -> ModelAnswer:
        use = self._use(completion)
        # Some endpoints answer an empty list where they have filtered.
        if not completion.choices:
            return ModelAnswer("", "refused", use)
        choice = completion.choices[0]
        text = _storable(choice.message.content or "")
        if choice.message.refusal or choice.finish_reason == "content_filter":
            return ModelAnswer("", "refused", use)
        return ModelAnswer(text, "cut_off" if choice.finish_reason == "length" else "whole", use)

    def _use(self, completion: "ChatCompletion") -> ModelUse:
        usage = completion.usage
        tokens = TokenUse(usage.prompt_tokens or 0, usage.completion_tokens or 0) if usage else TokenUse()
        return ModelUse(
            (completion.model or self._settings.model_name)[:_MAX_MODEL_CHARS],
            tokens.input_tokens,
            tokens.output_tokens,
            tokens.cost_micro_usd(self._settings),
        )


def _storable(text: str) -> str:
    """Leave out NUL, which PostgreSQL cannot hold, replace what is no Unicode, and cut what is too long."""
    stored = text.replace("\x00", "").encode(errors="replace")
    return stored[:_MAX_ANSWER_BYTES].decode(errors="ignore")


@contextmanager
def _typed_errors(name: str) -> Iterator[None]:
    """Turn the SDK's errors into ours. Their texts may repeat the prompt, so nothing keeps or logs them."""
    import openai

    try:
        yield
    except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
        raise ModelAway(f"the language model did not answer ({type(error).__name__})") from None
    except openai.OpenAIError as error:
        status = getattr(error, "status_code", None)
        _log.error("model refused the request", name=name, error=type(error).__name__, status=status)
        raise ModelUnavailable(f"the language model refused the request ({type(error).__name__})") from None
