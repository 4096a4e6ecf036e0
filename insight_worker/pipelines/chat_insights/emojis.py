"""Emoji as people see them: one family or one flag is one emoji, however many code points it takes."""

from functools import cache

import regex
from emoji import EMOJI_DATA, STATUS, emoji_list

_VARIATION = "\ufe0f"
_TEXT_SIGNS = frozenset("™©®")
_SKIN_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
# A grapheme that begins like an emoji. Which of them are emoji is then looked up.
_CANDIDATE = regex.compile(r"(?=[\u203c-\u3299\U0001f000-\U0001faff]|[0-9#*]\ufe0f?\u20e3)\X")


def find_emoji(text: str) -> list[str]:
    """The emoji of a text in order, each in the form that shows in colour. Skin tones stay as written.

    Signs that are text first (™, ©, ®) are not counted.
    """
    if text.isascii():
        return []
    found: list[str] = []
    for grapheme in _CANDIDATE.findall(text):
        found.extend(_emoji_of(grapheme))
    return found


def plain(emoji: str) -> str:
    """An emoji without skin tone and variation: what its meaning is looked up by."""
    return "".join(character for character in emoji if character not in _SKIN_TONES + _VARIATION)


@cache
def _shown_forms() -> dict[str, str]:
    """Every emoji without variation selectors, to its fully qualified form."""
    full = STATUS["fully_qualified"]
    forms = {
        emoji.replace(_VARIATION, ""): emoji for emoji, data in EMOJI_DATA.items() if data["status"] == full
    }
    return {form: emoji for form, emoji in forms.items() if form not in _TEXT_SIGNS}


def _emoji_of(grapheme: str) -> list[str]:
    """The emoji in one grapheme: none, itself, or several where a strange cluster joins them."""
    forms = _shown_forms()
    bare = grapheme.replace(_VARIATION, "")
    if bare in forms:
        return [forms[bare]]
    if bare.isalnum():
        return []
    parts = [str(found["emoji"]).replace(_VARIATION, "") for found in emoji_list(grapheme)]
    return [forms[part] for part in parts if part in forms]
