"""What a question costs: reserved before, charged when the answer is stored, released otherwise."""

import uuid
from collections.abc import Callable
from functools import partial

import grpc
import pytest

from protos.chat.v1 import chat_pb2
from tests.chat_service.clients import refused
from tests.chat_service.questions.conftest import PRICE
from tests.chat_service.questions.house import Asker
from tests.fakes.openai_server import Behaviour, FakeOpenAI, Kind
from tests.served import ServedApp


def completions(model: FakeOpenAI) -> int:
    """How often an answer was asked for."""
    return sum(one.path.endswith("/chat/completions") for one in model.requests)


def test_an_answered_question_is_charged_once_however_often_it_is_repeated(
    payer: Asker, model: FakeOpenAI
) -> None:
    request = payer.request("Is the lighthouse open?")
    # given an answered question
    first = payer.parts(request)
    assert payer.coins() == (12 - PRICE, 0)
    assert first[-1].usage.charged_amount == PRICE
    assert first[-1].usage.transaction_id
    # when it is repeated
    again = payer.parts(request)
    # then the stored answer comes, with the same payment, and nobody was asked
    assert again[-1] == first[-1]
    assert "".join(part.token for part in again) == "".join(part.token for part in first)
    assert again[0].passages == next(part.passages for part in first if part.HasField("passages"))
    assert payer.coins() == (12 - PRICE, 0)
    assert completions(model) == 1
    assert len(payer.reservations()) == 1


def test_a_refusal_for_lack_of_coins_is_remembered(payer: Asker, model: FakeOpenAI) -> None:
    payer.ask("one")
    payer.ask("two")
    request = payer.request("three")
    for _ in range(2):
        with refused("INSUFFICIENT_CREDITS", required=PRICE, available=2):
            payer.parts(request)
        # even when there are coins now
        payer.grant(100)
    assert completions(model) == 2
    # another request is another question
    payer.ask("three")


def test_a_user_without_an_account_has_too_few_coins(payer: Asker) -> None:
    payer.user_id = payer.new_user()
    payer.chat_id = payer.import_file(
        b"01/03/2024, 10:00 - Anna: hello there\n", user_id=payer.user_id
    ).chat_id
    with refused("INSUFFICIENT_CREDITS", required=PRICE, available=0):
        payer.ask("what?")


@pytest.mark.parametrize("kind", ["error", "truncated", "cut", "refusal", "rate_limited"])
def test_an_answer_that_does_not_come_to_its_end_costs_nothing_and_can_be_asked_for_again(
    payer: Asker, model: FakeOpenAI, kind: Kind
) -> None:
    # given an index, whose embeddings the same server makes
    payer.ask("warm up")
    balance = payer.coins()
    request = payer.request("Is the lighthouse open?")
    # when the model embeds the question and fails to answer it
    model.behave(Behaviour("answer", times=1), Behaviour(kind))
    with refused("MODEL_UNAVAILABLE"):
        payer.parts(request)
    # then the coins are back when the caller hears of it
    assert payer.coins() == balance
    # and the same request tries again
    model.behave()
    assert payer.parts(request)[-1].usage.charged_amount == PRICE
    assert payer.turn(request)[:2] == ("COMPLETED", 2)
    assert payer.coins() == (balance[0] - PRICE, 0)


def test_characters_that_cannot_be_stored_do_not_cost_the_answer(payer: Asker, model: FakeOpenAI) -> None:
    # given a model that writes a NUL and a half of an emoji
    model.answer_with(lambda _: "It was\0 closed \ud83d.")
    request = payer.request("Is the lighthouse open?")
    # then the rest of what it wrote is the answer, now and when it is repeated
    for _ in range(2):
        assert "".join(part.token for part in payer.parts(request)) == "It was closed ?."
    assert payer.coins() == (12 - PRICE, 0)


def test_a_caller_who_goes_away_gets_the_coins_back(payer: Asker, model: FakeOpenAI) -> None:
    payer.ask("warm up")
    request = payer.request("Is the lighthouse open?")
    model.behave(Behaviour("answer", times=1), Behaviour("hold"))
    # given a question whose model does not answer yet
    call = payer.begin(request)
    assert next(call).WhichOneof("part") == "passages"
    assert payer.coins() == (12 - PRICE, PRICE)
    # when the caller goes away
    call.cancel()
    # then the coins are back
    payer.until(lambda: payer.coins() == (12 - PRICE, 0))
    payer.until(lambda: payer.turn(request)[0] == "FAILED")


