"""Deleting a user."""

import asyncio
import uuid
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats.belongings import Belongings
from chat_service.core import Core
from chat_service.erasure import bonus_memory
from chat_service.erasure.hiding import HEAD_START, Hidden, hide
from chat_service.erasure.models import Erasure
from chat_service.erasure.runner import ErasureRunner
from servicekit.logs import business_event, get_logger
from servicekit.retry import execute_with_lock_retry

log = get_logger(__name__)


class ErasureService:
    """Erases users."""

    def __init__(self, core: Core, belongings: Belongings, runner: ErasureRunner) -> None:
        """Take the shared tools, what gives coins of cancelled jobs back, and what does the other steps."""
        self._core = core
        self._belongings = belongings
        self._runner = runner

    async def delete_user(self, user_id: str, request_id: uuid.UUID) -> Erasure:
        """Delete the user: gone from every read when this answers, erased after the retention time.

        The account is closed and jobs are ended before this answers, too, unless credit_service is away or a
        worker holds one: then they are in the background. Idempotent; raises `UserNotFound`.
        """
        begin = partial(self._begin, user_id=user_id, request_id=request_id)
        hidden = await execute_with_lock_retry(self._core.sessions, begin)
        if hidden.begun:
            business_event(
                "user_deleted",
                user_id=user_id,
                erasure_id=str(hidden.erasure.erasure_id),
                chats=hidden.chat_count,
                jobs=hidden.job_count,
            )
            await self._go_on(hidden)
        return hidden.erasure

    async def _go_on(self, hidden: Hidden) -> None:
        """Do what can be done at once; what takes longer is done in the background, from where it stands."""
        try:
            async with asyncio.timeout(HEAD_START.total_seconds()):
                await self._runner.drive(hidden.erasure.erasure_id)
                await self._belongings.settle(hidden.job_ids)
        except TimeoutError:
            log.info("erasure_goes_on_in_background", erasure_id=str(hidden.erasure.erasure_id))

    async def _begin(self, session: AsyncSession, user_id: str, request_id: uuid.UUID) -> Hidden:
        settings = self._core.settings
        hidden = await hide(session, user_id, request_id, settings.user_retention)
        if hidden.begun and settings.chat_signup_bonus:
            claim = bonus_memory.claim_hash(user_id, settings.page_token_secret)
            await bonus_memory.remember(session, claim, settings.bonus_memory)
        return hidden
