"""What the models share."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, JsonValue

#: An instant in UTC, such as "2026-03-01T09:30:00Z".
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-03-01T09:30:00Z"])]


def _encodable(text: str) -> str:
    """Refuse half of a surrogate pair: JSON can spell it, UTF-8 and so the wire cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be Unicode text") from None
    return text


#: A text that a caller sends.
Text = Annotated[str, AfterValidator(_encodable)]

#: What PostgreSQL cannot hold, services refuse.
WITHOUT_NUL = "^[^\\u0000]*$"


def length(minimum: int, maximum: int) -> dict[str, JsonValue]:
    """Answer the part of a text's schema that says what the services check: the bounds in characters."""
    return {"minLength": minimum, "maxLength": maximum, "pattern": WITHOUT_NUL}


CHAT_ID = "0197a3c2-8d1e-7b6a-9f43-2c5d8e7f6a10"
JOB_ID = "0197a3c4-11aa-7c3d-8e55-94b1d0c2f377"
NEXT_PAGE_TOKEN = Field(description="asks for the next page; empty after the last")


def example(**fields: JsonValue) -> ConfigDict:
    """Answer a model's configuration that shows these fields in the documentation."""
    return ConfigDict(json_schema_extra={"examples": [fields]})
