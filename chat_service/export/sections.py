"""The parts of an export. Each yields bounded pieces, and holds no transaction while a piece is taken."""

from collections.abc import AsyncIterator, Callable

from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message as Proto

from chat_service.chats.messages import message_message
from chat_service.chats.models import Chat
from chat_service.chats.pages import answers
from chat_service.chats.service import ChatService
from chat_service.insights.messages import insight_message
from chat_service.insights.service import InsightReader
from chat_service.jobs.messages import job_message
from chat_service.jobs.service import JobService
from protos.chat.v1 import chat_pb2
from servicekit.pages import MAX_PAGE_SIZE

Records = AsyncIterator[chat_pb2.ExportUserResponse]
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
