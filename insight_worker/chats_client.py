"""The messages of a chat, streamed from chat_service into a pipeline."""

from collections.abc import Iterator, Mapping
from datetime import datetime

import grpc

from insight_worker.pipelines.interface import ChatMessage
from protos.chat.v1 import chat_pb2, chat_pb2_grpc
from servicekit.grpc_clients import Caller

#: 'text' for MESSAGE_KIND_TEXT; a kind that this worker does not know yet is 'other'.
_KINDS: Mapping[int, str] = {
    number: name.removeprefix("MESSAGE_KIND_").lower()
    for name, number in chat_pb2.MessageKind.items()
    if number != chat_pb2.MESSAGE_KIND_UNSPECIFIED
}


class ChatsClient:
    """chat.v1.ChatService. Safe for threads. Every method raises `ServiceError`."""

    def __init__(self, channel: grpc.Channel, caller: Caller, stream_timeout_s: float) -> None:
        """Take the process's channel and the longest that one stream may take."""
        self._stub = chat_pb2_grpc.ChatServiceStub(channel)
        self._caller = caller
        self._stream_timeout_s = stream_timeout_s

    def batches(self, user_id: str, chat_id: str, after_position: int) -> Iterator[list[ChatMessage]]:
        """Stream the messages after a position, up to 1,000 at a time. Raises ChatNotFound."""
        request = chat_pb2.StreamMessagesRequest(
            user_id=user_id, chat_id=chat_id, after_position=after_position
        )
        responses = self._caller.stream_sync(
            self._stub.StreamMessages, request, timeout_s=self._stream_timeout_s
        )
        for response in responses:
            yield [to_message(message) for message in response.messages]


def to_message(message: chat_pb2.Message) -> ChatMessage:
    """Answer the message as a pipeline sees it."""
    return ChatMessage(
        position=message.position,
        author=message.author if message.HasField("author") else None,
        sent_local_time=datetime.fromisoformat(message.sent_local_time),
        body=message.body,
        kind=_KINDS.get(message.kind, "other"),
        edited=message.edited,
    )
