"""An embedding model behind an OpenAI-compatible endpoint."""

import asyncio
from collections.abc import Sequence

from openai import AsyncOpenAI, OpenAIError, Timeout, omit

from chat_service.search.embedding import MAX_DIMENSION, EmbeddingUnavailable, Sort, Vector, to_vector
from chat_service.settings import ChatSettings
from servicekit.logs import get_logger

log = get_logger(__name__)

#: What is sent as the key to an endpoint that wants none: the SDK insists on one.
_NO_KEY = "none"
_CONNECT_TIMEOUT_S = 5.0


class RemoteEmbedder:
    """Asks the endpoint. Timeouts and retries are those of the settings."""

    def __init__(self, settings: ChatSettings) -> None:
        """Take where the model is; nothing is connected yet."""
        self._name = settings.embedding_model
        self._dimensions = settings.embedding_dimensions
        # The endpoint is part of the name: the same name elsewhere may be another model.
        self.model = f"{settings.embedding_model}@{settings.embedding_base_url}"[:250]
        if self._dimensions:
            self.model += f"/{self._dimensions}"
        self._client = AsyncOpenAI(
            base_url=settings.embedding_base_url,
            api_key=settings.embedding_api_key or _NO_KEY,
            timeout=Timeout(settings.embedding_timeout_s, connect=_CONNECT_TIMEOUT_S),
            max_retries=settings.embedding_max_retries,
        )

    async def embed(self, texts: Sequence[str], sort: Sort) -> list[Vector]:
        """Answer a vector a text; raises `EmbeddingUnavailable`."""
        if not texts:
            return []
        try:
            answer = await self._client.embeddings.create(
                model=self._name, input=list(texts), dimensions=self._dimensions or omit
            )
        except OpenAIError as error:
            log.warning("embedding_failed", kind=type(error).__name__)
            raise EmbeddingUnavailable(type(error).__name__) from None
        found = [row.embedding for row in sorted(answer.data, key=lambda row: row.index)]
        return await asyncio.to_thread(_vectors, found, len(texts))

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()


def _vectors(found: Sequence[Sequence[float]], wanted: int) -> list[Vector]:
    if len(found) != wanted or len({len(numbers) for numbers in found}) != 1:
        raise EmbeddingUnavailable(f"{wanted} vectors of one length were expected")
    if not 1 <= len(found[0]) <= MAX_DIMENSION:
        raise EmbeddingUnavailable(
            f"its vectors have {len(found[0])} numbers, at most {MAX_DIMENSION:,} can be stored: "
            "set HOLDFAST_EMBEDDING_DIMENSIONS"
        )
    try:
        return [to_vector(numbers) for numbers in found]
    except OverflowError:
        raise EmbeddingUnavailable("its numbers are too large") from None
