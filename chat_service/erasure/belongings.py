"""What belongs to the chats of an erased user is deleted as it is when a chat is deleted, chat by chat."""

import uuid
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats import repository as chats
from chat_service.chats.belongings import Belongings
from chat_service.erasure.models import Erasure
from chat_service.questions import repository as questions


async def delete_next(
    session: AsyncSession, erasure: Erasure, after: uuid.UUID | None, belongings: Belongings
) -> tuple[uuid.UUID, Sequence[uuid.UUID]] | None:
    """Delete what belongs to the erasure's next chat; answer it with the jobs to settle, None after the last.

    Nobody can see it any more: the chat is hidden. Chats that were deleted before are done already.
    """
    chat = await chats.lock_erased(session, erasure.erasure_id, erasure.create_time, after)
    if chat is None:
        return None
    # The new user of the id may use the old requests' ids.
    await questions.forget_requests(session, chat.user_id, chat.chat_id)
    return chat.chat_id, await belongings.delete(session, chat.chat_id, erasure.create_time)
