"""Whether somebody really wrote what a language model says they wrote."""

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insight_worker.pipelines.chat_insights.quotes import find, has_unchecked_quote
from insight_worker.pipelines.chat_insights.sample import ShownMessage

_TIME = datetime.fromisoformat("2024-01-02T03:04")


def shown(*texts: str) -> dict[int, ShownMessage]:
    """Messages of Ann at the positions 1, 2, …"""
    return {n: ShownMessage(n, "Ann", _TIME, "text", text) for n, text in enumerate(texts, start=1)}


def found(quote: str, *texts: str, position: int = 1) -> str | None:
    """What is shown of a quote from the message at the position."""
    quote_found = find({"text": quote, "positions": [position]}, shown(*texts))
    return None if quote_found is None else quote_found.text


@pytest.mark.parametrize(
    ("quote", "written", "is_shown"),
    [
        ("see you at noon", "ok, See  you\nat noon!", "See  you\nat noon"),
        ("I can't - really", "I can’t — really", "I can’t — really"),
        ('he said "go"', "he said „go“ twice", "he said „go“"),
        ("straße", "in der STRASSE", "STRASSE"),
        ("wait... what", "Wait… what?", "Wait… what"),
        ("ann\u2069", "\u2068Ann\u2069 left", "Ann"),
        ("吃饭", "我们去吃饭吧", "吃饭"),
        ("love", "in love", "love"),
    ],
)
def test_a_quote_is_shown_as_it_was_written(quote: str, written: str, is_shown: str) -> None:
    assert found(quote, written) == is_shown


@pytest.mark.parametrize(
    ("quote", "written"),
    [
        ("I hate you", "I love you"),
        ("see you … noon", "see you at noon"),
        ("love", "I wear gloves"),
        ("you love I", "I love you"),
        ("", "anything"),
        (" \u200b ", "anything"),
        ("I love you not", "I love you"),
        ("anything", ""),
    ],
)
def test_what_was_not_written_is_not_found(quote: str, written: str) -> None:
    assert found(quote, written) is None


def test_a_quote_is_looked_for_in_the_messages_that_it_names_alone() -> None:
    # Given words that stand in the second message
    assert found("good night", "hello", "good night", position=2) == "good night"
    assert found("good night", "hello", "good night", position=1) is None
    assert found("good night", "hello", "good night", position=3) is None
    # When it names several, then those that hold it not are left out
    quote = find({"text": "good night", "positions": [1, 2, 9]}, shown("hello", "Good night"))
    assert quote is not None
    assert quote.as_json() == {
        "text": "Good night",
        "positions": [2],
        "author": "Ann",
        "sent_local_time": "2024-01-02T03:04:00",
    }


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=60), st.data())
def test_any_stretch_between_words_is_found_and_shown_as_it_stands(text: str, data: st.DataObject) -> None:
    # Given a text that stands between spaces in a message
    written = f"before {text} after"
    # When it is quoted, then what is shown is a part of the message, or the text says nothing
    shown_text = found(text, written)
    assert shown_text is None or shown_text in written
    assert shown_text is not None or not any(character.isalnum() for character in text)


@pytest.mark.parametrize(
    ("sentence", "unchecked"),
    [
        ("Ann writes “see you at noon” often.", False),
        ("Ann writes “see you at noon, my dear” often.", True),
        ('Ann once wrote "I will never come back".', True),
        ("Their „good old times“ come up.", False),
        ("Nothing is quoted here.", False),
        ("«See you at noon» is what Ann says.", False),
        ("Ann wrote ‘I never loved you at all’ to Ben.", True),
        ("Ann wrote 'I never loved you, and I don't now'.", True),
        ("Ann schrieb ‚ich hab dich nie geliebt‘.", True),
        ("Ann schrieb »ich hab dich nie geliebt«.", True),
        ("Ann a écrit ‹je ne t'ai jamais aimé›.", True),
        ("Ann skrev ”jag har aldrig älskat dig”.", True),
        ("Ann wrote 「我从来没有爱过你」.", True),
        ("Ann wrote “我从来没有爱过你”.", True),
        ("Ann wrote 'see you at noon' to Ben.", False),
        ("Ann's jokes aren't Ben's, and the others' replies aren't many.", False),
        ("In the '90s Ann's and Ben's parents' houses were near.", False),
        ("They call it 「老地方」.", False),
    ],
)
def test_a_sentence_quotes_only_what_was_checked(sentence: str, unchecked: bool) -> None:
    assert has_unchecked_quote(sentence, ["ok, see you at noon!"]) == unchecked


@pytest.mark.parametrize(
    ("quote", "written", "is_found"),
    [
        (".", "I love you.", False),
        (" ... ", "I... do not know", False),
        ("?", "Will you come?", False),
        ("...", "...", True),
        ("❤️", "so ❤️ much", True),
        ("7", "7 o'clock", True),
    ],
)
def test_a_quote_without_a_word_or_picture_is_one_only_where_nothing_else_was_written(
    quote: str, written: str, is_found: bool
) -> None:
    # A dot stands in nearly every message: it is no evidence for anything.
    assert (found(quote, written) is not None) == is_found
