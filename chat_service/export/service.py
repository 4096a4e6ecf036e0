"""Streams everything that is a user's."""

from collections.abc import AsyncIterator, Sequence
from functools import partial

from chat_service.chats.messages import chat_message
from chat_service.chats.models import Chat
from chat_service.chats.service import ChatService
from chat_service.errors import ChatNotFound
from chat_service.export.sections import ChatSection, Records, UserSection
from chat_service.users import repository as users
from chat_service.users.messages import user_message
from protos.chat.v1 import chat_pb2
from servicekit.database import Sessions
from servicekit.retry import execute_in_transaction

_CHATS_AT_ONCE = 100


class ExportService:
    """Answers the whole of a user, chat by chat, at the pace of whoever reads."""

    def __init__(
        self,
        sessions: Sessions,
        chats: ChatService,
        of_chat: Sequence[ChatSection],
        of_user: Sequence[UserSection],
    ) -> None:
        """Take what lists the chats, what belongs to each of them, and what to none."""
        self._sessions = sessions
        self._chats = chats
        self._of_chat = of_chat
        self._of_user = of_user

    async def export(self, user_id: str) -> Records:
        """Yield the user, each chat with all that belongs to it, and the rest; raises `UserNotFound`.

        Each piece is read when it is wanted and as of then: what is added meanwhile may be in it or not. A
        chat that is deleted meanwhile ends where it is. A user who is deleted meanwhile is `UserNotFound` in
        the end: what was yielded is not all then.
        """
        find = partial(users.find, user_id=user_id)
        user = await execute_in_transaction(self._sessions, find)
        yield chat_pb2.ExportUserResponse(user=user_message(user))
        async for chat in self._all_chats(user_id):
            async for record in self._chat(chat):
                yield record
        for section in self._of_user:
            async for record in section(user_id):
                yield record
        await execute_in_transaction(self._sessions, find)

    async def _all_chats(self, user_id: str) -> AsyncIterator[Chat]:
        after = None
        while True:
            page = await self._chats.list_page(user_id, after, _CHATS_AT_ONCE)
            for chat in page:
                yield chat
            if len(page) < _CHATS_AT_ONCE:
                return
            after = page[-1].create_time, page[-1].chat_id

    async def _chat(self, chat: Chat) -> Records:
        yield chat_pb2.ExportUserResponse(chat=chat_message(chat))
        try:
            for section in self._of_chat:
                async for record in section(chat):
                    yield record
        except ChatNotFound:
            return
