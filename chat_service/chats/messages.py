"""Chats and their messages as rows and as messages of chat.v1."""

from chat_service.chats.message_repository import MessageRow
from chat_service.chats.models import Chat
from chat_service.wire import local_time, optional_timestamp, timestamp
from protos.chat.v1 import chat_pb2


def chat_message(chat: Chat) -> chat_pb2.Chat:
    """Answer the row as the wire has it."""
    return chat_pb2.Chat(
        chat_id=str(chat.chat_id),
        user_id=chat.user_id,
        display_name=chat.display_name,
        file_name=chat.file_name,
        format=chat_pb2.ChatFormat.ValueType(chat.format),
        state=chat_pb2.ChatState.ValueType(chat.state),
        message_count=chat.message_count,
        participants=[
            chat_pb2.Participant(name=name, message_count=count) for name, count in chat.participants
        ],
        participant_count=chat.participant_count,
        first_message_local_time=local_time(chat.first_message_local_time),
        last_message_local_time=local_time(chat.last_message_local_time),
        time_zone=chat.time_zone,
        create_time=timestamp(chat.create_time),
        update_time=timestamp(chat.update_time),
        delete_time=optional_timestamp(chat.delete_time),
        purge_time=optional_timestamp(chat.purge_time),
        import_report=chat_pb2.ImportReport(**chat.import_report),
    )


def stats_message(chat: Chat) -> chat_pb2.ChatStats:
    """Answer the statistics of a chat: nothing that names anybody or quotes anything."""
    counts = dict(chat.stats)
    kinds = sorted(counts.pop("kind_counts", {}).items(), key=lambda kind: (-kind[1], int(kind[0])))
    return chat_pb2.ChatStats(
        chat_id=str(chat.chat_id),
        message_count=chat.message_count,
        participant_count=chat.participant_count,
        kind_counts=[
            chat_pb2.KindCount(kind=int(kind), count=count)  # type: ignore[arg-type]  # as in a message
            for kind, count in kinds
        ],
        first_day=chat.first_message_local_time.date().isoformat(),
        last_day=chat.last_message_local_time.date().isoformat(),
        **counts,
    )


def message_message(row: MessageRow) -> chat_pb2.Message:
    """Answer the row as the wire has it."""
    return chat_pb2.Message(
        position=row.position,
        author=row.author,
        sent_local_time=local_time(row.sent_local_time),
        body=row.body,
        kind=row.kind,  # type: ignore[arg-type]  # the column holds the numbers of chat.v1.MessageKind
        edited=row.edited,
        attachment_name=row.attachment_name,
    )
