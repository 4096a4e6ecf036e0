"""Questions, their answers and indexes as rows and as messages of chat.v1."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from chat_service.chats.messages import message_message
from chat_service.questions.models import Conversation, ConversationTurn
from chat_service.search.passages import FoundPassage
from chat_service.search.retrieval import Filters
from chat_service.search.service import IndexView
from chat_service.wire import local_time, optional_timestamp, timestamp
from protos.chat.v1 import chat_pb2


def index_status(view: IndexView) -> chat_pb2.IndexStatus:
    """Answer how far an index is."""
    return chat_pb2.IndexStatus(
        chat_id=str(view.chat_id),
        state=chat_pb2.IndexState.Value(f"INDEX_STATE_{view.state}"),
        indexed_message_count=view.indexed_message_count,
        message_count=view.message_count,
        percent=view.percent,
        model=view.model,
        error_message=view.error_message,
        update_time=optional_timestamp(view.update_time),
    )


def found(passages: Sequence[FoundPassage], limits: Filters) -> dict[str, Any]:
    """Answer what a turn keeps of a search: places and not texts, which are the chat's."""
    return {
        "places": [list(passage.place) for passage in passages],
        "scores": [passage.score for passage in passages],
        "authors": list(limits.authors),
        "from_local_time": _text(limits.from_local_time),
        "to_local_time": _text(limits.to_local_time),
    }


def filters(kept: Mapping[str, Any]) -> Filters:
    """Answer the limits that a turn keeps."""
    return Filters(
        authors=tuple(kept["authors"]),
        from_local_time=_time(kept["from_local_time"]),
        to_local_time=_time(kept["to_local_time"]),
    )


def passages(turn: ConversationTurn, found: Sequence[FoundPassage], limits: Filters) -> chat_pb2.Passages:
    """Answer what was found for a turn."""
    return chat_pb2.Passages(
        passages=[
            chat_pb2.Passage(messages=map(message_message, passage.messages), score=passage.score)
            for passage in found
        ],
        authors=limits.authors,
        from_local_time=_text(limits.from_local_time),
        to_local_time=_text(limits.to_local_time),
        conversation_id=str(turn.conversation_id),
        turn_id=str(turn.turn_id),
    )


def usage(turn: ConversationTurn) -> chat_pb2.AskUsage:
    """Answer what a completed turn took."""
    return chat_pb2.AskUsage(
        model=turn.model,
        input_tokens=turn.input_tokens,
        output_tokens=turn.output_tokens,
        charged_amount=turn.charge_amount,
        transaction_id=str(turn.transaction_id) if turn.transaction_id else None,
    )


def conversation(row: Conversation) -> chat_pb2.Conversation:
    """Answer a conversation."""
    return chat_pb2.Conversation(
        conversation_id=str(row.conversation_id),
        chat_id=str(row.chat_id),
        title=row.title,
        turn_count=row.turn_count,
        create_time=timestamp(row.create_time),
        update_time=timestamp(row.update_time),
        delete_time=optional_timestamp(row.delete_time),
    )


def turn(row: ConversationTurn, found: Sequence[FoundPassage]) -> chat_pb2.ConversationTurn:
    """Answer a completed turn."""
    return chat_pb2.ConversationTurn(
        turn_id=str(row.turn_id),
        question=row.question,
        passages=passages(row, found, filters(row.found or {})),
        answer=row.answer,
        usage=usage(row),
        create_time=timestamp(row.create_time),
    )


def _text(moment: datetime | None) -> str:
    return local_time(moment) if moment else ""


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