def test_a_caller_who_goes_away_while_coins_are_reserved_gets_them_back(
    payer: Asker, model: FakeOpenAI
) -> None:
    # given a model that answers nobody, and callers who go away at once, wherever their question is
    model.behave(Behaviour("hold"))
    requests = [payer.request("Is the lighthouse open?") for _ in range(8)]
    for place, request in enumerate(requests):
        call = payer.begin(request)
        payer.until(partial(_begun, payer, request, place))
        call.cancel()
    # then none of them has coins reserved in the end, and none has paid
    payer.until(lambda: payer.coins() == (12, 0))
    payer.until(lambda: all(payer.turn(one)[:1] in ((), ("FAILED",)) for one in requests))


def _begun(payer: Asker, request: chat_pb2.AskChatRequest, place: int) -> bool:
    """Whether it is time to go away: for some at once, for the others once there is a turn."""
    return place % 4 == 0 or bool(payer.turn(request))


def test_a_question_that_nothing_was_found_for_costs_nothing(payer: Asker, model: FakeOpenAI) -> None:
    asked = payer.ask("anything?", authors=["Nobody"])
    assert asked.texts == []
    assert (asked.answer, asked.usage.charged_amount, asked.usage.model) == ("", 0, "")
    assert payer.coins() == (12, 0)
    assert completions(model) == 0


def test_a_chat_that_is_deleted_while_it_is_asked_gives_the_coins_back(
    payer: Asker, model: FakeOpenAI
) -> None:
    payer.ask("warm up")
    model.behave(Behaviour("answer", times=1), Behaviour("hold"))
    call = payer.begin(payer.request("Is the lighthouse open?"))
    next(call)
    payer.delete(payer.user_id, payer.chat_id)
    model.release()
    with pytest.raises(grpc.RpcError) as raised:
        list(call)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    assert payer.coins() == (12 - PRICE, 0)


def test_passages_that_are_the_whole_answer_are_shown_when_they_are_paid(
    connect: Callable[..., Asker], serve: Callable[..., ServedApp], model: FakeOpenAI
) -> None:
    # given a service without a model to write answers, where passages cost coins
    payer = connect(serve(ask_price=PRICE))
    payer.grant(2 * PRICE)
    assert payer.ask("Is the lighthouse open?").kinds[-2:] == ["passages", "usage"]
    # when a question's coins are gone before it is charged
    model.behave(Behaviour("hold"))
    call = payer.begin(payer.request("Is the lighthouse closed?"))
    payer.until(lambda: payer.coins() == (PRICE, PRICE))
    payer.release(payer.reservations()[0].reservation_id)
    model.release()
    # then the error is the first that comes
    with pytest.raises(grpc.RpcError) as raised:
        next(call)
    assert "RESERVATION_ALREADY_RELEASED" in str(raised.value.trailing_metadata())
    assert payer.coins() == (PRICE, 0)


def test_two_callers_with_one_request_get_one_answer_for_one_payment(payer: Asker, model: FakeOpenAI) -> None:
    payer.ask("warm up")
    model.forget()
    model.behave(Behaviour("answer", times=1), Behaviour("hold"))
    request = payer.request("Is the lighthouse open?")
    first = payer.begin(request)
    next(first)
    second = payer.begin(request)
    model.release()
    assert list(first)[-1] == list(second)[-1]
    assert completions(model) == 1
    assert payer.coins() == (12 - 2 * PRICE, 0)


