"""``python -m chat_service retrieve USER CHAT``: what is found for each question, and how long that takes.

Reads one question a line and prints one JSON object a line: the question, the passages as lists of messages,
and the milliseconds. It asks no model and stores nothing; the chat's index must be there. With `--by` one
ranking counts alone, to see what each is worth.
"""

import json
import sys
import time
import uuid
from functools import partial

from chat_service import bootstrap
from chat_service.chats import repository as chats
from chat_service.questions.ask import limits_of
from chat_service.questions.bootstrap import Questions
from chat_service.search.retrieval import Search
from chat_service.settings import ChatSettings
from servicekit.errors import ServiceError
from servicekit.lines import printable
from servicekit.retry import execute_in_transaction

_LIMIT = 20


async def retrieve_passages(settings: ChatSettings, user_id: str, chat_id: uuid.UUID, by: str) -> int:
    """Answer the questions on standard input, and the process's exit code."""
    app = bootstrap.build(settings)
    try:
        for line in sys.stdin:
            if line.strip():
                print(json.dumps(await _retrieve(app, user_id, chat_id, line.strip(), by)), flush=True)
    except ServiceError as error:
        print(printable(f"chat_service: {error.message}"), file=sys.stderr)
        return 1
    finally:
        await app.close()
    return 0


async def _retrieve(
    app: bootstrap.App, user_id: str, chat_id: uuid.UUID, question: str, by: str
) -> dict[str, object]:
    questions: Questions = app.questions
    find = partial(chats.find, user_id=user_id, chat_id=chat_id)
    chat = await execute_in_transaction(app.core.sessions, find)
    view = await questions.index.status(user_id, chat_id)
    wanted = Search(
        user_id=user_id,
        chat_id=chat_id,
        question=question,
        chunk_count=view.chunk_count,
        vector_count=view.vector_count,
        participants=[name for name, _ in chat.participants],
        filters=limits_of(question, chat),
        limit=_LIMIT,
        by_words=by != "meaning",
        by_meaning=by != "words",
    )
    start_s = time.perf_counter()
    found = await questions.index.search(wanted)
    took_ms = (time.perf_counter() - start_s) * 1000
    passages = [[message.body for message in passage.messages] for passage in found]
    return {"question": question, "passages": passages, "duration_ms": round(took_ms, 3)}
