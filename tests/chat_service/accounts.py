"""Files that hold many chats: a whole Telegram account, and Meta's download of several threads."""

import json
from collections.abc import Sequence

from tests.chat_service.parsers.test_archives import archive

#: The chats of an account have 1 to 5 messages, in turn.
_MOST_MESSAGES = 5


def telegram_account(names: Sequence[str]) -> bytes:
    """Return the result.json of an account with a chat of each name; their ids count up from 0."""
    message = {"id": 1, "type": "message", "date": "2024-01-01T10:00:00", "from": "A", "text": "x"}
    chats = [
        {"name": name, "type": "personal_chat", "id": number, "messages": [message] * _messages(number)}
        for number, name in enumerate(names)
    ]
    return json.dumps({"chats": {"list": chats}}).encode()


def _messages(number: int) -> int:
    return 1 + number % _MOST_MESSAGES


def meta_download(count: int) -> bytes:
    """Return an archive with so many threads of one message each."""
    threads = {
        f"your_facebook_activity/messages/inbox/person{number}_{10**15 + number}/message_1.json": json.dumps(
            {
                "participants": [{"name": f"Person {number}"}, {"name": "Anna"}],
                "messages": [{"sender_name": "Anna", "timestamp_ms": 1_704_099_600_000, "content": "hi"}],
            }
        ).encode()
        for number in range(count)
    }
    return archive(threads)


def long_thread(count: int = 12_000) -> bytes:
    """Return a thread of Messenger, newest message first, of more than fits into memory while it is read.

    Each message begins with its number, the oldest with 0.
    """
    text, begin_ms = "x" * 500, 1_704_099_600_000
    messages = [
        {"sender_name": "Anna", "timestamp_ms": begin_ms + number, "content": f"{number} {text}"}
        for number in reversed(range(count))
    ]
    return json.dumps({"participants": [{"name": "Anna"}, {"name": "Ben"}], "messages": messages}).encode()
