"""The version that the API names."""

import tomllib
from importlib import metadata
from pathlib import Path

_PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def _version() -> str:
    """Answer the installed version, or that of the checkout that this runs from."""
    try:
        return metadata.version("holdfast")
    except metadata.PackageNotFoundError:
        return str(tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"])


VERSION = _version()
