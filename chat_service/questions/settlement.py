"""Charges answers whose own call did not: it died, or credit_service was away. Many copies may run."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from chat_service.core import Core
from chat_service.questions import repository
from chat_service.questions.ask import AskService
from chat_service.questions.models import ConversationTurn
from servicekit.errors import ServiceError
from servicekit.logs import get_logger
from servicekit.retry import execute_with_lock_retry

log = get_logger(__name__)

_AT_ONCE = 20
#: Pause before another try; many of them fit into what a reservation lasts.
_PAUSE = timedelta(seconds=15)


class Settlement:
    """A background task of every copy of the service."""

    def __init__(self, core: Core, asks: AskService) -> None:
        """Take what charges."""
        self._core = core
        self._asks = asks

    async def run(self) -> None:
        """Charge what is due, for ever."""
        while True:
            try:
                turns = await self._take_due()
                for turn in turns:
                    await self._settle(turn)
            except ServiceError as error:
                log.warning("answers_not_settled", reason=error.reason)
            await asyncio.sleep(self._core.settings.job_poll_s)

    async def _take_due(self) -> Sequence[ConversationTurn]:
        take = partial(repository.take_due, pause=_PAUSE, limit=_AT_ONCE)
        return await execute_with_lock_retry(self._core.sessions, take)

    async def _settle(self, turn: ConversationTurn) -> None:
        try:
            await self._asks.settle(turn)
            log.info("answer_settled", turn_id=str(turn.turn_id))
        except ServiceError as error:
            # Its settle_time brings it back, unless its coins are gone.
            log.warning("answer_not_settled", turn_id=str(turn.turn_id), reason=error.reason)
