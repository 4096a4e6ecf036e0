"""Finds what a language model says that somebody wrote, in what they wrote."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import regex

from ..interface import JsonValue
from .sample import ShownMessage

MIN_SPOKEN_WORDS = 4
"""So many words between quotation marks in a sentence are a quote; fewer are a manner of speaking."""
_SAME = {
    **dict.fromkeys("‘’‚‛`´", "'"),
    **dict.fromkeys("“”„‟«»", '"'),
    **dict.fromkeys("‐‑‒–—−", "-"),
    "…": "...",
}
_INVISIBLE = regex.compile(r"\p{Cf}")
# Marks that languages open and close a quote with. A single mark within a word is an apostrophe, one before a
# number or behind a word stands for what is left out.
_SPOKEN = regex.compile(
    r"[“”„‟]([^“”„‟]+)[“”]|«([^«»]+)»|»([^«»]+)«|‹([^‹›]+)›|›([^‹›]+)‹|「([^「」]+)」|『([^『』]+)』"
    r"|[\"＂]([^\"＂]+)[\"＂]"
    r"|(?<!\w)['‘’‚‛`´](?=[^\s\d])((?:[^'‘’‚‛`´]|(?<=\w)['‘’´](?=\w))+)(?<=\S)['‘’´](?!\w)"
)
_MEANING = regex.compile(r"[\p{L}\p{N}\p{S}]")
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}'’]+")
# Scripts that put no space between words: about two characters say as much as a word.
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")


@dataclass(frozen=True, slots=True)
class FoundQuote:
    """A quote that is there: the words as they were written, by whom and when."""

    text: str
    positions: tuple[int, ...]
    author: str
    sent_local_time: str

    def as_json(self) -> Mapping[str, JsonValue]:
        """The quote as an insight's data has it."""
        return {
            "text": self.text,
            "positions": list(self.positions),
            "author": self.author,
            "sent_local_time": self.sent_local_time,
        }


def is_quote(value: JsonValue) -> bool:
    """Whether a part of a model's answer says that somebody wrote something."""
    return isinstance(value, Mapping) and value.keys() == {"text", "positions"}


def find(quote: Mapping[str, JsonValue], messages: Mapping[int, ShownMessage]) -> FoundQuote | None:
    """Answer the quote as it was really written; None where it was not.

    Its words must stand in one of the messages that it names, in their order, without a gap. Capital letters,
    white space and the shape of quotation marks and dashes do not matter, since models change them; what is
    answered is the stored text, not the model's. Messages that it names and that do not hold it are left out.
    """
    wanted = _plain(str(quote["text"]))[0].strip()
    positions = quote["positions"]
    if not wanted or isinstance(positions, str) or not isinstance(positions, Sequence):
        return None
    for position in positions:
        message = messages.get(int(position)) if isinstance(position, int | float) else None
        text = None if message is None else _occurrence(wanted, message.text)
        if message is not None and text is not None:
            time = message.sent_local_time.isoformat()
            return FoundQuote(text, (message.position,), message.author, time)
    return None


def has_unchecked_quote(sentence: str, checked: Iterable[str]) -> bool:
    """Whether a sentence has words between quotation marks that no checked text holds.

    Nobody is to be said to have written what was not checked.
    """
    written = [_plain(text)[0] for text in checked]
    for spoken in _spoken(sentence):
        plain = _plain(spoken)[0].strip(" .,!?;:。、，！？")
        if _words(spoken) >= MIN_SPOKEN_WORDS and not any(plain in text for text in written):
            return True
    return False


def _words(text: str) -> int:
    """About how many words it has, whatever it is written in."""
    return max(len(_WORD.findall(text)), (len(_UNSPACED.findall(text)) + 1) // 2)


def _spoken(sentence: str) -> Iterator[str]:
    for match in _SPOKEN.finditer(sentence):
        yield next(group for group in match.groups() if group is not None)


def _occurrence(wanted: str, text: str) -> str | None:
    """Answer the stretch of the text that is the wanted one but for its dress; whole words only.

    What is nothing but punctuation stands in nearly every text, and is evidence only as the whole of one.
    """
    plain, origins = _plain(text)
    if not _MEANING.search(wanted) and plain.strip() != wanted:
        return None
    start = plain.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        if not _within_word(plain, start) and not _within_word(plain, end):
            return text[origins[start] : origins[end - 1] + 1]
        start = plain.find(wanted, start + 1)
    return None


def _within_word(text: str, place: int) -> bool:
    """Whether a cut at this place goes through a word. Scripts without spaces may be cut anywhere."""
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    return before.isalnum() and after.isalnum() and before < "\u0e00" and after < "\u0e00"


def _plain(text: str) -> tuple[str, list[int]]:
    """The text without its dress, and for each of its characters the place in the text that it is from."""
    plain: list[str] = []
    origins: list[int] = []
    for place, character in enumerate(text):
        if character.isspace():
            shown = "" if plain and plain[-1] == " " else " "
        elif _INVISIBLE.match(character):
            shown = ""
        else:
            shown = _SAME.get(character, character).casefold()
        plain.extend(shown)
        origins.extend([place] * len(shown))
    return "".join(plain), origins
