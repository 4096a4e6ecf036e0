"""What reading the providers' events has in common."""

import json
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from servicekit.errors import InvalidField
from servicekit.validation import uuid_field

MAX_ID_CHARS = 255
"""No provider's id is longer; what is longer is not looked up."""


class Unreadable(Exception):
    """An event, signed by its provider, that does not look as the provider documents it."""


class Entity(BaseModel):
    """A part of an event: the fields that we read, checked; all others are left out."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    @classmethod
    def of(cls, thing: object) -> Self:
        """Read it from JSON that was decoded; raises `Unreadable`."""
        try:
            return cls.model_validate(thing)
        except ValidationError as error:
            raise Unreadable(_what_is_wrong(error)) from None


def _expanded(value: object) -> object:
    """Answer the id of what may come as an id or as the whole object."""
    return value.get("id") if isinstance(value, dict) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _own_data(value: object) -> object:
    # Razorpay sends an empty list where there is nothing.
    return value if isinstance(value, dict) else {}


ProviderId = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS)]
Expanded = Annotated[ProviderId | None, BeforeValidator(_expanded)]
Currency = Annotated[str, BeforeValidator(_upper), Field(min_length=1, max_length=16)]
Amount = Annotated[int, Field(ge=0, le=10**12)]
OwnData = Annotated[dict[str, object], BeforeValidator(_own_data)]
"""The keys and values that we gave a thing of the provider's, or that others did."""


def decoded(body: bytes) -> object:
    """Answer what the JSON of a body says; raises `Unreadable`."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("no JSON") from None


def own_order_id(data: dict[str, object]) -> UUID | None:
    """Answer the order that the data of ours names; None when nobody of ours made the thing."""
    value = data.get("order_id")
    try:
        return uuid_field("order_id", value) if isinstance(value, str) else None
    except InvalidField:
        return None


def _what_is_wrong(error: ValidationError) -> str:
    """Name the fields that are not as documented, without their values, which may be a person's."""
    fields = sorted({".".join(map(str, one["loc"])) for one in error.errors()})
    return f"not as documented: {', '.join(fields)}"[:255]
