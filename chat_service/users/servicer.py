"""chat.v1.UserService: checks requests, calls the service, answers messages."""

from collections.abc import AsyncIterator
from typing import Any

from chat_service.erasure.service import ErasureService
from chat_service.export.service import ExportService
from chat_service.users.messages import user_message
from chat_service.users.service import UserService
from chat_service.wire import timestamp
from protos.chat.v1 import chat_pb2, chat_pb2_grpc
from servicekit.validation import text_field, user_id_field, uuid_field

_MAX_CHARS = {"display_name": 256, "email": 320}


class UserServicer(chat_pb2_grpc.UserServiceServicer):
    """Serves users."""

    def __init__(self, service: UserService, erasures: ErasureService, exports: ExportService) -> None:
        """Take what does the work."""
        self._service = service
        self._erasures = erasures
        self._exports = exports

    async def StoreUser(  # noqa: N802  # named by the contract
        self, request: chat_pb2.StoreUserRequest, context: Any
    ) -> chat_pb2.StoreUserResponse:
        """Create the user on first login and update the profile on later ones."""
        user_id = user_id_field(request.user_id)
        profile = {
            name: text_field(name, getattr(request, name), max_chars=max_chars)
            for name, max_chars in _MAX_CHARS.items()
            if request.HasField(name)  # type: ignore[arg-type]  # the stub takes literal names only
        }
        user, created = await self._service.store(user_id, profile)
        return chat_pb2.StoreUserResponse(user=user_message(user), created=created)

    async def GetUser(  # noqa: N802  # named by the contract
        self, request: chat_pb2.GetUserRequest, context: Any
    ) -> chat_pb2.GetUserResponse:
        """Answer one user."""
        user = await self._service.get(user_id_field(request.user_id))
        return chat_pb2.GetUserResponse(user=user_message(user))

    async def DeleteUser(  # noqa: N802  # named by the contract
        self, request: chat_pb2.DeleteUserRequest, context: Any
    ) -> chat_pb2.DeleteUserResponse:
        """Delete a user with all that is theirs."""
        user_id = user_id_field(request.user_id)
        request_id = uuid_field("request_id", request.request_id)
        erasure = await self._erasures.delete_user(user_id, request_id)
        return chat_pb2.DeleteUserResponse(
            erasure_id=str(erasure.erasure_id),
            delete_time=timestamp(erasure.create_time),
            purge_time=timestamp(erasure.purge_time),
        )

    async def ExportUser(  # noqa: N802  # named by the contract
        self, request: chat_pb2.ExportUserRequest, context: Any
    ) -> AsyncIterator[chat_pb2.ExportUserResponse]:
        """Stream everything that is the user's."""
        async for record in self._exports.export(user_id_field(request.user_id)):
            yield record
