"""Users as rows and as messages of chat.v1."""

from chat_service.users.models import User
from chat_service.wire import timestamp
from protos.chat.v1 import chat_pb2


def user_message(user: User) -> chat_pb2.User:
    """Answer the row as the wire has it."""
    return chat_pb2.User(
        user_id=user.user_id,
        display_name=user.display_name,
        email=user.email,
        create_time=timestamp(user.create_time),
        update_time=timestamp(user.update_time),
    )
