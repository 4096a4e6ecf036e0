"""Users."""

from pydantic import BaseModel, Field

from gateway.models.base import Text, Time, example, length


class StoreUserRequest(BaseModel):
    """A profile. Who the user is, the token says."""

    model_config = example(display_name="Alice", email="alice@example.com")

    display_name: Text | None = Field(
        None,
        description="at most 256 characters; absent leaves what is stored",
        json_schema_extra=length(0, 256),
    )
    email: Text | None = Field(
        None,
        description="at most 320 characters; absent leaves what is stored",
        json_schema_extra=length(0, 320),
    )


class User(BaseModel):
    """A stored user."""

    model_config = example(
        user_id="alice",
        display_name="Alice",
        email="alice@example.com",
        create_time="2026-03-01T09:30:00Z",
        update_time="2026-03-01T09:30:00Z",
        created=True,
    )

    user_id: str
    display_name: str
    email: str
    create_time: Time | None
    update_time: Time | None
    created: bool = Field(description="whether this call made the user")
