"""Writes docs/settings.md from the settings classes: `python -m docs.make_settings`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from chat_service.settings import ChatSettings
from credit_service.settings import CreditSettings
from gateway.settings import GatewaySettings
from insight_worker.settings import WorkerSettings
from servicekit.language_model import ModelSettings
from servicekit.settings import KitSettings

FILE = Path(__file__).with_name("settings.md")
ROOT = Path(__file__).parent.parent
_ROOMS: Mapping[str, type[KitSettings]] = {
    "Every process": KitSettings,
    "A language model, for chat_service and insight_worker": ModelSettings,
    "credit_service": CreditSettings,
    "chat_service": ChatSettings,
    "insight_worker": WorkerSettings,
    "gateway": GatewaySettings,
}
_HEAD = """# Settings

Environment variables, or lines of a `.env` file in the working directory; the environment wins. A tool that
runs beside `make run` finds its embedded stores and ports by itself, in `stores.env` of the data directory.
A process refuses to start on a value that is out of range, and names the setting without a secret. With
`HOLDFAST_ENVIRONMENT=production` it also refuses the development defaults of secrets.

This page is made by `python -m docs.make_settings`; a test compares.
"""


def page() -> str:
    """Answer the page: a table a room, each with the settings that are its own."""
    return "\n".join((_HEAD, *_tables()))


def _tables() -> Iterator[str]:
    for room, settings in _ROOMS.items():
        bases = [base for base in _ROOMS.values() if base is not settings and issubclass(settings, base)]
        common = {name for base in bases for name in base.model_fields}
        own = [name for name in settings.model_fields if name not in common]
        yield f"## {room}\n\n| variable | default | what it is |\n|---|---|---|"
        yield "\n".join(_row(name, settings.model_fields[name]) for name in own) + "\n"


def _row(name: str, field: FieldInfo) -> str:
    return f"| `HOLDFAST_{name.upper()}` | {_default(field)} | {field.description} |"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, Path):
        value = value.relative_to(ROOT) if value.is_relative_to(ROOT) else value
    if isinstance(value, list | tuple):
        value = ",".join(str(part) for part in value)
    return f"`{value}`" if value not in ("", None) else "none"


if __name__ == "__main__":
    FILE.write_text(page())
