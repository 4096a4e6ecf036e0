"""Word lists as data: feelings in seven languages, affection, laughter, and what emoji say.

All lists were written for this project. One TOML file each; a word that ends in * stands for all words that
begin with what is before it.
"""

import tomllib
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "de", "es", "fr", "pt", "it", "nl")
"""The languages that have a list of feelings."""


def load(name: str) -> dict[str, Any]:
    """Reads one list, such as "en" or "emoji". Raises FileNotFoundError for a name that has none."""
    return tomllib.loads(files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))
