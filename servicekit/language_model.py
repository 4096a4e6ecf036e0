"""The language model behind an OpenAI-compatible endpoint: its settings, its clients, and what a call costs.

The SDK is imported when a client is made and not before: most processes never make one.
"""

import logging
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from servicekit.settings import KitSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

OPENAI_URL = "https://api.openai.com/v1"
#: What is sent as the key to an endpoint that wants none: the SDK insists on one.
_NO_KEY = "none"
_CONNECT_TIMEOUT_S = 5.0


class ModelSettings(KitSettings):
    """What a process that asks a language model can be told. Without `model_name` there is no model."""

    model_base_url: str = Field(OPENAI_URL, description="OpenAI-compatible endpoint, up to and with /v1")
    model_name: str = Field("", description="the model to ask; empty: there is none")
    model_api_key: str = Field("", repr=False, description="its key; empty: the endpoint wants none")
    model_timeout_s: float = Field(60.0, gt=0, le=600, description="longest pause in one try of a model call")
    model_max_retries: int = Field(
        2, ge=0, le=10, description="tries after the first of a model call that met 408, 409, 429, 5xx"
    )
    model_max_output_tokens: int = Field(
        4_000, ge=16, le=1_000_000, description="most tokens of an answer, reasoning included"
    )
    model_output_limit_field: Literal["max_completion_tokens", "max_tokens"] = Field(
        "max_completion_tokens", description="what the endpoint calls that limit; older ones: max_tokens"
    )
    model_response_format: Literal["json_schema", "json_object", "none"] = Field(
        "json_schema",
        description="how JSON is asked for; what is not json_schema gets the schema in the prompt",
    )
    model_input_usd_per_million: Decimal = Field(
        Decimal(0), ge=0, le=1_000_000, description="price of a million input tokens; for records only"
    )
    model_output_usd_per_million: Decimal = Field(
        Decimal(0), ge=0, le=1_000_000, description="price of a million output tokens; for records only"
    )

    @model_validator(mode="after")
    def _openai_wants_a_key(self) -> Self:
        if self.model_name and self.model_base_url.rstrip("/") == OPENAI_URL and not self.model_api_key:
            raise ValueError(
                "HOLDFAST_MODEL_API_KEY must be set for HOLDFAST_MODEL_NAME at OpenAI; "
                "for another endpoint set HOLDFAST_MODEL_BASE_URL"
            )
        return self


def model_configured(settings: ModelSettings) -> bool:
    """Answer whether there is a model to ask."""
    return bool(settings.model_name)


@dataclass(frozen=True, slots=True)
class TokenUse:
    """What one answer, or several together, took."""

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "TokenUse") -> "TokenUse":
        return TokenUse(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens)

    def cost_micro_usd(self, settings: ModelSettings) -> int:
        """Answer its cost in millionths of a US dollar, by the settings' prices; 0 where none are set."""
        cost = (
            self.input_tokens * settings.model_input_usd_per_million
            + self.output_tokens * settings.model_output_usd_per_million
        )
        return int(cost.to_integral_value(ROUND_HALF_UP))


def model_client(settings: ModelSettings) -> "OpenAI":
    """Make a client for threads; close it in the end. Its timeouts and retries are those of the settings."""
    from openai import OpenAI

    return OpenAI(**_arguments(settings))


def async_model_client(settings: ModelSettings) -> "AsyncOpenAI":
    """Make the same for an event loop."""
    from openai import AsyncOpenAI

    return AsyncOpenAI(**_arguments(settings))


def _arguments(settings: ModelSettings) -> dict[str, Any]:
    """Answer what both kinds of client are made of.

    At the level debug the SDK logs whole requests, which are people's chats: it may only warn.
    """
    from openai import Timeout

    logging.getLogger("openai").setLevel(logging.WARNING)
    connect_s = min(_CONNECT_TIMEOUT_S, settings.model_timeout_s)
    return {
        "base_url": settings.model_base_url,
        "api_key": settings.model_api_key or _NO_KEY,
        "timeout": Timeout(settings.model_timeout_s, connect=connect_s),
        "max_retries": settings.model_max_retries,
    }
