"""Indexes are made piece by piece, by whoever holds the lease, and made anew when the model changes."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import grpc
import pytest

from chat_service.search import indexer, pieces, repository
from chat_service.search.indexer import Indexer
from chat_service.search.repository import Claim, LeaseLost
from protos.chat.v1 import chat_pb2
from protos.insight.v1 import insight_pb2, insight_pb2_grpc
from servicekit.errors import ServiceError
from servicekit.retry import execute_with_lock_retry
from tests.chat_service.clients import export, refused
from tests.chat_service.questions.house import Asker
from tests.fakes.openai_server import Behaviour, FakeOpenAI
from tests.served import ServedApp

COUNT = 1_300


def stored(asker: Asker) -> dict[str, list[Any]]:
    """All that the index of the asker's chat holds, in order."""
    columns = {
        "chat_chunks": "number, first_position, last_position, part, words::text",
        "chat_vectors": "number, embedding::text",
        "chat_signs": "number, chunk_number, signs::text",
    }
    return {
        table: asker.sql(f"SELECT {listed} FROM {table} WHERE chat_id = %s ORDER BY number", asker.chat_id)
        for table, listed in columns.items()
    }


def test_the_planner_knows_how_much_a_new_index_holds(asker: Asker) -> None:
    counted = "SELECT sum(analyze_count) FROM pg_stat_user_tables WHERE relname IN (%s, %s, %s)"
    tables = ("chat_chunks", "chat_signs", "chat_vectors")
    ((before,),) = asker.sql(counted, *tables)
    # when an index was made for a first question, then its tables were counted
    asker.ask("message 1")
    asker.until(lambda: asker.sql(counted, *tables)[0][0] >= before + 3)


def test_an_index_whose_maker_died_is_gone_on_with_and_is_the_same(asker: Asker) -> None:
    asker.chat_id = asker.import_file(export(COUNT), user_id=asker.user_id).chat_id
    asker.ask("message 7")
    whole = stored(asker)
    assert len(whole["chat_vectors"]) == COUNT
    (middle,) = asker.sql(
        "SELECT number, first_position FROM chat_chunks WHERE chat_id = %s AND number = 80", asker.chat_id
    )
    # given one that ended in the middle, with its lease still held by somebody who is dead
    chunk, position = middle
    for table, first in (("chat_chunks", chunk), ("chat_vectors", position), ("chat_signs", position)):
        asker.sql(f"DELETE FROM {table} WHERE chat_id = %s AND number >= %s", asker.chat_id, first)
    asker.sql(
        "UPDATE chat_indexes SET state = 'BUILDING', next_position = %s, chunk_count = %s, vector_count = %s,"
        " lease_id = gen_random_uuid(), due_time = now() WHERE chat_id = %s",
        position,
        chunk - 1,
        position - 1,
        asker.chat_id,
    )
    # then another one goes on, and what comes out is what one run makes
    asker.until(lambda: asker.index().state == chat_pb2.INDEX_STATE_READY)
    assert stored(asker) == whole


def test_a_maker_that_lost_its_lease_writes_nothing(asker: Asker, free_app: ServedApp) -> None:
    asker.ask("one")
    before = stored(asker)
    sessions = free_app.app.core.sessions
    lost = Claim(
        user_id=asker.user_id,
        chat_id=uuid.UUID(asker.chat_id),
        lease_id=uuid.uuid4(),
        next_position=1,
        chunk_count=0,
        vector_count=0,
        message_count=6,
    )
    for work in (
        partial(Indexer._store, indexer_of(free_app), claim=lost, piece=pieces.Piece((), 7), vectors=[]),
        partial(Indexer._begin, indexer_of(free_app), claim=lost),
        partial(repository.give_up, claim=lost, problem="x", pause=timedelta(0), max_tries=1),
    ):
        with pytest.raises(LeaseLost):
            free_app.run(partial(execute_with_lock_retry, sessions, work))
    assert stored(asker) == before
    assert asker.index().state == chat_pb2.INDEX_STATE_READY


