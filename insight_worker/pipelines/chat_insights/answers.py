"""Judges what a language model answered: an insight, or why it cannot be used."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import regex
from jsonschema import Draft202012Validator

from ..interface import InsightFailed, InsightResult, JsonValue, ModelRecipe
from .drawing import draw
from .quotes import FoundQuote, find, has_unchecked_quote, is_quote
from .sample import Sample

MAX_SENTENCE_CHARACTERS = 1_024
MAX_TEXT_CHARACTERS = 4_000
_LINK = regex.compile(r"https?://|\bwww\.\S|\b\w+\.(?:com|net|org|io|info|xyz|ru|app)/", regex.IGNORECASE)
# Some endpoints put JSON into a fence, whatever they are asked for.
_FENCE = regex.compile(r"\A\s*```\w*\s*\n(.*)\n\s*```\s*\Z", regex.DOTALL)
_INVALID = "MODEL_ANSWER_INVALID"
_LARGEST_INTEGER = 2**53


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why an answer cannot be used: a reason for the job, and what the model is told when asked again.

    It is told no words of its answer: they may be words of the chat, and this is no place for those.
    """

    reason: str
    problem: str

    def as_failure(self) -> InsightFailed:
        """Answer it as the end of the insight; what the model said is not repeated."""
        if self.reason == "QUOTES_NOT_FOUND":
            return InsightFailed(self.reason, "The language model quoted what nobody wrote.")
        if self.reason == "MODEL_REFUSED":
            return InsightFailed(self.reason, "The language model refused to answer.")
        return InsightFailed(self.reason, "The language model gave no usable answer.")


def judge(
    saved: Mapping[str, JsonValue], recipe: ModelRecipe, sample: Sample, facts: Sequence[str]
) -> InsightResult | Unusable:
    """Answer the insight that a saved answer makes. Depends on nothing but its arguments."""
    ended = saved.get("ended")
    if ended == "refused":
        return Unusable("MODEL_REFUSED", "it was refused.")
    if ended == "cut_off":
        return Unusable(_INVALID, "it was too long and was cut off. Be brief.")
    answer = _parsed(str(saved.get("text", "")))
    errors = Draft202012Validator(recipe.result_schema).iter_errors(answer)
    error = next(iter(errors), None)
    if error is not None:
        return Unusable(_INVALID, f"it does not fit the schema at {error.json_path}.")
    return _checked(answer, recipe, sample, facts, str(saved.get("model", "")))


def _checked(
    answer: Mapping[str, Any], recipe: ModelRecipe, sample: Sample, facts: Sequence[str], model: str
) -> InsightResult | Unusable:
    checker = _Checker(sample)
    data = checker.with_quotes(answer)
    if checker.missing is not None:
        told = f"the quote at the positions {checker.missing} does not stand in those messages."
        return Unusable("QUOTES_NOT_FOUND", told)
    checked = [*(quote.text for quote in checker.found), *facts]
    for text in _texts(data):
        problem = _problem_of(text, checked)
        if problem is not None:
            return problem
    sentences = tuple(sentence.strip() for sentence in answer["sentences"])
    del data["sentences"]
    if not all(0 < len(sentence) <= MAX_SENTENCE_CHARACTERS for sentence in sentences):
        return Unusable(_INVALID, f"sentences have 1 to {MAX_SENTENCE_CHARACTERS} characters.")
    read: JsonValue = {
        "name": model,
        "messages_read": len(sample.messages),
        "message_count": sample.message_count,
    }
    return InsightResult({"chart": draw(recipe, answer), **data, "model": read}, sentences)


def _problem_of(text: str, checked: Sequence[str]) -> Unusable | None:
    if len(text) > MAX_TEXT_CHARACTERS:
        return Unusable(_INVALID, f"no text may be longer than {MAX_TEXT_CHARACTERS} characters.")
    if _LINK.search(text):
        return Unusable(_INVALID, "it holds a link.")
    if has_unchecked_quote(text, checked):
        return Unusable("QUOTES_NOT_FOUND", "words stand between quotation marks and are no quote.")
    return None


class _Checker:
    """Replaces the quotes of an answer by what was really written."""

    def __init__(self, sample: Sample) -> None:
        self._messages = sample.messages
        self.found: list[FoundQuote] = []
        #: The positions that the first quote which is not there has named.
        self.missing: list[int] | None = None

    def with_quotes(self, answer: Mapping[str, Any]) -> dict[str, JsonValue]:
        return {name: self._value(value) for name, value in answer.items()}

    def _value(self, value: Any) -> JsonValue:
        if is_quote(value):
            quote = find(value, self._messages)
            if quote is None:
                self.missing = self.missing or [int(position) for position in value["positions"]]
                return None
            self.found.append(quote)
            return quote.as_json()
        if isinstance(value, dict):
            return self.with_quotes(value)
        return [self._value(item) for item in value] if isinstance(value, list) else value


def _texts(value: JsonValue) -> Iterator[str]:
    """All texts that the model wrote itself; those of quotes are somebody else's."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        if "sent_local_time" not in value:
            for inner in value.values():
                yield from _texts(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _texts(inner)


def _parsed(text: str) -> Any:
    fenced = _FENCE.match(text)
    try:
        answer = json.loads(
            fenced.group(1) if fenced else text,
            parse_constant=_finite,
            parse_float=_finite,
            parse_int=_storable,
        )
        # What is half a character cannot be stored, and raises here.
        written = json.dumps(answer, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return None if b"\\u0000" in written else answer


def _storable(number: str) -> int:
    """Numbers are stored as 64-bit floats: an integer that they cannot hold is no count and no position."""
    value = int(number)
    if abs(value) > _LARGEST_INTEGER:
        raise ValueError("an integer is too large")
    return value


def _finite(number: str) -> float:
    """JSON has no NaN and no infinity, but Python reads both, and 1e999 as the latter."""
    value = float(number)
    if not isfinite(value):
        raise ValueError(number)
    return value
