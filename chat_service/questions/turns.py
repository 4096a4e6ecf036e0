"""Where a question stands: which attempt answers it, and how it ends. One transaction a function."""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats.repository import lock_live
from chat_service.errors import ChatNotFound, ConversationNotFound, InsufficientCredits
from chat_service.questions import repository
from chat_service.questions.models import Conversation, ConversationTurn
from chat_service.questions.question import Question
from chat_service.search.service import IndexService
from servicekit.errors import RequestIdReused, ServiceError
from servicekit.ids import uuid7

_TITLE_CHARS = 200
#: Reasons that a turn remembers: a repeated question gets the same refusal.
_REMEMBERED = frozenset({InsufficientCredits.reason})


class Standing(Enum):
    """What a caller has to do with a question."""

    #: Answer it: this call holds its attempt.
    MINE = auto()
    #: Wait: another call answers it.
    OTHERS = auto()
    #: Charge it: the answer is there.
    ANSWERED = auto()
    #: Repeat the answer.
    COMPLETED = auto()


class AttemptOver(Exception):
    """Another attempt answers the question, or its chat is gone; nothing was written."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an attempt brought."""

    found: dict[str, Any]
    text: str
    model: str
    input_tokens: int
    output_tokens: int
    reservation_id: uuid.UUID | None
    charge_amount: int


async def place(
    session: AsyncSession, question: Question, index: IndexService, lease: timedelta
) -> tuple[ConversationTurn, Standing]:
    """Answer the turn of a question and what is to be done with it; a new one is made, with its conversation.

    The replay is decided first, before any state is looked at. Raises `RequestIdReused`, `ChatNotFound`,
    `ConversationNotFound`, and the refusal that the turn remembers.
    """
    turn = await repository.find_turn(session, question.user_id, question.request_id)
    if turn is None:
        turn = await _insert(session, question, index, lease)
        if turn is not None:
            return turn, Standing.MINE
        turn = await repository.find_turn(session, question.user_id, question.request_id)
        assert turn is not None  # Whoever was faster has committed, since the insert waited for that.
    _refuse_other(turn, question)
    if turn.state == "ASKED" and turn.lease_expire_time > await repository.clock(session):
        return turn, Standing.OTHERS
    if turn.state in ("ANSWERED", "COMPLETED"):
        await repository.find_conversation(session, turn.user_id, turn.conversation_id)
        return turn, Standing[turn.state]
    await _take_over(session, turn, question, index, lease)
    return turn, Standing.MINE


def _refuse_other(turn: ConversationTurn, question: Question) -> None:
    for name, value in question.as_sent.items():
        if turn.request.get(name) != value:
            raise RequestIdReused(question.request_id, name)
    if turn.error_reason in _REMEMBERED:
        raise InsufficientCredits(turn.error_message or "", metadata=turn.error_metadata)


async def _insert(
    session: AsyncSession, question: Question, index: IndexService, lease: timedelta
) -> ConversationTurn | None:
    await lock_live(session, question.user_id, question.chat_id)
    conversation_id = await _conversation(session, question)
    await index.want(session, question.user_id, question.chat_id)
    now = await repository.clock(session)
    values = {
        "turn_id": uuid7(),
        "user_id": question.user_id,
        "conversation_id": conversation_id,
        "chat_id": question.chat_id,
        "request_id": question.request_id,
        "request": question.as_sent,
        "question": question.text,
        "state": "ASKED",
        "attempt": 1,
        "lease_expire_time": now + lease,
        "answer": "",
        "model": "",
        "input_tokens": 0,
        "output_tokens": 0,
        "charge_amount": 0,
    }
    turn = await repository.insert_turn(session, values)
    if turn is None and question.conversation_id is None:
        await repository.remove_conversation(session, question.user_id, conversation_id)
    return turn


async def _conversation(session: AsyncSession, question: Question) -> uuid.UUID:
    if question.conversation_id is None:
        made = Conversation(
            user_id=question.user_id,
            conversation_id=uuid7(),
            chat_id=question.chat_id,
            title=question.text.strip()[:_TITLE_CHARS],
            turn_count=0,
        )
        session.add(made)
        await session.flush()
        return made.conversation_id
    there = await repository.find_conversation(session, question.user_id, question.conversation_id)
    if there.chat_id != question.chat_id:
        raise ConversationNotFound(question.conversation_id)
    return there.conversation_id