def indexer_of(app: ServedApp) -> Any:
    """The server's own indexer."""
    return app.app.questions.background[0].__self__


def test_an_index_of_another_model_is_made_anew(
    asker: Asker, serve: Callable[..., ServedApp], connect: Callable[..., Asker], model: FakeOpenAI
) -> None:
    asker.ask("one")
    assert asker.index().model.startswith("fake-embedding@")
    # when the operator chooses vectors of another length
    other = connect(serve(embedding_dimensions=24))
    other.user_id, other.chat_id = asker.user_id, asker.chat_id
    assert other.index().state == chat_pb2.INDEX_STATE_PENDING
    assert other.ask("What is the sourdough called?").texts[0] == "the sourdough is called Gerald"
    # then all of its vectors are of the new model
    assert other.index().model.endswith("/24")
    dimensions = asker.sql(
        "SELECT DISTINCT vector_dims(embedding) FROM chat_vectors WHERE chat_id = %s", asker.chat_id
    )
    assert dimensions == [(24,)]


def test_an_index_that_cannot_be_made_says_why_and_the_next_question_begins_again(
    asker: Asker, model: FakeOpenAI
) -> None:
    model.behave(Behaviour("error"))
    with refused("CHAT_NOT_READY", chat_id=asker.chat_id, state="INDEX_FAILED"):
        asker.ask("one")
    failed = asker.index()
    assert failed.state == chat_pb2.INDEX_STATE_FAILED
    assert "InternalServerError" in failed.error_message
    model.behave()
    assert asker.ask("one").texts
    assert (asker.index().state, asker.index().error_message) == (chat_pb2.INDEX_STATE_READY, "")


def test_a_question_waits_no_longer_for_the_index_than_it_is_told(
    serve: Callable[..., ServedApp], connect: Callable[..., Asker], model: FakeOpenAI
) -> None:
    hasty = connect(serve(ask_index_wait_s=0.0))
    model.behave(Behaviour("hold"))
    with refused("CHAT_NOT_READY", chat_id=hasty.chat_id):
        hasty.ask("one")
    model.release()
    hasty.until(lambda: hasty.index().state == chat_pb2.INDEX_STATE_READY)


def test_a_question_that_does_not_wait_is_told_how_far_the_index_is(
    serve: Callable[..., ServedApp], connect: Callable[..., Asker], model: FakeOpenAI
) -> None:
    hasty = connect(serve(ask_index_wait_s=0.0))
    hasty.chat_id = hasty.import_file(export(COUNT), user_id=hasty.user_id).chat_id
    # given a model that stops in the second piece of an index
    model.behave(Behaviour("answer", times=pieces.MESSAGES // indexer.BATCH + 1), Behaviour("hold"))
    with refused("CHAT_NOT_READY", chat_id=hasty.chat_id):
        hasty.ask("one")
    hasty.until(lambda: hasty.index().percent > 0)
    percent = hasty.index().percent
    # when another question is asked, then it is refused with the share that there is
    with pytest.raises(ServiceError, match=rf"its index is being made \({percent} %\)") as unready:
        hasty.ask("one")
    assert unready.value.metadata == {
        "chat_id": hasty.chat_id,
        "state": "INDEX_BUILDING",
        "percent": str(percent),
    }
    model.release()
    hasty.until(lambda: hasty.index().state == chat_pb2.INDEX_STATE_READY)


def test_a_chat_whose_insights_are_ordered_gets_its_index_where_that_is_set(
    serve: Callable[..., ServedApp], connect: Callable[..., Asker]
) -> None:
    app = serve(index_at_unlock=True)
    user = connect(app)
    user.grant(1_000)
    request = insight_pb2.UnlockRequest(
        user_id=user.user_id,
        chat_id=user.chat_id,
        category_id="friendship",
        request_id=str(uuid.uuid4()),
    )
    with grpc.insecure_channel(app.target) as channel:
        insight_pb2_grpc.InsightServiceStub(channel).Unlock(request, timeout=30)
    user.until(lambda: user.index().state == chat_pb2.INDEX_STATE_READY)
