"""Users: stored on first login."""

from fastapi import APIRouter

from gateway import models, views
from gateway.auth import CurrentUser
from gateway.openapi import errors
from gateway.services import Backends
from protos.chat.v1 import chat_pb2

router = APIRouter(prefix="/api/users", tags=["users"])


@router.post("/store", responses=errors(400, 401, "REQUEST_TIMEOUT", "BODY_TOO_LARGE"))
async def store_user(
    user_id: CurrentUser, services: Backends, profile: models.StoreUserRequest | None = None
) -> models.User:
    """Store the user of the token, on first login and again after a change of the profile.

    The first time grants the sign-up bonus, once whatever is repeated.
    """
    given = profile.model_dump(exclude_none=True) if profile else {}
    request = chat_pb2.StoreUserRequest(user_id=user_id, **given)
    return views.user(await services.caller.call(services.users.StoreUser, request))
