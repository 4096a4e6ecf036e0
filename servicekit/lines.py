"""Text that stays on its line, whoever reads it.

A line format (JSON lines, server-sent events, one message a line in a prompt, an operator's list) promises
that a line ends where its writer ended it. Readers disagree on where that is: the formats say at LF, while
Python's ``str.splitlines``, and with it many clients, also ends a line at CR, VT, FF, FS, GS, RS, NEL, and at
the separators U+2028 and U+2029. What is written here ends a line for none of them.
"""

import json
import re
from collections.abc import Mapping

#: JSON escapes every control character below U+0020 by itself; these are what it leaves as they are.
_LINE_ENDS_IN_JSON = ("\u0085", "\u2028", "\u2029")

#: With these begin the control tokens of open models, such as <|im_start|> and [INST]; DEL steers terminals.
_INERT = {ord(character): f"\\u{ord(character):04x}" for character in "<[\u007f"}

#: A citation such as [17] is no control token, and a model that reads its own must recognise them.
_TOKEN_BEGIN = re.compile(r"<|\[(?![0-9]+\])")
_WORD_JOINER = "\u2060"


def json_line(value: object) -> str:
    """Return the value as compact JSON on one line, without the line's end."""
    return one_line(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def one_line(json_text: str) -> str:
    """Return the same JSON such that no reader ends a line in it.

    The text must be JSON without line breaks between its tokens, as pydantic and `json.dumps` without
    `indent` write it: what is replaced then stands in strings only, where an escape means the same.
    """
    for character in _LINE_ENDS_IN_JSON:
        json_text = json_text.replace(character, f"\\u{ord(character):04x}")
    return json_text


def inert_json(fields: Mapping[str, str | int | float | None]) -> str:
    """Return the fields as one line of JSON for a prompt: no text in them can end or step out of it.

    JSON escapes quotes and control characters, so that a text stays within its string. `<` and `[` are
    escaped too: an escape begins a control token for no tokenizer, and reads back as what it stands for.
    The fields hold no lists, so that every `[` stands in a string.
    """
    return one_line(json.dumps(fields, ensure_ascii=False)).translate(_INERT)


def inert_text(text: str) -> str:
    """Return a text for a prompt outside of JSON: a word joiner breaks what a control token would begin with.

    Unlike an escape it is invisible, so that a model which imitates what it reads writes nothing odd.
    """
    return _TOKEN_BEGIN.sub(lambda found: found[0] + _WORD_JOINER, text)


def printable(text: str) -> str:
    """Return the text for a line on a terminal: what does not print, ends lines or steers is written out."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
