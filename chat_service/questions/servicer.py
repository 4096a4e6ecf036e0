"""The part of chat.v1.ChatService about questions: checks requests, calls services, answers messages."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from chat_service.core import Core
from chat_service.questions import messages
from chat_service.questions.ask import AskService
from chat_service.questions.conversations import ConversationService
from chat_service.questions.question import Question, checked_question
from chat_service.search.service import IndexService
from protos.chat.v1 import chat_pb2
from servicekit.errors import RateLimited
from servicekit.pages import cut_page, page_size
from servicekit.validation import user_id_field, uuid_field

#: Parts of an answer that wait for a slow reader; then the model waits too.
_WAITING_PARTS = 64
_Part = chat_pb2.AskChatResponse


class QuestionServicer:
    """Serves indexes, questions and conversations."""

    def __init__(
        self, core: Core, index: IndexService, asks: AskService, conversations: ConversationService
    ) -> None:
        """Take what does the work."""
        self._pages = core.pages
        self._index = index
        self._asks = asks
        self._conversations = conversations
        self._most = core.settings.ask_max_concurrent
        self._running = 0

    async def index_status(self, request: chat_pb2.GetIndexStatusRequest) -> chat_pb2.GetIndexStatusResponse:
        """Answer how far the index of a chat is."""
        chat_id = uuid_field("chat_id", request.chat_id)
        view = await self._index.status(user_id_field(request.user_id), chat_id)
        return chat_pb2.GetIndexStatusResponse(index=messages.index_status(view))

    async def ask(self, request: chat_pb2.AskChatRequest, context: Any) -> AsyncIterator[_Part]:
        """Answer a question, part by part; raises `RateLimited` when too many are being answered."""
        question = checked_question(request)
        if self._running >= self._most:
            raise RateLimited(f"{self._most} questions at once")
        self._running += 1
        try:
            async for part in self._answer(question, context):
                yield part
        finally:
            self._running -= 1

    async def _answer(self, question: Question, context: Any) -> AsyncIterator[_Part]:
        """Yield what a task of its own finds out, so that every way to lose the caller cancels it at once.

        gRPC cancels a handler that waits, and forgets one whose part it is sending: that one would be found
        by the garbage collector only, with coins reserved.
        """
        parts: asyncio.Queue[_Part | None] = asyncio.Queue(_WAITING_PARTS)

        async def answer() -> None:
            try:
                await self._asks.ask(question, parts.put)
            finally:
                # Behind what is there; where nobody reads any more it does not matter whether it fits.
                if parts.full():
                    await parts.put(None)
                else:
                    parts.put_nowait(None)

        task = asyncio.ensure_future(answer())
        context.add_done_callback(lambda _: task.cancel())
        try:
            while (part := await parts.get()) is not None:
                yield part
            await task
        finally:
            task.cancel()

    async def list_conversations(
        self, request: chat_pb2.ListConversationsRequest
    ) -> chat_pb2.ListConversationsResponse:
        """List the user's conversations, newest first."""
        user_id, limit = user_id_field(request.user_id), page_size(request.page_size)
        chat_id = uuid_field("chat_id", request.chat_id) if request.chat_id else None
        query = {"user_id": user_id, "chat_id": chat_id}
        after = None
        if request.page_token:
            create_time, key = self._pages.decode(request.page_token, "conversations", query)
            after = datetime.fromisoformat(str(create_time)), uuid.UUID(str(key))
        rows = await self._conversations.list_page(user_id, chat_id, after, limit + 1)
        listed, more = cut_page(rows, limit, messages.conversation)
        token = ""
        if more:
            last = rows[len(listed) - 1]
            position = [last.create_time.isoformat(), str(last.conversation_id)]
            token = self._pages.encode("conversations", position, query)
        return chat_pb2.ListConversationsResponse(conversations=listed, next_page_token=token)

    async def get_conversation(
        self, request: chat_pb2.GetConversationRequest
    ) -> chat_pb2.GetConversationResponse:
        """Answer a conversation and a page of its turns."""
        user_id, limit = user_id_field(request.user_id), page_size(request.page_size)
        conversation_id = uuid_field("conversation_id", request.conversation_id)
        query = {"user_id": user_id, "conversation_id": conversation_id}
        after = None
        if request.page_token:
            after = uuid.UUID(str(self._pages.decode(request.page_token, "turns", query)[0]))
        conversation, rows = await self._conversations.get(user_id, conversation_id, after, limit + 1)
        turns, more = cut_page(rows, limit, lambda row: messages.turn(*row))
        token = self._pages.encode("turns", [turns[-1].turn_id], query) if more else ""
        return chat_pb2.GetConversationResponse(
            conversation=messages.conversation(conversation), turns=turns, next_page_token=token
        )

    async def delete_conversation(
        self, request: chat_pb2.DeleteConversationRequest
    ) -> chat_pb2.DeleteConversationResponse:
        """Delete a conversation (soft)."""
        conversation_id = uuid_field("conversation_id", request.conversation_id)
        row = await self._conversations.delete(user_id_field(request.user_id), conversation_id)
        return chat_pb2.DeleteConversationResponse(conversation=messages.conversation(row))
