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


class Erasure(BaseModel):
    """A deletion that has begun: nothing of the user is to be seen any more."""

    model_config = example(
        erasure_id="0197a3c6-9d10-7f01-8b2c-3d4e5f6a7b8c",
        delete_time="2026-03-01T09:30:00Z",
        purge_time="2026-03-31T09:30:00Z",
    )

    erasure_id: str
    delete_time: Time | None
    purge_time: Time | None = Field(description="from when on what is left is removed for good")
