"""The language model that answers, behind an OpenAI-compatible endpoint; nothing here blocks the loop."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chat_service.errors import ModelUnavailable
from chat_service.settings import ChatSettings
from servicekit.language_model import TokenUse, async_model_client, model_configured
from servicekit.logs import get_logger

if TYPE_CHECKING:
    from openai import AsyncOpenAI

log = get_logger(__name__)


class AnswerModel:
    """Writes answers. The client is made at the first question: most copies of the service need none."""

    def __init__(self, settings: ChatSettings) -> None:
        """Take which model it is."""
        self._settings = settings
        self._client: AsyncOpenAI | None = None

    @property
    def name(self) -> str:
        """Its name; empty when none is configured: then passages are the answer."""
        return self._settings.model_name if model_configured(self._settings) else ""

    async def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.close()

    async def write(self, messages: Sequence[dict[str, str]]) -> AsyncGenerator[str | TokenUse, None]:
        """Yield the answer's tokens as they come, and in the end what it took, where the model says so.

        Raises `ModelUnavailable` when it does not come, or not to its end: a part of an answer is none.
        """
        # Loading it takes memory that most copies need not have, and half a second that the loop has not.
        await asyncio.to_thread(import_module, "openai.resources.chat")
        from openai import OpenAIError

        reason, wrote, refused = "", False, False
        try:
            async for chunk in await self._begin(messages):
                for choice in chunk.choices:
                    reason = choice.finish_reason or reason
                    refused = refused or bool(choice.delta.refusal)
                    if choice.delta.content:
                        wrote = True
                        yield _storable(choice.delta.content)
                if chunk.usage is not None:
                    yield TokenUse(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        except (OpenAIError, OSError) as error:
            raise _unavailable(type(error).__name__) from None
        if refused or not wrote:
            raise _unavailable("it refused" if refused else "it wrote nothing")
        if reason != "stop":
            raise _unavailable(f"it ended with {reason or 'no reason'}")

    async def _begin(self, messages: Sequence[dict[str, str]]) -> Any:
        settings = self._settings
        if self._client is None:
            self._client = async_model_client(settings)
        limit: dict[str, Any] = {settings.model_output_limit_field: settings.model_max_output_tokens}
        create: Any = self._client.chat.completions.create
        return await create(
            model=settings.model_name,
            messages=list(messages),
            stream=True,
            stream_options={"include_usage": True},
            **limit,
        )


def _storable(text: str) -> str:
    """Leave out NUL, which PostgreSQL cannot hold, and replace what is no Unicode."""
    return text.replace("\x00", "").encode(errors="replace").decode()


def _unavailable(problem: str) -> ModelUnavailable:
    log.warning("model_gave_no_answer", problem=problem)
    return ModelUnavailable(problem)
