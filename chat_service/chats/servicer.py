"""chat.v1.ChatService: checks requests, calls the services, answers messages."""

import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from chat_service.chats.message_repository import MessageFilter
from chat_service.chats.messages import chat_message, message_message, stats_message
from chat_service.chats.pages import answers
from chat_service.chats.service import ChatService
from chat_service.imports.servicer import ImportServicer
from chat_service.questions.servicer import QuestionServicer
from protos.chat.v1 import chat_pb2, chat_pb2_grpc
from servicekit.pages import PageTokens, cut_page, page_size
from servicekit.validation import int_field, text_field, user_id_field, uuid_field

_MAX_QUERY_CHARS = 256
_MAX_AUTHOR_CHARS = 262_144
#: No chat has a message behind it; the column is no wider.
_LAST_POSITION = 2**31 - 1


class ChatServicer(chat_pb2_grpc.ChatServiceServicer):
    """Serves chats."""

    def __init__(
        self, service: ChatService, imports: ImportServicer, questions: QuestionServicer, pages: PageTokens
    ) -> None:
        """Take what does the work."""
        self._service = service
        self._imports = imports
        self._questions = questions
        self._pages = pages

    async def ImportChat(  # noqa: N802  # named by the contract
        self, request_iterator: AsyncIterator[chat_pb2.ImportChatRequest], context: Any
    ) -> chat_pb2.ImportChatResponse:
        """Store an uploaded chat export."""
        return await self._imports.import_chat(request_iterator)

    async def GetChat(  # noqa: N802  # named by the contract
        self, request: chat_pb2.GetChatRequest, context: Any
    ) -> chat_pb2.GetChatResponse:
        """Answer one chat."""
        chat = await self._service.get(*_key(request))
        return chat_pb2.GetChatResponse(chat=chat_message(chat))

    async def ListChats(  # noqa: N802  # named by the contract
        self, request: chat_pb2.ListChatsRequest, context: Any
    ) -> chat_pb2.ListChatsResponse:
        """List the user's chats, newest first."""
        user_id, limit = user_id_field(request.user_id), page_size(request.page_size)
        after = self._after_chat(request.page_token, user_id)
        rows = await self._service.list_page(user_id, after, limit + 1)
        chats, more = cut_page(rows, limit, chat_message)
        token = ""
        if more:
            last = rows[len(chats) - 1]
            key = [last.create_time.isoformat(), str(last.chat_id)]
            token = self._pages.encode("chats", key, {"user_id": user_id})
        return chat_pb2.ListChatsResponse(chats=chats, next_page_token=token)

    def _after_chat(self, token: str, user_id: str) -> tuple[datetime, uuid.UUID] | None:
        if not token:
            return None
        create_time, chat_id = self._pages.decode(token, "chats", {"user_id": user_id})
        return datetime.fromisoformat(str(create_time)), uuid.UUID(str(chat_id))

    async def ListMessages(  # noqa: N802  # named by the contract
        self, request: chat_pb2.ListMessagesRequest, context: Any
    ) -> chat_pb2.ListMessagesResponse:
        """List the messages of a chat in the order of the file."""
        user_id, chat_id = _key(request)
        wanted, limit = _filter(request), page_size(request.page_size)
        query = {"user_id": user_id, "chat_id": chat_id, **wanted._asdict()}
        token = request.page_token
        position = int(self._pages.decode(token, "messages", query)[0]) if token else 0
        rows = await self._service.list_messages(
            user_id, chat_id, position=position, limit=limit + 1, wanted=wanted
        )
        messages, more = cut_page(rows, limit, message_message)
        token = self._pages.encode("messages", [messages[-1].position], query) if more else ""
        return chat_pb2.ListMessagesResponse(messages=messages, next_page_token=token)

    async def StreamMessages(  # noqa: N802  # named by the contract
        self, request: chat_pb2.StreamMessagesRequest, context: Any
    ) -> AsyncIterator[chat_pb2.StreamMessagesResponse]:
        """Stream all messages of a chat in the order of the file, in batches."""
        user_id, chat_id = _key(request)
        after_position = min(int_field("after_position", request.after_position, 0), _LAST_POSITION)
        async for rows in self._service.stream_messages(user_id, chat_id, after_position):
            for messages in answers(rows, message_message):
                yield chat_pb2.StreamMessagesResponse(messages=messages)

    async def RenameChat(  # noqa: N802  # named by the contract
        self, request: chat_pb2.RenameChatRequest, context: Any
    ) -> chat_pb2.RenameChatResponse:
        """Give a chat another display name."""
        user_id, chat_id = _key(request)
        display_name = text_field("display_name", request.display_name, min_chars=1, max_chars=256)
        chat = await self._service.rename(user_id, chat_id, display_name)
        return chat_pb2.RenameChatResponse(chat=chat_message(chat))

    async def DeleteChat(  # noqa: N802  # named by the contract
        self, request: chat_pb2.DeleteChatRequest, context: Any
    ) -> chat_pb2.DeleteChatResponse:
        """Delete a chat (soft) with all that belongs to it."""
        chat = await self._service.delete(*_key(request))
        return chat_pb2.DeleteChatResponse(chat=chat_message(chat))

    async def UndeleteChat(  # noqa: N802  # named by the contract
        self, request: chat_pb2.UndeleteChatRequest, context: Any
    ) -> chat_pb2.UndeleteChatResponse:
        """Bring a deleted chat back."""
        chat = await self._service.undelete(*_key(request))
        return chat_pb2.UndeleteChatResponse(chat=chat_message(chat))

    async def GetChatStats(  # noqa: N802  # named by the contract
        self, request: chat_pb2.GetChatStatsRequest, context: Any
    ) -> chat_pb2.GetChatStatsResponse:
        """Answer the public statistics of a chat."""
        chat = await self._service.get_public(uuid_field("chat_id", request.chat_id))
        return chat_pb2.GetChatStatsResponse(stats=stats_message(chat))

    async def GetIndexStatus(  # noqa: N802  # named by the contract
        self, request: chat_pb2.GetIndexStatusRequest, context: Any
    ) -> chat_pb2.GetIndexStatusResponse:
        """Answer how far the index of a chat is."""
        return await self._questions.index_status(request)

    async def AskChat(  # noqa: N802  # named by the contract
        self, request: chat_pb2.AskChatRequest, context: Any
    ) -> AsyncIterator[chat_pb2.AskChatResponse]:
        """Answer a question about a chat, part by part."""
        async for part in self._questions.ask(request, context):
            yield part

    async def ListConversations(  # noqa: N802  # named by the contract
        self, request: chat_pb2.ListConversationsRequest, context: Any
    ) -> chat_pb2.ListConversationsResponse:
        """List the user's conversations, newest first."""
        return await self._questions.list_conversations(request)

    async def GetConversation(  # noqa: N802  # named by the contract
        self, request: chat_pb2.GetConversationRequest, context: Any
    ) -> chat_pb2.GetConversationResponse:
        """Answer a conversation and a page of its turns."""
        return await self._questions.get_conversation(request)

    async def DeleteConversation(  # noqa: N802  # named by the contract
        self, request: chat_pb2.DeleteConversationRequest, context: Any
    ) -> chat_pb2.DeleteConversationResponse:
        """Delete a conversation (soft)."""
        return await self._questions.delete_conversation(request)


def _key(request: Any) -> tuple[str, uuid.UUID]:
    """Answer the owner and the id of the chat that a request names; raises `InvalidField`."""
    return user_id_field(request.user_id), uuid_field("chat_id", request.chat_id)


def _filter(request: chat_pb2.ListMessagesRequest) -> MessageFilter:
    return MessageFilter(
        query=text_field("query", request.query, max_chars=_MAX_QUERY_CHARS),
        author=text_field("author", request.author, max_chars=_MAX_AUTHOR_CHARS),
    )
