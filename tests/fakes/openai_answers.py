"""What the fake model says: JSON that fits the schema given, with quotes that are really in its prompt."""

import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

#: What a model that makes quotes up says somebody wrote.
LIE = "words that nobody ever wrote in this chat"
_DEFAULT_DIMENSIONS = 64


def prompt_text(body: Mapping[str, Any]) -> str:
    """Answer all that a chat completion was asked, one message after the other."""
    return "\n".join(_content(message.get("content")) for message in body.get("messages", ()))


def _content(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def schema_of(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Answer the name and the JSON schema that the answer must fit; None where plain text was asked for."""
    response_format = body.get("response_format")
    if not isinstance(response_format, Mapping) or response_format.get("type") != "json_schema":
        return None
    described = response_format["json_schema"]
    return str(described["name"]), described["schema"]


def quotable(prompt: str) -> list[tuple[int, str]]:
    """Answer position and text of the messages in the prompt: lines that are JSON objects with both."""
    found = []
    for line in prompt.splitlines():
        try:
            value = json.loads(line) if line.startswith("{") else None
        except ValueError:
            continue
        if isinstance(value, dict) and isinstance(value.get("position"), int) and value.get("text"):
            found.append((value["position"], str(value["text"])))
    return found


def fitting(schema: Mapping[str, Any], prompt: str, *, lying: bool = False) -> Any:
    """Answer a value that fits the schema. One with `text` and `positions` is a quote of the prompt."""
    return _Writer(schema, quotable(prompt), lying).value(schema)


class _Writer:
    def __init__(self, root: Mapping[str, Any], messages: Sequence[tuple[int, str]], lying: bool) -> None:
        self._root = root
        self._messages = messages
        self._lying = lying
        self._numbers = count()
        self._quotes = count()

    def value(self, schema: Mapping[str, Any]) -> Any:
        schema = self._resolved(schema)
        if "const" in schema or "enum" in schema:
            return schema.get("const", schema.get("enum", [None])[0])
        kind = schema.get("type")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            items = range(max(1, schema.get("minItems", 0)))
            return [self.value(schema.get("items", {"type": "string"})) for _ in items]
        return self._scalar(str(kind), schema)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        if "anyOf" in schema:
            schema = schema["anyOf"][0]
        if "$ref" in schema:
            name = str(schema["$ref"]).rsplit("/", 1)[-1]
            resolved: Mapping[str, Any] = self._root["$defs"][name]
            return resolved
        return schema

    def _object(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        written = {name: self.value(part) for name, part in properties.items()}
        if {"text", "positions"} <= properties.keys() and self._messages:
            position, text = self._messages[next(self._quotes) % len(self._messages)]
            written["positions"] = [position]
            written["text"] = LIE if self._lying else text[: properties["text"].get("maxLength", 200)]
        return written

    def _scalar(self, kind: str, schema: Mapping[str, Any]) -> Any:
        if kind in ("integer", "number"):
            return schema.get("minimum", 1)
        if kind == "boolean":
            return True
        if kind == "null":
            return None
        text = f"Both sides of this chat are heard here, part {next(self._numbers) + 1}."
        return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength", 200)]


def embedding(text: str, dimensions: int | None) -> list[float]:
    """Answer a unit vector: texts that share words are near each other, the same text is always the same."""
    vector = [0.0] * (dimensions or _DEFAULT_DIMENSIONS)
    for word in text.lower().split() or [""]:
        vector[zlib.crc32(word.encode()) % len(vector)] += 1.0
    length = math.sqrt(sum(part * part for part in vector)) or 1.0
    return [part / length for part in vector]


def tokens(text: str) -> int:
    """Answer about how many tokens a text has."""
    return len(text) // 4 + 1


def pieces(text: str, size: int = 12) -> Iterator[str]:
    """Cut an answer into what a stream sends one after the other."""
    for start in range(0, len(text), size):
        yield text[start : start + size]