async def _take_over(
    session: AsyncSession, turn: ConversationTurn, question: Question, index: IndexService, lease: timedelta
) -> None:
    """Begin another attempt: the last one failed, or died and its lease ran out."""
    await lock_live(session, turn.user_id, turn.chat_id)
    await repository.find_conversation(session, turn.user_id, turn.conversation_id)
    await index.want(session, turn.user_id, question.chat_id)
    now = await repository.clock(session)
    turn.state = "ASKED"
    turn.attempt += 1
    turn.lease_expire_time = now + lease
    turn.update_time = now
    await session.flush()


async def answered(
    session: AsyncSession, turn: ConversationTurn, answer: Answer, settle_after: timedelta
) -> ConversationTurn:
    """Store an answer: ANSWERED where coins are reserved for it, else COMPLETED at once.

    Raises `AttemptOver` when the attempt is not the latest one, `ChatNotFound` when the chat was deleted
    meanwhile: its delete waits for the lock on the chat, or has hidden the conversation.
    """
    await lock_live(session, turn.user_id, turn.chat_id)
    await repository.find_conversation(session, turn.user_id, turn.conversation_id)
    row = await _lock_attempt(session, turn)
    now = await repository.clock(session)
    row.found, row.answer, row.model = answer.found, answer.text, answer.model
    row.input_tokens, row.output_tokens = answer.input_tokens, answer.output_tokens
    row.reservation_id, row.charge_amount = answer.reservation_id, answer.charge_amount
    row.update_time = now
    if answer.reservation_id is None:
        row.state = "COMPLETED"
        await repository.count_turn(session, row, now)
    else:
        row.state, row.settle_time = "ANSWERED", now + settle_after
    await session.flush()
    return row


async def _lock_attempt(session: AsyncSession, turn: ConversationTurn) -> ConversationTurn:
    row = await repository.lock_turn(session, turn.user_id, turn.turn_id)
    if row is None or row.state != "ASKED" or row.attempt != turn.attempt:
        raise AttemptOver
    return row


async def failed(session: AsyncSession, turn: ConversationTurn, error: ServiceError | None) -> bool:
    """End an attempt without an answer; False when it has stored one after all, whose coins stay reserved."""
    row = await repository.lock_turn(session, turn.user_id, turn.turn_id)
    if row is None or row.attempt != turn.attempt:
        return True
    if row.state != "ASKED":
        return row.state == "FAILED"
    row.state, row.update_time = "FAILED", await repository.clock(session)
    if error is not None and error.reason in _REMEMBERED:
        row.error_reason, row.error_message = error.reason, error.message
        row.error_metadata = dict(error.metadata)
    await session.flush()
    return True


async def paid(
    session: AsyncSession, turn: ConversationTurn, transaction_id: uuid.UUID | None
) -> ConversationTurn:
    """Show an ANSWERED turn: it was charged. Says so also when somebody else did it first."""
    row = await _lock_settled(session, turn)
    if row.state == "ANSWERED":
        row.state, row.settle_time, row.transaction_id = "COMPLETED", None, transaction_id
        row.update_time = now = await repository.clock(session)
        await repository.count_turn(session, row, now)
        await session.flush()
    return row


async def unpaid(session: AsyncSession, turn: ConversationTurn) -> None:
    """Drop the answer of an ANSWERED turn whose coins are gone: the same request begins anew."""
    row = await _lock_settled(session, turn)
    if row.state == "ANSWERED":
        row.state, row.settle_time, row.reservation_id = "FAILED", None, None
        row.found, row.answer, row.charge_amount = None, "", 0
        row.update_time = await repository.clock(session)
        await session.flush()


async def _lock_settled(session: AsyncSession, turn: ConversationTurn) -> ConversationTurn:
    row = await repository.lock_turn(session, turn.user_id, turn.turn_id)
    if row is None:
        raise ChatNotFound(turn.chat_id)
    return row
