"""What makes vectors of texts: the model in a wheel by default, or any OpenAI-compatible endpoint."""

import struct
from collections.abc import Sequence
from typing import Literal, Protocol

import grpc

from chat_service.settings import ChatSettings
from servicekit.errors import ServiceError

#: A question is worded otherwise than what answers it; a model may treat the two differently.
Sort = Literal["passage", "question"]
#: One vector as pgvector's halfvec has it on the wire: dimension, zero, then 16-bit floats, all big-endian.
Vector = bytes

#: The most numbers that a halfvec in the row can have: a row must fit a page of 8 KiB.
MAX_DIMENSION = 3_072


class EmbeddingUnavailable(ServiceError):
    """The embedding model does not answer; trying again later may help."""

    reason = "MODEL_UNAVAILABLE"
    code = grpc.StatusCode.UNAVAILABLE

    def __init__(self, problem: str) -> None:
        """Say what is wrong, without what was to be embedded."""
        super().__init__(
            f"the embedding model does not answer: {problem}",
            metadata={"problem": problem},
            retry_after_s=2.0,
        )


class Embedder(Protocol):
    """Makes vectors. Those of one `model` can be compared with each other, and with no others."""

    @property
    def model(self) -> str:
        """Its name, at most 256 characters."""

    async def embed(self, texts: Sequence[str], sort: Sort) -> list[Vector]:
        """Answer a vector a text; raises `EmbeddingUnavailable`."""

    async def close(self) -> None:
        """Give back what it holds, in the end."""


def to_vector(numbers: Sequence[float]) -> Vector:
    """Answer numbers as a vector; raises OverflowError for one that 16 bits cannot hold."""
    return struct.pack(f">HH{len(numbers)}e", len(numbers), 0, *numbers)


def to_text(vector: Vector) -> str:
    """Answer a vector as SQL spells it."""
    numbers = struct.unpack(f">{dimension(vector)}e", vector[4:])
    return f"[{','.join(f'{number:.5g}' for number in numbers)}]"


def dimension(vector: Vector) -> int:
    """Answer how many numbers it has."""
    count: int = struct.unpack(">H", vector[:2])[0]
    return count


def make_embedder(settings: ChatSettings) -> Embedder:
    """Make what the settings ask for; nothing is loaded or connected before it is used."""
    if settings.embedding_base_url:
        from chat_service.search.remote_embedder import RemoteEmbedder  # the SDK is large, and few need it

        return RemoteEmbedder(settings)
    from chat_service.search.local_embedder import LocalEmbedder

    return LocalEmbedder(settings)
