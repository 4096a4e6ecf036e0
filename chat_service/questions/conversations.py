"""What can be done with conversations: list, read, delete."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats import repository as chats
from chat_service.core import Core
from chat_service.questions import repository
from chat_service.questions.ask import passages_of
from chat_service.questions.models import Conversation, ConversationTurn
from chat_service.search.passages import FoundPassage
from servicekit.retry import execute_with_lock_retry

Turns = Sequence[tuple[ConversationTurn, Sequence[FoundPassage]]]


class ConversationService:
    """Owns the conversations. All of it raises `ConversationNotFound` for what is not the user's."""

    def __init__(self, core: Core) -> None:
        """Take the service's shared tools."""
        self._sessions = core.sessions

    async def list_page(
        self,
        user_id: str,
        chat_id: uuid.UUID | None,
        after: tuple[datetime, uuid.UUID] | None,
        limit: int,
    ) -> Sequence[Conversation]:
        """Answer the user's conversations, newest first, from the one after the given key.

        Raises `ChatNotFound` for a chat that is named and not there.
        """

        async def work(session: AsyncSession) -> Sequence[Conversation]:
            if chat_id is not None:
                await chats.require(session, user_id, chat_id)
            return await repository.list_conversations(session, user_id, chat_id, after, limit)

        return await execute_with_lock_retry(self._sessions, work)

    async def get(
        self, user_id: str, conversation_id: uuid.UUID, after: uuid.UUID | None, limit: int
    ) -> tuple[Conversation, Turns]:
        """Answer a conversation and its turns from the one after the given key."""

        async def work(session: AsyncSession) -> tuple[Conversation, Turns]:
            conversation = await repository.find_conversation(session, user_id, conversation_id)
            rows = await repository.list_turns(session, user_id, conversation_id, after, limit)
            return conversation, [(row, await passages_of(session, row)) for row in rows]

        # One snapshot: a chat that is deleted meanwhile is still there for the last passage.
        return await execute_with_lock_retry(self._sessions, work, "REPEATABLE READ")

    async def delete(self, user_id: str, conversation_id: uuid.UUID) -> Conversation:
        """Delete a conversation; a deleted one answers as the first time."""

        async def work(session: AsyncSession) -> Conversation:
            found = await repository.find_conversation(session, user_id, conversation_id, deleted=True)
            await chats.lock_live(session, user_id, found.chat_id)
            # Read again behind the lock: the chat's delete may have taken the conversation along.
            row = await repository.lock_conversation(session, user_id, conversation_id)
            if row.delete_time is None:
                row.delete_time = row.update_time = await repository.clock(session)
                await session.flush()
            return row

        return await execute_with_lock_retry(self._sessions, work)
