"""Questions and answers, from chat_service's messages to the API's JSON."""

from gateway import models, views
from protos.chat.v1 import chat_pb2


def vector_status(value: chat_pb2.IndexStatus) -> models.VectorStatus:
    """Answer how far an index is."""
    return models.VectorStatus(
        chat_id=value.chat_id,
        state=chat_pb2.IndexState.Name(value.state).removeprefix("INDEX_STATE_"),
        percent=value.percent,
        indexed_message_count=value.indexed_message_count,
        message_count=value.message_count,
        model=value.model,
        error_message=value.error_message,
        update_time=value.update_time.ToJsonString() if value.HasField("update_time") else None,
    )


def passages(value: chat_pb2.Passages) -> models.Passages:
    """Answer what was found."""
    return models.Passages(
        conversation_id=value.conversation_id,
        turn_id=value.turn_id,
        passages=[
            models.Passage(score=one.score, messages=[views.message(row) for row in one.messages])
            for one in value.passages
        ],
        authors=list(value.authors),
        from_local_time=value.from_local_time,
        to_local_time=value.to_local_time,
    )


def usage(value: chat_pb2.AskUsage) -> models.Usage:
    """Answer what it took."""
    return models.Usage(
        model=value.model,
        input_tokens=value.input_tokens,
        output_tokens=value.output_tokens,
        charged_amount=value.charged_amount,
        transaction_id=value.transaction_id if value.HasField("transaction_id") else None,
    )


def answer(found: chat_pb2.Passages, tokens: list[str], used: chat_pb2.AskUsage) -> models.QueryAnswer:
    """Answer the whole of it; without a model there is no answer but the passages."""
    return models.QueryAnswer(
        **dict(passages(found)), answer="".join(tokens) if used.model else None, usage=usage(used)
    )
