"""Builds the search index and what answers questions: their servicer and their background tasks."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chat_service.core import Core
from chat_service.questions.ask import AskService
from chat_service.questions.conversations import ConversationService
from chat_service.questions.model import AnswerModel
from chat_service.questions.servicer import QuestionServicer
from chat_service.questions.settlement import Settlement
from chat_service.search.embedding import Embedder, make_embedder
from chat_service.search.indexer import Indexer
from chat_service.search.service import IndexService


@dataclass(frozen=True)
class Questions:
    """What the rest of the service needs of questions."""

    servicer: QuestionServicer
    index: IndexService
    background: Sequence[Callable[[], Awaitable[None]]]
    asks: AskService
    embedder: Embedder
    model: AnswerModel

    async def close(self) -> None:
        """Give back what they hold; call it once, after the server has stopped."""
        await self.asks.close()
        await self.model.close()
        await self.embedder.close()


def build(core: Core) -> Questions:
    """Build it inside the running event loop; nothing is loaded or connected before it is needed."""
    embedder = make_embedder(core.settings)
    indexer = Indexer(core.sessions, embedder, core.settings)
    index = IndexService(core, embedder, indexer)
    model = AnswerModel(core.settings)
    asks = AskService(core, index, model)
    servicer = QuestionServicer(core, index, asks, ConversationService(core))
    background = (indexer.run, Settlement(core, asks).run)
    return Questions(servicer, index, background, asks, embedder, model)
