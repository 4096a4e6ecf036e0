"""Conversations keep their turns; they go and come back with their chat."""

from typing import Any

import pytest

from protos.chat.v1 import chat_pb2
from tests.chat_service.clients import refused
from tests.chat_service.questions.conftest import PRICE
from tests.chat_service.questions.house import Asker, Connection
from tests.chat_service.test_chats import make_due
from tests.eventually import eventually
from tests.fakes.openai_server import FakeOpenAI
from tests.served import ServedApp


@pytest.fixture
def talk(payer: Asker) -> str:
    """A conversation of two turns."""
    first = payer.ask("Is the lighthouse open?").found
    payer.ask("And the biscuit?", conversation_id=first.conversation_id)
    return first.conversation_id


def test_turns_are_kept_in_order_with_their_passages_and_what_they_took(payer: Asker, talk: str) -> None:
    (listed,) = payer.conversations(chat_id=payer.chat_id)
    kept = payer.conversation(talk)
    assert kept.conversation == listed
    assert (listed.title, listed.turn_count, listed.chat_id) == ("Is the lighthouse open?", 2, payer.chat_id)
    assert [turn.question for turn in kept.turns] == ["Is the lighthouse open?", "And the biscuit?"]
    assert all(turn.answer and turn.passages.passages and turn.usage.charged_amount for turn in kept.turns)
    # page by page
    first = payer.conversation(talk, page_size=1)
    second = payer.conversation(talk, page_size=1, page_token=first.next_page_token)
    assert [*first.turns, *second.turns] == list(kept.turns)
    assert second.next_page_token == ""


def test_an_export_of_the_user_has_the_conversations_with_their_turns(payer: Asker, talk: str) -> None:
    # given a conversation, one that was deleted, and a question that was never answered
    payer.grant(PRICE - 2)
    deleted = payer.ask("forget me").found.conversation_id
    payer.delete_conversation(deleted)
    with refused("INSUFFICIENT_CREDITS"):
        payer.ask("too poor?")
    # when the user takes everything along
    request = chat_pb2.ExportUserRequest(user_id=payer.user_id)
    records = [record.other for record in payer.read_all(payer.users.ExportUser, request)]
    # then what was asked and answered is there, as the user sees it, and nothing that they do not see
    kept = payer.conversation(talk)
    conversations = [
        chat_pb2.Conversation.FromString(one.value) for one in records if _is(one, "Conversation")
    ]
    turns = [
        chat_pb2.ConversationTurn.FromString(one.value) for one in records if _is(one, "ConversationTurn")
    ]
    assert conversations == [kept.conversation]
    assert turns == list(kept.turns)


def _is(packed: Any, name: str) -> bool:
    return bool(packed.TypeName() == f"chat.v1.{name}")


def test_the_model_is_given_the_turns_before(payer: Asker, talk: str, model: FakeOpenAI) -> None:
    told = model.requests[-1].body["messages"]
    assert [one["role"] for one in told] == ["system", "user", "assistant", "user"]
    assert told[1]["content"] == "Is the lighthouse open?"
    assert told[2]["content"] == payer.conversation(talk).turns[0].answer


def test_conversations_are_listed_newest_first_page_by_page(asker: Asker) -> None:
    ids = [asker.ask(f"question {number}").found.conversation_id for number in range(3)]
    assert [one.conversation_id for one in asker.conversations()] == ids[::-1]
    request = chat_pb2.ListConversationsRequest(user_id=asker.user_id, page_size=2)
    first = asker.call(asker.chats.ListConversations, request)
    request.page_token = first.next_page_token
    rest = asker.call(asker.chats.ListConversations, request)
    assert [one.conversation_id for one in [*first.conversations, *rest.conversations]] == ids[::-1]
    with refused("INVALID_FIELD", field="page_token"):
        asker.conversations(page_token=first.next_page_token, chat_id=asker.chat_id)


def test_a_conversation_of_another_user_or_chat_is_not_found(payer: Asker, talk: str) -> None:
    stranger = payer.new_user()
    for call in (payer.conversation, payer.delete_conversation):
        with refused("CONVERSATION_NOT_FOUND", conversation_id=talk):
            call(talk, user_id=stranger)
    with refused("CHAT_NOT_FOUND"):
        payer.conversations(user_id=stranger, chat_id=payer.chat_id)
    other_chat = payer.import_file(b"01/03/2024, 10:00 - Anna: hello there\n", user_id=payer.user_id).chat_id
    with refused("CONVERSATION_NOT_FOUND", conversation_id=talk):
        payer.ask("what?", conversation_id=talk, chat_id=other_chat)


def test_a_deleted_conversation_is_gone_from_every_read(payer: Asker, talk: str) -> None:
    deleted = payer.delete_conversation(talk)
    assert deleted.HasField("delete_time")
    # repeating answers as the first time
    assert payer.delete_conversation(talk) == deleted
    assert payer.conversations() == []
    with refused("CONVERSATION_NOT_FOUND"):
        payer.conversation(talk)
    with refused("CONVERSATION_NOT_FOUND"):
        payer.ask("more?", conversation_id=talk)


def test_conversations_and_index_go_and_come_back_with_their_chat(asker: Asker) -> None:
    kept, alone = (asker.ask(question).found.conversation_id for question in ("one", "two"))
    asker.delete_conversation(alone)
    asker.delete(asker.user_id, asker.chat_id)
    # while the chat is deleted there is neither, also for a repeated delete
    assert asker.conversations() == []
    for call in (asker.conversation, asker.delete_conversation):
        with refused("CONVERSATION_NOT_FOUND"):
            call(kept)
    # an undelete brings back what went with the chat, and nothing that was deleted before
    asker.undelete(asker.user_id, asker.chat_id)
    assert [one.conversation_id for one in asker.conversations()] == [kept]
    assert asker.index().percent == 100


def test_a_purged_chat_leaves_no_vector_no_word_and_no_question(
    asker: Asker, free_app: ServedApp, ask_database: Connection
) -> None:
    asker.ask("one")
    asker.delete(asker.user_id, asker.chat_id)
    make_due(ask_database, asker.chat_id)
    purge = free_app.app.spec.background[0].__self__
    while free_app.run(purge.purge_one):
        pass
    tables = (
        "chat_indexes",
        "chat_chunks",
        "chat_vectors",
        "chat_signs",
        "conversations",
        "conversation_turns",
    )
    rows = " UNION ALL ".join(f"SELECT user_id FROM {table}" for table in tables)
    # The server's own task may hold the chat: then this one skipped it.
    assert eventually(
        lambda: asker.sql(f"SELECT count(*) FROM ({rows}) AS r WHERE user_id = %s", asker.user_id) == [(0,)]
    )
