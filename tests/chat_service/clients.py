"""A client of chat_service for tests, and exports to upload."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from chat_service import bootstrap
from chat_service.settings import ChatSettings
from protos.chat.v1 import chat_pb2, chat_pb2_grpc
from servicekit.errors import ServiceError
from servicekit.grpc_clients import Caller
from servicekit.settings import KitSettings
from tests.served import ServedApp

CHUNK_BYTES = 64 * 1024


class ChatClient:
    """The RPCs of users and chats as a typed caller sees them; failures raise `ServiceError`."""

    def __init__(self, channel: grpc.Channel) -> None:
        """Take an open channel."""
        self.users = chat_pb2_grpc.UserServiceStub(channel)
        self.chats = chat_pb2_grpc.ChatServiceStub(channel)
        self._caller = Caller(KitSettings(rpc_timeout_s=60.0))

    def call(self, method: Callable[..., Any], request: Any) -> Any:
        """Make one unary or client-streaming call."""
        return self._caller.call_sync(method, request)

    def stream(self, request: chat_pb2.StreamMessagesRequest) -> Iterator[chat_pb2.StreamMessagesResponse]:
        """Read the stream of a chat's messages."""
        return self._caller.stream_sync(self.chats.StreamMessages, request)

    def new_user(self) -> str:
        """Store a user that no other test has."""
        user_id = f"user-{uuid.uuid4()}"
        self.call(self.users.StoreUser, chat_pb2.StoreUserRequest(user_id=user_id))
        return user_id

    def import_file(self, content: bytes, **header: Any) -> chat_pb2.Chat:
        """Upload a file; without a request_id it is a new request."""
        chat: chat_pb2.Chat = self.call(self.chats.ImportChat, upload(content, **header)).chat
        return chat

    def get(self, user_id: str, chat_id: str) -> chat_pb2.Chat:
        """Read a chat."""
        request = chat_pb2.GetChatRequest(user_id=user_id, chat_id=chat_id)
        chat: chat_pb2.Chat = self.call(self.chats.GetChat, request).chat
        return chat

    def delete(self, user_id: str, chat_id: str) -> chat_pb2.Chat:
        """Delete a chat."""
        request = chat_pb2.DeleteChatRequest(user_id=user_id, chat_id=chat_id)
        chat: chat_pb2.Chat = self.call(self.chats.DeleteChat, request).chat
        return chat

    def undelete(self, user_id: str, chat_id: str) -> chat_pb2.Chat:
        """Bring a chat back."""
        request = chat_pb2.UndeleteChatRequest(user_id=user_id, chat_id=chat_id)
        chat: chat_pb2.Chat = self.call(self.chats.UndeleteChat, request).chat
        return chat

    def list_chats(self, user_id: str, size: int = 0, token: str = "") -> chat_pb2.ListChatsResponse:
        """Read a page of chats."""
        request = chat_pb2.ListChatsRequest(user_id=user_id, page_size=size, page_token=token)
        page: chat_pb2.ListChatsResponse = self.call(self.chats.ListChats, request)
        return page

    def list_messages(self, user_id: str, chat_id: str, **wanted: Any) -> chat_pb2.ListMessagesResponse:
        """Read a page of messages."""
        request = chat_pb2.ListMessagesRequest(user_id=user_id, chat_id=chat_id, **wanted)
        page: chat_pb2.ListMessagesResponse = self.call(self.chats.ListMessages, request)
        return page

    def all_messages(self, user_id: str, chat_id: str, after_position: int = 0) -> list[chat_pb2.Message]:
        """Read the whole stream."""
        request = chat_pb2.StreamMessagesRequest(
            user_id=user_id, chat_id=chat_id, after_position=after_position
        )
        return [message for batch in self.stream(request) for message in batch.messages]


def upload(content: bytes, **header: Any) -> Iterator[chat_pb2.ImportChatRequest]:
    """Make the parts of an upload."""
    return parts(header_part(**header), chunked(content))


def header_part(**fields: Any) -> chat_pb2.ImportChatRequest:
    """Make a header; without a request_id it is a new request."""
    defaults = {"file_name": "WhatsApp Chat with Anna.txt", "request_id": str(uuid.uuid4())}
    return chat_pb2.ImportChatRequest(header=chat_pb2.ImportChatHeader(**{**defaults, **fields}))


def parts(first: chat_pb2.ImportChatRequest, chunks: Iterable[bytes]) -> Iterator[chat_pb2.ImportChatRequest]:
    """Put a stream together."""
    yield first
    for chunk in chunks:
        yield chat_pb2.ImportChatRequest(chunk=chunk)


def chunked(content: bytes) -> Iterator[bytes]:
    """Cut a file into pieces as the gateway does."""
    for start in range(0, len(content), CHUNK_BYTES):
        yield content[start : start + CHUNK_BYTES]


def export(count: int, authors: Sequence[str] = ("Anna", "Bert")) -> bytes:
    """Make an export of so many messages, one a line: "message 1", "message 2", … of the authors in turn."""
    lines = (
        f"{1 + index // 1440 % 28:02}/03/2024, {index // 60 % 24:02}:{index % 60:02} - "
        f"{authors[index % len(authors)]}: message {index + 1}\n"
        for index in range(count)
    )
    return "".join(lines).encode()


@contextmanager
def refused(reason: str, **metadata: object) -> Iterator[None]:
    """Expect a failure with this reason and at least these values."""
    with pytest.raises(ServiceError) as raised:
        yield
    error = raised.value
    assert error.reason == reason, error
    for name, value in metadata.items():
        assert error.metadata.get(name) == str(value), error.metadata


@contextmanager
def served(settings: ChatSettings) -> Iterator[ChatClient]:
    """A second chat_service with other settings on the same database, and a client of it."""
    with (
        ServedApp(lambda: bootstrap.build(settings), bootstrap.App.close) as app,
        grpc.insecure_channel(app.target) as channel,
    ):
        yield ChatClient(channel)