class TestCrashes:
    """What a service that was killed leaves behind, put into the rows as it would be there."""

    def test_an_attempt_that_died_is_taken_over_once_its_lease_has_run_out(
        self, payer: Asker, model: FakeOpenAI
    ) -> None:
        request = payer.request("Is the lighthouse open?")
        payer.parts(request)
        # given a turn whose service died before it stored the answer
        payer.sql(
            "UPDATE conversation_turns SET state = 'ASKED', found = NULL, answer = '', transaction_id = NULL,"
            " reservation_id = NULL, lease_expire_time = now() + interval '1 hour' WHERE request_id = %s",
            request.request_id,
        )
        # when it is repeated, it waits for the lease
        call = payer.begin(request)
        payer.sql(
            "UPDATE conversation_turns SET lease_expire_time = now() WHERE request_id = %s",
            request.request_id,
        )
        # then another attempt answers, with a reservation of its own
        assert list(call)[-1].usage.charged_amount == PRICE
        assert payer.turn(request)[:2] == ("COMPLETED", 2)
        assert len({one.reservation_id for one in payer.reservations()}) == 2

    def test_an_attempt_that_was_taken_over_stores_nothing_and_gives_its_coins_back(
        self, payer: Asker, model: FakeOpenAI
    ) -> None:
        # given an attempt that is thought dead: another one has begun
        payer.ask("warm up")
        request = payer.request("Is the lighthouse open?")
        model.behave(Behaviour("answer", times=1), Behaviour("hold"))
        call = payer.begin(request)
        next(call)
        payer.sql("UPDATE conversation_turns SET attempt = 2 WHERE request_id = %s", request.request_id)
        # when it has its answer after all
        model.release()
        with pytest.raises(grpc.RpcError) as raised:
            list(call)
        # then it says so, the turn is the other one's, and nothing is reserved for it
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
        assert payer.turn(request) == ("ASKED", 2, None)
        assert payer.coins() == (12 - PRICE, 0)

    def test_what_the_attempt_that_died_had_reserved_is_not_missing_to_the_next_one(
        self, payer: Asker, model: FakeOpenAI
    ) -> None:
        # given coins for one more question, and a service that died behind their Reserve
        payer.ask("warm up")
        payer.ask("one more")
        payer.grant(PRICE - 2)
        model.behave(Behaviour("answer", times=1), Behaviour("hold"))
        request = payer.request("Is the lighthouse open?")
        died = payer.begin(request)
        next(died)
        payer.until(lambda: model.requests[-1].kind == "hold")
        assert payer.coins() == (PRICE, PRICE)
        payer.sql(
            "UPDATE conversation_turns SET lease_expire_time = now() WHERE request_id = %s",
            request.request_id,
        )
        model.behave()
        # when the same request begins anew, long before that reservation expires
        answered = payer.parts(request)
        # then nobody says, once and for all, that the user has too few coins
        assert answered[-1].usage.charged_amount == PRICE
        assert payer.coins() == (0, 0)
        # and an attempt that was only thought dead neither answers nor pays
        model.release()
        with pytest.raises(grpc.RpcError):
            list(died)
        assert payer.turn(request)[:2] == ("COMPLETED", 2)
        assert payer.coins() == (0, 0)

    def test_an_answer_that_was_charged_but_not_marked_is_marked_with_the_same_payment(
        self, payer: Asker
    ) -> None:
        request = payer.request("Is the lighthouse open?")
        payer.parts(request)
        before = payer.turn(request)
        # given a service that died between the charge and its note
        self._unsettle(payer, request.request_id)
        # then the background task finds the payment that was made
        payer.until(lambda: payer.turn(request)[0] == "COMPLETED")
        assert payer.turn(request) == before
        assert payer.coins() == (12 - PRICE, 0)

    def test_an_answer_whose_coins_are_gone_is_dropped_and_can_be_asked_for_again(
        self, payer: Asker, model: FakeOpenAI
    ) -> None:
        # given a service that died before the charge, and a reservation that is over
        payer.ask("warm up")
        request = payer.request("Is the lighthouse open?")
        model.behave(Behaviour("answer", times=1), Behaviour("hold"))
        call = payer.begin(request)
        next(call)
        (reserved, *_) = payer.reservations()
        payer.release(reserved.reservation_id)
        model.release()
        # then the caller hears it, nothing is shown, and nothing was paid
        with pytest.raises(grpc.RpcError) as raised:
            list(call)
        assert "RESERVATION_ALREADY_RELEASED" in str(raised.value.trailing_metadata())
        assert payer.turn(request)[0] == "FAILED"
        (conversation,) = payer.conversations()
        assert conversation.turn_count == 1
        assert payer.coins() == (12 - PRICE, 0)
        # and the same request begins anew
        model.behave()
        assert payer.parts(request)[-1].usage.charged_amount == PRICE

    def test_a_repeated_question_charges_an_answer_that_was_not_yet(self, payer: Asker) -> None:
        request = payer.request(f"Is the lighthouse open? {uuid.uuid4()}")
        first = payer.parts(request)
        self._unsettle(payer, request.request_id, later=True)
        assert payer.parts(request)[-1] == first[-1]
        assert payer.turn(request)[0] == "COMPLETED"
        assert payer.coins() == (12 - PRICE, 0)

    @staticmethod
    def _unsettle(payer: Asker, request_id: str, *, later: bool = False) -> None:
        """Put a turn back to where its answer is stored and its charge is not noted."""
        payer.sql(
            "WITH turn AS (UPDATE conversation_turns SET state = 'ANSWERED', transaction_id = NULL,"
            " settle_time = now() + %s * interval '1 hour' WHERE request_id = %s RETURNING conversation_id)"
            " UPDATE conversations SET turn_count = turn_count - 1 FROM turn"
            " WHERE conversations.conversation_id = turn.conversation_id",
            int(later),
            request_id,
        )
