"""The parts of an export. Each yields bounded pieces, and holds no transaction while a piece is taken."""

import uuid
from collections.abc import AsyncIterator, Callable

from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message as Proto

from chat_service.chats.messages import message_message
from chat_service.chats.models import Chat
from chat_service.chats.pages import answers
from chat_service.chats.service import ChatService
from chat_service.errors import ConversationNotFound
from chat_service.insights.messages import insight_message
from chat_service.insights.service import InsightReader
from chat_service.jobs.messages import job_message
from chat_service.jobs.service import JobService
from chat_service.questions import messages as questions
from chat_service.questions.conversations import ConversationService
from protos.chat.v1 import chat_pb2
from servicekit.pages import MAX_PAGE_SIZE

Records = AsyncIterator[chat_pb2.ExportUserResponse]
#: Conversations, and turns of one of them, that are read at once: a turn comes with its passages.
_CONVERSATIONS_AT_ONCE = 100
_TURNS_AT_ONCE = 20
#: What belongs to one chat of the user; raises `ChatNotFound` when the chat is deleted meanwhile.
ChatSection = Callable[[Chat], Records]
#: What belongs to the user and to no chat.
UserSection = Callable[[str], Records]


def packed(message: Proto) -> chat_pb2.ExportUserResponse:
    """Answer a record that is a message of another package."""
    other = Packed()
    other.Pack(message)
    return chat_pb2.ExportUserResponse(other=other)


def messages_of(chats: ChatService) -> ChatSection:
    """Answer the section of a chat's messages, in the order of the file."""

    async def section(chat: Chat) -> Records:
        chat_id = str(chat.chat_id)
        async for rows in chats.stream_messages(chat.user_id, chat.chat_id, 0):
            for messages in answers(rows, message_message):
                exported = chat_pb2.ExportedMessages(chat_id=chat_id, messages=messages)
                yield chat_pb2.ExportUserResponse(messages=exported)

    return section


def insights_of(insights: InsightReader) -> ChatSection:
    """Answer the section of a chat's insights, those that the user can see."""

    async def section(chat: Chat) -> Records:
        for insight, insight_type in await insights.list_unlocked(chat.user_id, chat.chat_id):
            yield packed(insight_message(insight, insight_type))

    return section


def conversations_of(conversations: ConversationService) -> ChatSection:
    """Answer the section of what was asked about a chat: each conversation, then its turns.

    A conversation that is deleted meanwhile ends where it is.
    """

    async def section(chat: Chat) -> Records:
        after = None
        while True:
            page = await conversations.list_page(chat.user_id, chat.chat_id, after, _CONVERSATIONS_AT_ONCE)
            for row in page:
                yield packed(questions.conversation(row))
                async for turn in _turns(conversations, row.user_id, row.conversation_id):
                    yield turn
            if len(page) < _CONVERSATIONS_AT_ONCE:
                return
            after = page[-1].create_time, page[-1].conversation_id

    return section


async def _turns(conversations: ConversationService, user_id: str, conversation_id: uuid.UUID) -> Records:
    after: uuid.UUID | None = None
    while True:
        try:
            _, page = await conversations.get(user_id, conversation_id, after, _TURNS_AT_ONCE)
        except ConversationNotFound:
            return
        for row, passages in page:
            yield packed(questions.turn(row, passages))
        if len(page) < _TURNS_AT_ONCE:
            return
        after = page[-1][0].turn_id


def jobs_of(jobs: JobService) -> UserSection:
    """Answer the section of what the user has ordered, newest first."""

    async def section(user_id: str) -> Records:
        token = ""
        while True:
            page, token = await jobs.list_page(user_id, "", MAX_PAGE_SIZE, token)
            for job in page:
                yield packed(job_message(job))
            if not token:
                return

    return section
