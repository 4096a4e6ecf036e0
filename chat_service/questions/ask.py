"""Answers questions: reserve, find, write, store, charge, in this order.

Until the answer is stored every failure, and a caller who goes away, gives the coins back. From then on it is
charged, by this call or by `Settlement`. ADR 0018 goes through every point at which a process may die.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.chats import repository as chats
from chat_service.chats.models import Chat
from chat_service.core import Core
from chat_service.questions import messages, prompt, repository, turns
from chat_service.questions.model import AnswerModel
from chat_service.questions.models import ConversationTurn
from chat_service.questions.payment import COINS_GONE, Payment
from chat_service.questions.question import Question
from chat_service.questions.turns import Answer, AttemptOver, Standing
from chat_service.search.passages import FoundPassage, read_passages
from chat_service.search.retrieval import Filters, Search
from chat_service.search.service import IndexService, IndexView
from chat_service.search.understanding import filters_of
from protos.chat.v1 import chat_pb2
from servicekit.errors import DeadlineExceeded, Internal, ServiceError, Unavailable
from servicekit.language_model import TokenUse
from servicekit.logs import get_logger
from servicekit.retry import execute_with_lock_retry

log = get_logger(__name__)

#: An attempt is over before its lease, and its lease before its reservation.
_LEASE_SLACK_S = 15.0
_RESERVATION_SLACK_S = 60.0
#: When somebody else charges an answer that its own call did not.
SETTLE_AFTER = timedelta(seconds=10)
_POLL_S = 0.25

Emit = Callable[[chat_pb2.AskChatResponse], Awaitable[None]]


@dataclass
class _Attempt:
    """What one attempt holds that has to be given back when it fails."""

    turn: ConversationTurn
    reserving: "asyncio.Future[uuid.UUID] | None" = None
    #: What is shown when it is paid: passages that no model goes on to answer from are the whole answer.
    kept_back: chat_pb2.AskChatResponse | None = None


@dataclass
class _Written:
    """An answer while it is being written."""

    pieces: list[str] = field(default_factory=list)
    use: TokenUse = field(default_factory=TokenUse)


class AskService:
    """Answers questions. Belongs to the running event loop."""

    def __init__(self, core: Core, index: IndexService, model: AnswerModel) -> None:
        """Take what finds and what writes."""
        self._core = core
        self._index = index
        self._model = model
        self._limit_s = core.settings.ask_timeout_s
        self._lease = timedelta(seconds=self._limit_s + _LEASE_SLACK_S)
        self.payment = Payment(core, timedelta(seconds=self._limit_s + _RESERVATION_SLACK_S))
        self._asking: set[asyncio.Task[None]] = set()
        self._cleanups: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question, emit: Emit) -> None:
        """Answer a question to `emit`; raises what AskChat fails with. May be cancelled at any time."""
        task = asyncio.current_task()
        assert task is not None
        self._asking.add(task)
        try:
            await self._ask(question, emit)
        finally:
            self._asking.discard(task)

    async def _ask(self, question: Question, emit: Emit) -> None:
        try:
            async with asyncio.timeout(self._limit_s):
                turn, standing = await self._place(question)
                while standing is Standing.OTHERS:
                    await asyncio.sleep(_POLL_S)
                    turn, standing = await self._place(question)
                if standing is Standing.MINE:
                    await self._attempt(question, turn, emit)
                    return
                if standing is Standing.ANSWERED:
                    turn = await self.settle(turn)
                await self._replay(turn, emit)
        except TimeoutError:
            raise DeadlineExceeded("the question was not answered in time") from None

    async def close(self) -> None:
        """Cancel what is still being answered, and wait until what it held is given back."""
        for task in self._asking:
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking)
        if self._cleanups:
            await asyncio.wait(self._cleanups, timeout=self._core.settings.job_credit_timeout_s)

    async def _place(self, question: Question) -> tuple[ConversationTurn, Standing]:
        """Place the question. A caller who goes away meanwhile leaves no attempt that nobody makes.

        Closes the race of a cancelled caller with the commit: a turn that was committed and of which no
        caller knows would keep everybody who asks again waiting until its lease runs out.
        """
        work = partial(turns.place, question=question, index=self._index, lease=self._lease)
        placing = asyncio.ensure_future(execute_with_lock_retry(self._core.sessions, work))
        try:
            placed = await asyncio.shield(placing)
        except asyncio.CancelledError:
            self._in_background(self._end_placed(placing))
            raise
        if placed[1] is Standing.MINE:
            self._index.wake()
        return placed

    async def _end_placed(self, placing: "asyncio.Future[tuple[ConversationTurn, Standing]]") -> None:
        with contextlib.suppress(ServiceError):
            turn, standing = await placing
            if standing is Standing.MINE:
                await self._end(_Attempt(turn), None)

    async def _attempt(self, question: Question, turn: ConversationTurn, emit: Emit) -> None:
        attempt = _Attempt(turn)
        try:
            stored = await self._answer(question, attempt, emit)
        except AttemptOver:
            # Only one that took far longer than it may gets here; the other attempt answers.
            await self._give_back(attempt, None)
            raise Unavailable("another attempt answers this question; ask again") from None
        except ServiceError as error:
            await self._give_back(attempt, error)
            raise
        except BaseException as error:
            cleanup = self._give_back(attempt, None)
            # A caller who went away waits for nothing; a bug is told when all is given back.
            if not isinstance(error, asyncio.CancelledError):
                await cleanup
            raise
        turn = await self.settle(stored) if stored.state == "ANSWERED" else stored
        if attempt.kept_back is not None:
            await emit(attempt.kept_back)
        await emit(chat_pb2.AskChatResponse(usage=messages.usage(turn)))

    async def _answer(self, question: Question, attempt: _Attempt, emit: Emit) -> ConversationTurn:
        turn = attempt.turn
        reservation_id = await self._reserve(attempt)
        view = await self._wait_for_index(question, emit)
        passages, filters = await self._find(question, view)
        shown = chat_pb2.AskChatResponse(passages=messages.passages(turn, passages, filters))
        written = _Written()
        if self._model.name and passages:
            await emit(shown)
            written = await self._write(question, turn, passages, emit)
        else:
            attempt.kept_back = shown
        answer = Answer(
            found=messages.found(passages, filters),
            text="".join(written.pieces),
            model=self._model.name if passages else "",
            input_tokens=written.use.input_tokens,
            output_tokens=written.use.output_tokens,
            reservation_id=reservation_id,
            # Nothing found is no answer, and costs nothing.
            charge_amount=self.payment.price if reservation_id and passages else 0,
        )
        store = partial(turns.answered, turn=turn, answer=answer, settle_after=SETTLE_AFTER)
        return await execute_with_lock_retry(self._core.sessions, store)

    async def _reserve(self, attempt: _Attempt) -> uuid.UUID | None:
        if not self.payment.price:
            return None
        attempt.reserving = asyncio.ensure_future(self.payment.reserve(attempt.turn))
        # A caller who goes away in this moment must not leave coins that nobody knows of.
        return await asyncio.shield(attempt.reserving)

    async def _wait_for_index(self, question: Question, emit: Emit) -> IndexView:
        async def tell(view: IndexView) -> None:
            await emit(chat_pb2.AskChatResponse(index=messages.index_status(view)))

        return await self._index.wait_until_ready(question.user_id, question.chat_id, tell)

    async def _find(self, question: Question, view: IndexView) -> tuple[list[FoundPassage], Filters]:
        """Find passages; a limit that was only understood is dropped when it leaves nothing."""
        find_chat = partial(chats.find, user_id=question.user_id, chat_id=question.chat_id)
        chat = await execute_with_lock_retry(self._core.sessions, find_chat)
        filters = _with_understood(question, chat)
        wanted = Search(
            user_id=question.user_id,
            chat_id=question.chat_id,
            question=question.text,
            chunk_count=view.chunk_count,
            vector_count=view.vector_count,
            participants=[name for name, _ in chat.participants],
            filters=filters,
            limit=question.passage_count,
        )
        found = await self._index.search(wanted)
        if not found and filters != question.filters:
            filters = question.filters
            found = await self._index.search(replace(wanted, filters=filters))
        return found, filters

    async def _write(
        self, question: Question, turn: ConversationTurn, passages: Sequence[FoundPassage], emit: Emit
    ) -> _Written:
        written = _Written()
        latest = partial(
            repository.latest_turns,
            user_id=turn.user_id,
            conversation_id=turn.conversation_id,
            limit=self._core.settings.ask_history_turns,
        )
        earlier = [one for one in await execute_with_lock_retry(self._core.sessions, latest) if one.answer]
        told = prompt.messages(question.text, passages, earlier)
        async with contextlib.aclosing(self._model.write(told)) as pieces:
            async for piece in pieces:
                if isinstance(piece, TokenUse):
                    written.use = piece
                else:
                    written.pieces.append(piece)
                    await emit(chat_pb2.AskChatResponse(token=piece))
        return written

    def _give_back(self, attempt: _Attempt, error: ServiceError | None) -> "asyncio.Future[None]":
        """End a failed attempt, in a task that outlives its caller; what answers is safe to await."""
        return self._in_background(self._end(attempt, error))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> "asyncio.Future[None]":
        task = asyncio.ensure_future(work)
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)
        return asyncio.shield(task)

    async def _end(self, attempt: _Attempt, error: ServiceError | None) -> None:
        """Note that the attempt failed, then release. An answer that was stored after all stays reserved."""
        try:
            note = partial(turns.failed, turn=attempt.turn, error=error)
            unanswered = await execute_with_lock_retry(self._core.sessions, note)
        except ServiceError as problem:
            # Whether an answer was stored is not known: the lease and the reservation run out by themselves.
            log.warning("question_not_ended", turn_id=str(attempt.turn.turn_id), reason=problem.reason)
            return
        if attempt.reserving is None or not unanswered:
            return
        with contextlib.suppress(ServiceError):
            await self.payment.release(await attempt.reserving, "the question was not answered")

    async def settle(self, turn: ConversationTurn) -> ConversationTurn:
        """Charge an ANSWERED turn and answer it as COMPLETED.

        Any number of callers may do this: Charge answers all of them with one transaction. Raises one of
        `COINS_GONE` when they are, and what keeps credit_service from answering: then it is charged later.
        """
        assert turn.reservation_id is not None  # Every ANSWERED turn has one, says a CHECK.
        try:
            transaction_id = await self.payment.charge(turn.reservation_id, turn.charge_amount)
        except COINS_GONE as error:
            log.warning("answer_not_paid", turn_id=str(turn.turn_id), reason=error.reason)
            await execute_with_lock_retry(self._core.sessions, partial(turns.unpaid, turn=turn))
            raise
        note = partial(turns.paid, turn=turn, transaction_id=transaction_id)
        return await execute_with_lock_retry(self._core.sessions, note)

    async def _replay(self, turn: ConversationTurn, emit: Emit) -> None:
        """Tell the stored answer again; raises `ChatNotFound` when the chat was deleted meanwhile."""
        if turn.found is None:
            raise Internal
        passages = await stored_passages(self._core, turn)
        told = messages.passages(turn, passages, messages.filters(turn.found))
        await emit(chat_pb2.AskChatResponse(passages=told))
        if turn.answer:
            await emit(chat_pb2.AskChatResponse(token=turn.answer))
        await emit(chat_pb2.AskChatResponse(usage=messages.usage(turn)))


async def stored_passages(core: Core, turn: ConversationTurn) -> list[FoundPassage]:
    """Answer the passages of an answered turn; raises `ChatNotFound`."""

    async def read(session: AsyncSession) -> list[FoundPassage]:
        return await passages_of(session, turn)

    return await execute_with_lock_retry(core.sessions, read, "REPEATABLE READ")


async def passages_of(session: AsyncSession, turn: ConversationTurn) -> list[FoundPassage]:
    """Read the passages of an answered turn from the live chat; raises `ChatNotFound`."""
    await chats.require(session, turn.user_id, turn.chat_id)
    found: dict[str, Any] = turn.found or {}
    places = [(place[0], place[1], place[2]) for place in found.get("places", [])]
    read = await read_passages(session, turn.user_id, turn.chat_id, places)
    return [
        FoundPassage(lines, score, place)
        for lines, score, place in zip(read, found.get("scores", []), places, strict=True)
    ]


def _with_understood(question: Question, chat: Chat) -> Filters:
    """Answer the limits that the request names, and for the others what its text says."""
    given = question.filters
    understood = limits_of(question.text, chat)
    authors = given.authors or understood.authors
    if given.from_local_time is not None or given.to_local_time is not None:
        return Filters(authors, given.from_local_time, given.to_local_time)
    return replace(understood, authors=authors)


def limits_of(text: str, chat: Chat) -> Filters:
    """Answer what the text of a question limits the search in a chat to."""
    return filters_of(
        text,
        [name for name, _ in chat.participants],
        chat.first_message_local_time,
        chat.last_message_local_time,
        _local_now(chat.time_zone),
    )


def _local_now(time_zone: str) -> datetime:
    """The present local time of a chat, UTC where its zone is not known: it decides no more than a day."""
    return datetime.now(ZoneInfo(time_zone) if time_zone else UTC).replace(tzinfo=None)
